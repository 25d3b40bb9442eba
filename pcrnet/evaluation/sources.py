"""What a report is made from: the files of a run directory, or one table of predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pcrnet import __version__
from pcrnet.config import Experiment, load_experiment
from pcrnet.errors import ConfigError, RunError
from pcrnet.evaluation.patients import Covariate, covariates_of, read_covariates
from pcrnet.evaluation.predictions import Predictions, read_predictions
from pcrnet.storage import read_json, sha256_file

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
    experiment: Experiment | None = None
    """None for a table of unknown making."""
    flow: tuple[FlowStep, ...] = ()
    pictures: tuple[Picture, ...] = ()
    ablations: Mapping[str, Predictions] = field(default_factory=dict)
    baselines: Mapping[str, Predictions] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    """File to the SHA-256 of its bytes."""

    @property
    def simulated(self) -> bool:
        """Whether the patients were made by the in-silico trial."""
        return self.environment.get("simulated") is True


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
    table = run / "predictions.csv"
    if not table.is_file():
        raise RunError(
            "the run has no predictions.csv: it has not finished",
            file=run,
            remedy="start train.py again with the same configuration; it continues where it was",
        )
    predictions = read_predictions(table)
    patients = run / "patients.csv"
    config = run / "config.yaml"
    names = ("predictions.csv", "patients.csv", "splits.json", "config.yaml", "environment.json")
    ablations, baselines = (_read_variants(run, kind, predictions) for kind in _VARIANTS)
    return Sources(
        name=run.resolve().name,
        predictions=predictions,
        covariates=read_covariates(patients, predictions.patient_id) if patients.is_file() else (),
        experiment=_read_experiment(config) if config.is_file() else None,
        flow=_read_flow(run / "flow.json"),
        pictures=_read_pictures(run / "pictures"),
        ablations=ablations,
        baselines=baselines,
        environment=_read_mapping(run / "environment.json"),
        digests={name: sha256_file(run / name) for name in names if (run / name).is_file()},
    )


def read_table(predictions: Path, patients: Path | None = None) -> Sources:
    """Read a table of predictions, ours or anybody's, with the covariates that are beside it.

    Args:
        predictions: The table.
        patients: Table of covariates; the other columns of the predictions when None.

    Raises:
        PredictionsError: A table breaks its contract.
    """
    table = read_predictions(predictions)
    files = [predictions] if patients is None else [predictions, patients]
    return Sources(
        name=predictions.stem,
        predictions=table,
        covariates=covariates_of(table.other)
        if patients is None
        else read_covariates(patients, table.patient_id),
        environment={"pcrnet": __version__},
        digests={path.name: sha256_file(path) for path in files},
    )


_VARIANTS = ("ablations", "baselines")


def _read_experiment(path: Path) -> Experiment:
    try:
        return load_experiment([str(path)])
    except ConfigError as error:
        raise error.located(file=path) from error


def _read_variants(run: Path, kind: str, predictions: Predictions) -> dict[str, Predictions]:
    variants = {}
    for path in sorted((run / kind).glob("*.csv")):
        variant = read_predictions(path)
        if variant.patient_id != predictions.patient_id:
            raise RunError(
                "holds other patients, or in another order, than predictions.csv",
                file=path,
                remedy="remove it, or make it again from the same run",
            )
        variants[path.stem] = variant
    return variants


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


def _read_pictures(folder: Path) -> tuple[Picture, ...]:
    index = folder / "pictures.json"
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
    return tuple(_read_picture(folder, entry) for entry in entries)


def _read_picture(folder: Path, entry: Mapping[str, str]) -> Picture:
    path = folder / entry["file"]
    inside = path.resolve().is_relative_to(folder.resolve())
    png = path.read_bytes() if inside and path.is_file() else b""
    if not png.startswith(_PNG_SIGNATURE):
        raise RunError(
            f"names {entry['file']!r}, which is no PNG in this folder",
            file=folder / "pictures.json",
            remedy="make the pictures again, or remove the entry",
        )
    return Picture(entry["patient_id"], entry["title"], entry["caption"], png)


def _read_mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = _parse(path)
    if not isinstance(value, dict):
        raise RunError("expected a JSON object", file=path)
    return value


def _parse(path: Path) -> Any:  # noqa: ANN401 - JSON has no narrower type
    try:
        return read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError("is not JSON", file=path, remedy="run train.py again") from error
