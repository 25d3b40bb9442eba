"""What a report is made from: the files of a run directory, or one table of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pcrnet import __version__
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.errors import ConfigError, PredictionsError, RunError
from pcrnet.evaluation.population.case_mix import BundleIdentity
from pcrnet.evaluation.population.patients import Covariate, covariates_of, read_covariates
from pcrnet.evaluation.population.quantities import read_quantities
from pcrnet.evaluation.statistics.array_types import FloatArray
from pcrnet.evaluation.statistics.shipped import ShippedHead
from pcrnet.evaluation.tables.column_map import ColumnMap, did_you_mean, near_columns
from pcrnet.evaluation.tables.prediction_table import read_prediction_table
from pcrnet.evaluation.tables.predictions import (
    BESIDE,
    Predictions,
    read_predictions,
    take_predictions,
)
from pcrnet.run_layout import PREDICTIONS_FILE, VARIANT_KINDS, RunLayout
from pcrnet.storage import read_json, sha256_file

_REMEDY = "run train.py again"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class FlowStep:
    """A stage on the way from the table to the analysis."""

    step: str
    n: int
    reason: str
    """Why those who were in the stage before are not in this one."""


@dataclass(frozen=True)
class Picture:
    """A picture of one patient; ``png`` is the whole file."""

    patient_id: str
    title: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class Sources:
    """Everything that a report says, before anything is computed from it."""

    name: str
    predictions: Predictions
    covariates: tuple[Covariate, ...]
    repeats: tuple[Predictions, ...] = ()
    """The same patients in further repeats of cross-validation, in the same order."""
    experiment: Experiment | None = None
    """None for a table of unknown making."""
    flow: tuple[FlowStep, ...] = ()
    pictures: tuple[Picture, ...] = ()
    ablations: Mapping[str, Predictions] = field(default_factory=dict)
    baselines: Mapping[str, Predictions] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    """File to the SHA-256 of its bytes."""
    quantities: Mapping[str, FloatArray] = field(default_factory=dict)
    """What was measured of the patients: name to values (n,), NaN where it was not."""
    kept: tuple[float, ...] = ()
    """Of the shipped network's correction of what it starts from the part that was kept, for each
    of the three logits; empty where the shipped model is no network."""
    shipped: Mapping[Head, ShippedHead] = field(default_factory=dict)
    """What training tells of the model that ships; empty for a table, and in ``crossfit``."""
    bundle: BundleIdentity | None = None
    """What made the predictions of an external test set, where pcrnet made them."""
    remarks: tuple[str, ...] = ()
    """How the table was taken where it is not written as the contract has it."""

    @property
    def all_repeats(self) -> tuple[Predictions, ...]:
        """The predictions of every repeat, the first one first."""
        return (self.predictions, *self.repeats)

    @property
    def kind(self) -> str:
        """The kind of model that predicted; empty for a table of unknown making."""
        return "" if self.experiment is None else self.experiment.model.kind

    @property
    def definition(self) -> str | None:
        """How complete response of the breast is defined; None where that cannot be seen."""
        if self.experiment is not None:
            return self.experiment.outcome.definition
        return None if self.bundle is None else self.bundle.definition

    @property
    def simulated(self) -> bool:
        """Whether the patients were made by the in-silico trial."""
        trained_so = self.bundle is not None and self.bundle.simulated
        return trained_so or self.environment.get("simulated") is True


def read_run(run: Path) -> Sources:
    """Read a finished run directory.

    Raises:
        RunError: It is no run directory, has no predictions yet, or a file of it is damaged.
        PredictionsError: A table breaks the contract of predictions.
    """
    if not run.is_dir():
        raise RunError(
            "there is no such folder", file=run, remedy="name a run directory, such as runs/NAME"
        )
    at = RunLayout(run)
    if not at.predictions.is_file():
        raise _unfinished(f"the run has no {PREDICTIONS_FILE}: it has not finished", run)
    predictions = read_predictions(at.predictions)
    patients, quantities = at.patients, at.quantities
    experiment = _read_experiment(at.config) if at.config.is_file() else None
    again = _repeats(at, experiment)
    files = (at.predictions, patients, quantities, at.splits, at.config, at.environment, *again)
    ablations, baselines = (_read_variants(at, kind, predictions) for kind in VARIANT_KINDS)
    return Sources(
        name=run.resolve().name,
        predictions=predictions,
        repeats=tuple(_read_again(path, predictions) for path in again),
        covariates=read_covariates(patients, predictions.patient_id) if patients.is_file() else (),
        experiment=experiment,
        flow=_read_flow(at.flow),
        pictures=_read_pictures(at),
        ablations=ablations,
        baselines=baselines,
        quantities=read_quantities(quantities, predictions.patient_id)
        if quantities.is_file()
        else {},
        kept=_read_kept(at.bundle / "bundle.json"),
        shipped=_read_shipped(at.decisions),
        environment=_read_mapping(at.environment),
        digests={at.name_of(path): sha256_file(path) for path in files if path.is_file()},
    )


def read_table(
    predictions: Path,
    patients: Path | None = None,
    *,
    repeats: Sequence[Path] = (),
    columns: ColumnMap | None = None,
) -> Sources:
    """Read a table of predictions, ours or anybody's, with the covariates that are beside it.

    Args:
        predictions: The table.
        patients: Table of covariates; the other columns of the predictions when None.
        repeats: Tables of the same patients from further repeats of cross-validation.
        columns: What the columns of the tables mean, where they have other names.

    Raises:
        PredictionsError: A table breaks its contract, or no outcome of what it predicts is known.
        RunError: A repeat holds other patients.
    """
    columns = columns or ColumnMap()
    raw = read_prediction_table(predictions, columns)
    table = take_predictions(raw, predictions.name)
    _check_outcomes(table, predictions)
    files = [predictions, *repeats, *([] if patients is None else [patients])]
    return Sources(
        name=predictions.stem,
        predictions=table,
        repeats=tuple(_read_again(path, table, columns) for path in repeats),
        covariates=covariates_of(
            {name: values for name, values in table.other.items() if name not in BESIDE}
        )
        if patients is None
        else read_covariates(patients, table.patient_id),
        environment={"pcrnet": __version__},
        remarks=raw.remarks,
        digests={_short_name(path, files): sha256_file(path) for path in files},
    )


def _check_outcomes(table: Predictions, path: Path) -> None:
    """Refuse a table that predicts and says of nobody what came of it."""
    known = [head for head, label in table.label.items() if not np.isnan(label).all()]
    if set(known) & set(table.heads):
        return
    others = {name: cells for name, cells in table.other.items() if name not in BESIDE}
    near = near_columns(others, "label")
    found = f"; outcomes of {', '.join(known)} are known, which has no probabilities" * bool(known)
    head = table.heads[-1]
    raise PredictionsError(
        f"no outcome is known of what it predicts{found}{did_you_mean(near)}",
        file=path.name,
        field=", ".join(table.heads),
        remedy=f"give the outcome as 0, 1 or empty in a column {head}, or name its column: "
        f"--label {head}={near[0] if near else 'COLUMN'}",
    )


def _read_experiment(path: Path) -> Experiment:
    try:
        return load_experiment([str(path)])
    except ConfigError as error:
        raise error.located(file=path) from error


def _read_variants(run: RunLayout, kind: str, predictions: Predictions) -> dict[str, Predictions]:
    variants = {}
    for path in sorted(run.variants(kind).glob("*.csv")):
        variants[path.stem] = _read_again(path, predictions)
    return variants


def _read_again(path: Path, first: Predictions, columns: ColumnMap | None = None) -> Predictions:
    """Another prediction of the same patients."""
    if not path.is_file():
        raise _unfinished("the file is missing: the run has not finished", path)
    again = read_predictions(path, columns)
    if again.patient_id != first.patient_id or again.heads != first.heads:
        raise RunError(
            "holds other patients or outcomes, or in another order, than the first table",
            file=path,
            remedy="remove it, or make it again from the same cohort",
        )
    for head, label in first.label.items():
        if not np.array_equal(again.label[head], label, equal_nan=True):
            raise RunError(
                "states other outcomes than the first table of the same patients",
                file=path,
                field=head,
                remedy="make all tables from the same cohort",
            )
    return again


def _unfinished(problem: str, path: Path) -> RunError:
    return RunError(
        problem,
        file=path,
        remedy="start train.py again with the same configuration; it continues where it was",
    )


def _repeats(run: RunLayout, experiment: Experiment | None) -> list[Path]:
    count = 1 if experiment is None else experiment.evaluation.repeats
    return [run.repeat(number).predictions for number in range(2, count + 1)]


def _short_name(path: Path, among: Sequence[Path]) -> str:
    """The file's name, with its folder's where others are called the same."""
    alone = sum(other.name == path.name for other in among) == 1
    return path.name if alone else f"{path.resolve().parent.name}/{path.name}"


def _read_flow(path: Path) -> tuple[FlowStep, ...]:
    if not path.is_file():
        return ()
    try:
        steps = [
            FlowStep(str(entry["step"]), int(entry["n"]), str(entry.get("reason") or ""))
            for entry in _parse(path)
        ]
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise RunError("expected a list of {step, n, reason}", file=path) from error
    return tuple(steps)


def _read_pictures(run: RunLayout) -> tuple[Picture, ...]:
    index = run.picture_list
    if not index.is_file():
        return ()
    try:
        entries = [
            {key: str(entry[key]) for key in ("file", "patient_id", "title", "caption")}
            for entry in _parse(index)
        ]
    except (TypeError, KeyError) as error:
        raise RunError(
            "expected a list of {file, patient_id, title, caption}", file=index
        ) from error
    return tuple(_read_picture(index, entry) for entry in entries)


def _read_picture(index: Path, entry: Mapping[str, str]) -> Picture:
    folder = index.parent
    path = folder / entry["file"]
    inside = path.resolve().is_relative_to(folder.resolve())
    png = path.read_bytes() if inside and path.is_file() else b""
    if not png.startswith(_PNG_SIGNATURE):
        raise RunError(
            f"names {entry['file']!r}, which is no PNG in this folder",
            file=index,
            remedy="make the pictures again, or remove the entry",
        )
    return Picture(entry["patient_id"], entry["title"], entry["caption"], png)


def _read_kept(manifest: Path) -> tuple[float, ...]:
    """How much of the network's correction the bundle kept; none where it says nothing of it."""
    about = _read_mapping(manifest).get("about")
    factors = about.get("factors", ()) if isinstance(about, dict) else ()
    try:
        return tuple(float(factor) for factor in factors)
    except (TypeError, ValueError) as error:
        raise RunError(
            "expected a list of numbers", file=manifest, field="about.factors", remedy=_REMEDY
        ) from error


def _read_shipped(decisions: Path) -> dict[Head, ShippedHead]:
    """What the run tells of the model that ships; nothing where an older pcrnet wrote it."""
    known = _read_mapping(decisions).get("shipped", {})
    try:
        return {head: ShippedHead(**known[head]) for head in HEADS if head in known}
    except TypeError as error:
        raise RunError(
            "expected what is known of each outcome",
            file=decisions,
            field="shipped",
            remedy=_REMEDY,
        ) from error


def _read_mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = _parse(path)
    if not isinstance(value, dict):
        raise RunError("expected a JSON object", file=path)
    return value


def _parse(path: Path) -> Any:  # noqa: ANN401 - JSON has no narrower type
    return read_json(path, remedy=_REMEDY)
