"""Whether a bundle still gives its golden answers, and whether those can be golden answers at all.

The sums of a bundle find accidents that happen to a finished folder. What is looked at here would
otherwise pass: answers that lack a head, cases that were lost, units that nobody can read. A check
that has less to compare than it thinks is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pcrnet.cohort.csv_file import read_rows
from pcrnet.cohort.outcome import HEADS
from pcrnet.deploy.golden import CASES
from pcrnet.deploy.golden_inputs import input_difference
from pcrnet.deploy.manifest import EXPECTED_FILE, GOLDEN_FOLDER, INPUTS_FILE, Manifest
from pcrnet.errors import IntegrityError, PcrnetError
from pcrnet.evaluation.tables.predictions import Predictions, read_predictions
from pcrnet.storage import read_record

if TYPE_CHECKING:
    from pcrnet.deploy.prediction.predictor import Predictor

GOLDEN_TOLERANCE = 1e-4
"""How far a probability of a golden case may lie from what the bundle's writer found."""
_PATIENTS = tuple(f"golden-{case}" for case in CASES)
_RESTORE = "copy the bundle again from its source"
_COMPARE = (
    "compare the versions of torch and pcrnet with those in environment.json of the run; do not "
    "use these predictions"
)


def require_golden_answers(predictor: Predictor, directory: Path) -> None:
    """Let a bundle answer its golden cases, and compare inputs and answers.

    Inputs come first: they say what is wrong where probabilities say only that something is.

    Args:
        predictor: The bundle, ready to predict.
        directory: Its folder.

    Raises:
        IntegrityError: A golden case is missing, is no possible case of this bundle, or is read,
            preprocessed or answered otherwise than by who wrote the bundle.
    """
    golden = directory / GOLDEN_FOLDER
    manifest = predictor.bundle.manifest
    try:
        inputs = _believable_inputs(golden, manifest)
        expected = _believable_answers(golden, manifest)
        _require_units(golden, manifest)
        cohort = golden / "cohort.csv"
        difference = input_difference(inputs, predictor.inputs(cohort))
        found = None if difference else predictor.predict_table(cohort).predictions
    except IntegrityError as error:
        raise error.located(file=directory) from None
    except PcrnetError as error:
        raise IntegrityError(
            f"the golden cases cannot be read: {error.problem}", file=directory, remedy=_RESTORE
        ) from error
    if difference is not None:
        raise IntegrityError(
            f"the golden cases are read or preprocessed otherwise than by who wrote the bundle "
            f"({difference})",
            file=directory,
            remedy=_COMPARE,
        )
    drift = _drift(found, expected)
    if not drift <= GOLDEN_TOLERANCE:
        raise IntegrityError(
            f"the golden cases are answered {drift:.2g} off, {GOLDEN_TOLERANCE:g} is allowed",
            file=directory,
            remedy=_COMPARE,
        )


def _drift(found: Predictions | None, expected: Predictions) -> float:
    """The largest difference of any probability; infinite where other patients are answered."""
    if found is None or found.patient_id != expected.patient_id:
        return np.inf
    pairs = [
        (after[head], before[head])
        for after, before in (
            (found.prob, expected.prob),
            (found.uncalibrated_prob, expected.uncalibrated_prob),
        )
        for head in HEADS
    ]
    return max(float(np.abs(after - before).max()) for after, before in pairs)


def _believable_answers(golden: Path, manifest: Manifest) -> Predictions:
    """The answers that were written: every case, every head, the thresholds of the manifest."""
    expected = read_predictions(golden / EXPECTED_FILE)
    enough = manifest.data.minimum_scans
    answered = tuple(
        p for p, scans in zip(_PATIENTS, _scans(golden), strict=True) if scans >= enough
    )
    if expected.patient_id != answered:
        raise _implausible(f"{EXPECTED_FILE} answers other cases")
    if tuple(expected.prob) != HEADS or tuple(expected.uncalibrated_prob) != HEADS:
        raise _implausible(f"{EXPECTED_FILE} lacks a probability")
    for head, point in manifest.operating_points.items():
        locked = expected.threshold.get(head)
        wanted = np.nan if point is None else point
        if locked is None or not np.array_equal(
            locked, np.full(len(answered), wanted), equal_nan=True
        ):
            raise _implausible(f"the threshold of {head} is not the one of {EXPECTED_FILE}")
    return expected


def _scans(golden: Path) -> list[int]:
    """How many scans each golden case has; the table must name all of them and nobody else."""
    header, rows = read_rows(golden / "cohort.csv")
    cells = [dict(zip(header, row, strict=False)) for _, row in rows]
    if tuple(row.get("patient_id") for row in cells) != _PATIENTS:
        raise _implausible("cohort.csv names other cases")
    return [sum(cell.endswith(".nii.gz") for cell in row.values()) for row in cells]


def _believable_inputs(golden: Path, manifest: Manifest) -> dict[str, Any]:
    """What was written of the network's inputs: every case, each with everything it is told by."""
    inputs = read_record(golden / INPUTS_FILE, remedy=_RESTORE)
    if tuple(inputs) != _PATIENTS or not any(inputs.values()):
        raise _implausible(f"{INPUTS_FILE} describes other cases")
    known = {f"{t}.{c}" for t in manifest.data.timepoints for c in manifest.data.channels}
    for case in filter(None, inputs.values()):
        sound = (
            isinstance(case, dict)
            and set(case) == {"scans", "days", "centre_mm", "covariates", "quantities"}
            and isinstance(case["scans"], dict)
            and len(case["scans"]) > 0
            and set(case["scans"]) <= known
            and all(_numbers(moments, 5) for moments in case["scans"].values())
            and _numbers(case["centre_mm"], 3)
        )
        if not sound:
            raise _implausible(f"{INPUTS_FILE} does not describe what a network is shown")
    return inputs


def _numbers(value: object, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(number, int | float) and abs(number) < 1e6 for number in value)
    )


def _require_units(golden: Path, manifest: Manifest) -> None:
    """Each phantom states the unit of its channel, as it was written."""
    for path in sorted(golden.glob("*.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        channel = next((c for c in manifest.units if name.endswith(f"_{c}")), None)
        stated = read_record(path.with_name(f"{name}.json"), remedy=_RESTORE)
        if channel is None or stated != {"unit": manifest.units[channel]}:
            raise _implausible(f"{name}.json does not state the unit of its channel")


def _implausible(problem: str) -> IntegrityError:
    return IntegrityError(
        f"the golden cases are not those of this bundle: {problem}", remedy=_RESTORE
    )
