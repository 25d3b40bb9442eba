"""What ``import pcrnet`` offers, with paths as text or as ``Path``.

Thin calls of the functions that the command line uses. Importing this module imports no network;
each function imports what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.errors import RunError
from pcrnet.training.head_start import begin_early

if TYPE_CHECKING:
    from pcrnet.cohort.outcome import OutcomeDefinition
    from pcrnet.cohort.table import Cohort
    from pcrnet.config.imaging import ChannelKind, DicomConfig
    from pcrnet.data.datamodule import FitDataModule
    from pcrnet.deploy.prediction.predictor import Predictor
    from pcrnet.imaging.volume import Volume
    from pcrnet.run.pipeline import CrossValidation, RunResult
    from pcrnet.training.events import Listener
    from pcrnet.training.lightning.module import PcrModule

AnyPath = str | PathLike[str]

__all__ = [
    "cross_validate",
    "evaluate",
    "load_bundle",
    "load_experiment",
    "module_and_data",
    "read_cohort",
    "read_volume",
    "train",
]


def train(experiment: Experiment, *listeners: Listener) -> RunResult:
    """Run the whole job; as :func:`pcrnet.run.pipeline.train`."""
    begin_early(experiment)
    from pcrnet.run.pipeline import train as run

    return run(experiment, *listeners)


def cross_validate(experiment: Experiment, *listeners: Listener) -> CrossValidation:
    """Out-of-fold predictions and their metrics; as :func:`pcrnet.run.pipeline.cross_validate`."""
    begin_early(experiment)
    from pcrnet.run.pipeline import cross_validate as run

    return run(experiment, *listeners)


def module_and_data(
    experiment: Experiment,
    *listeners: Listener,
    left_out: Sequence[int] = (0,),
    validation: float = 0.2,
) -> tuple[PcrModule, FitDataModule]:
    """One fit for a Lightning trainer of your own; as
    :func:`pcrnet.run.own_trainer.module_and_data`; ``validation`` is the share that is watched.
    """
    from pcrnet.run.own_trainer import module_and_data as parts

    return parts(experiment, *listeners, left_out=left_out, validation=validation)


def evaluate(
    source: AnyPath,
    out: AnyPath | None = None,
    *,
    config: EvaluationConfig | None = None,
    repeats: Sequence[AnyPath] = (),
) -> Path:
    """Judge a finished run, or any table in the contract of predictions, and write its report.

    Args:
        source: A run directory or a CSV table.
        out: Folder of the report; needed for a table. That of a run lies in the run.
        config: Draws, seed and protocol; the run's own or the defaults where None.
        repeats: Tables of the same patients from further repeats of cross-validation.

    Returns:
        Path of ``index.html``; ``metrics.json`` lies beside it.

    Raises:
        RunError: The run is not finished, or ``out`` does not fit ``source``.
        PredictionsError: The table breaks its contract.
    """
    from pcrnet.evaluation.analysis import evaluate_run, evaluate_table

    path = Path(source)
    if path.is_dir():
        if out is not None or repeats:
            raise RunError(
                "a run has a report and repeats of its own", file=path, remedy="leave them out"
            )
        return evaluate_run(path, config)
    if out is None:
        raise RunError("no folder for the report of a table", field="out", remedy="name one")
    return evaluate_table(
        path, Path(out), config or EvaluationConfig(), repeats=[Path(each) for each in repeats]
    )


def load_bundle(path: AnyPath, device: str = "cpu", *, sha256: str | None = None) -> Predictor:
    """Read a bundle; ``.predict(cohort)`` gives the predictions of a cohort table.

    Every file is checked and the golden cases are reproduced first; as
    :func:`pcrnet.deploy.prediction.predictor.load_predictor`.
    """
    from pcrnet.deploy.prediction.predictor import load_predictor

    return load_predictor(Path(path), device, sha256=sha256)


def read_volume(
    path: AnyPath,
    channel: str,
    kind: ChannelKind | None = None,
    *,
    settings: DicomConfig | None = None,
) -> Volume:
    """One scan in true units: array [i, j, k], affine (4, 4) to RAS in mm, unit.

    As :func:`pcrnet.imaging.reader.read_volume`.
    """
    from pcrnet.imaging.reader import read_volume as read

    return read(Path(path), channel, kind, settings=settings)


def read_cohort(
    path: AnyPath,
    *,
    definition: OutcomeDefinition = "ypT0",
    timepoints: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    covariates: Sequence[str] = (),
) -> Cohort:
    """A cohort table, whole and in order; as :func:`pcrnet.cohort.table.read_cohort`.

    Args:
        path: The table.
        definition: What counts as complete response of the breast.
        timepoints: In order of time; the default experiment's where None.
        channels: The default experiment's where None.
        covariates: Columns to read as clinical covariates.
    """
    from pcrnet.cohort.table import read_cohort as read

    data = Experiment().data
    return read(
        Path(path),
        definition=definition,
        timepoints=data.timepoints if timepoints is None else timepoints,
        channels=data.channels if channels is None else channels,
        covariates=covariates,
    )
