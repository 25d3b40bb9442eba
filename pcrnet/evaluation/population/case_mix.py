"""Who a model learned from, and who it is judged on: the same few numbers of both, side by side.

What travels with a bundle are counts and quartiles of five patients or more (``SMALLEST_LEVEL``),
never a value of one patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.errors import BundleError
from pcrnet.evaluation.population.patients import (
    SMALLEST_LEVEL,
    Covariate,
    NumericCovariate,
    readable,
)
from pcrnet.evaluation.statistics.array_types import FloatArray


@dataclass(frozen=True)
class CaseMix:
    """A cohort in a few numbers.

    Attributes:
        patients: How many.
        responders: Head to patients with complete response and patients with a known outcome.
        quartiles: Measured covariate to its quartiles, smallest first.
        levels: Other covariate to level and patients who have it.
    """

    patients: int
    responders: Mapping[str, tuple[int, int]]
    quartiles: Mapping[str, tuple[float, float, float]]
    levels: Mapping[str, Mapping[str, int]]

    def to_json(self) -> dict[str, Any]:
        """The record of ``bundle.json``."""
        return asdict(self)


@dataclass(frozen=True)
class BundleIdentity:
    """Which model was validated.

    Attributes:
        name: Of the run that made it.
        sha256: Digest of the bundle.
        version: Of pcrnet, when it was made.
        definition: Of complete response in the breast, ``ypT0`` or ``ypT0/is``.
        inputs: Branches with their channels, and timepoints, in words.
        simulated: Whether it was trained on an in-silico trial.
        training: Who it learned from; None in bundles made before this was recorded.
    """

    name: str
    sha256: str
    version: str
    definition: str
    inputs: str
    simulated: bool
    training: CaseMix | None


@dataclass(frozen=True)
class CaseMixRow:
    """One line of the comparison: training, then validation."""

    label: str
    training: str
    validation: str


def case_mix(labels: Mapping[Head, FloatArray], covariates: Sequence[Covariate]) -> CaseMix:
    """Count a cohort: labels (n,) by head, NaN where unknown, and its covariates."""
    quartiles, levels = {}, {}
    for covariate in covariates:
        if isinstance(covariate, NumericCovariate):
            known = covariate.values[np.isfinite(covariate.values)]
            if known.size >= SMALLEST_LEVEL:
                low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
                quartiles[covariate.name] = (float(low), float(middle), float(high))
        else:
            counts = {
                level: int((covariate.codes == code).sum())
                for code, level in enumerate(covariate.levels)
            }
            shown = {level: count for level, count in counts.items() if count >= SMALLEST_LEVEL}
            levels[covariate.name] = shown
    return CaseMix(
        patients=len(next(iter(labels.values()))),
        responders={
            head: (int((label == 1).sum()), int(np.isfinite(label).sum()))
            for head, label in labels.items()
        },
        quartiles=quartiles,
        levels=levels,
    )


def read_case_mix(record: Mapping[str, Any]) -> CaseMix | None:
    """Restore what ``to_json`` gave; None of an empty record, as of bundles made before.

    Raises:
        BundleError: It is no such record.
    """
    if not record:
        return None
    try:
        return CaseMix(
            patients=int(record["patients"]),
            responders={
                head: (int(count[0]), int(count[1])) for head, count in record["responders"].items()
            },
            quartiles={
                name: (float(three[0]), float(three[1]), float(three[2]))
                for name, three in record["quartiles"].items()
            },
            levels={
                name: {level: int(count) for level, count in counts.items()}
                for name, counts in record["levels"].items()
            },
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BundleError(
            "does not describe the patients it was trained on as it should",
            field="case_mix",
            remedy="copy the bundle again from its source",
        ) from error


def side_by_side(training: CaseMix, validation: CaseMix) -> tuple[CaseMixRow, ...]:
    """Patients, prevalence of each outcome, then the covariates that either has."""
    rows = [CaseMixRow("patients", str(training.patients), str(validation.patients))]
    rows += [
        CaseMixRow(
            f"{head}: complete response",
            _share(training.responders.get(head)),
            _share(validation.responders.get(head)),
        )
        for head in HEADS
    ]
    names = dict.fromkeys((*training.quartiles, *validation.quartiles))
    rows += [
        CaseMixRow(
            f"{readable(name)}, median (quartiles)",
            _three(training.quartiles.get(name)),
            _three(validation.quartiles.get(name)),
        )
        for name in names
    ]
    for name in dict.fromkeys((*training.levels, *validation.levels)):
        mine, theirs = training.levels.get(name, {}), validation.levels.get(name, {})
        rows += [
            CaseMixRow(
                f"{readable(name)}: {level}",
                _share((mine[level], sum(mine.values())) if level in mine else None),
                _share((theirs[level], sum(theirs.values())) if level in theirs else None),
            )
            for level in dict.fromkeys((*mine, *theirs))
        ]
    return tuple(rows)


def _share(counts: tuple[int, int] | None) -> str:
    if counts is None or not counts[1]:
        return "–"
    return f"{counts[0]} of {counts[1]} ({100 * counts[0] / counts[1]:.0f} %)"


def _three(quartiles: tuple[float, float, float] | None) -> str:
    if quartiles is None:
        return "–"
    low, middle, high = (f"{value:.4g}".replace("-", "−") for value in quartiles)
    return f"{middle} ({low} to {high})"
