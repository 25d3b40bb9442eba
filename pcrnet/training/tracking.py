"""Loggers beside the local record: losses, final metrics, and nothing about a patient."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, assert_never

from pcrnet.config.experiment import Experiment
from pcrnet.config.model import without_weights
from pcrnet.config.training import LoggerName, TrackingConfig
from pcrnet.disk_room import require_writable
from pcrnet.errors import ConfigError, PcrnetError
from pcrnet.run_layout import RunLayout
from pcrnet.storage import make_folder
from pcrnet.training.events import (
    EpochReport,
    FitsPlanned,
    Listener,
    Measured,
    Remark,
    RunEvent,
)
from pcrnet.training.trackers.artifacts import artifact
from pcrnet.training.trackers.forgiving import Forgiving
from pcrnet.training.trackers.sink import Sink

TrackingMode = Literal["online", "offline", "disabled"]
TRACKING_FOLDER = "tracking"


class Tracker:
    """Follows a run and logs its numbers; a listener like the console.

    Args:
        sinks: The loggers.
    """

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        self.sinks = tuple(sinks)

    def __call__(self, event: RunEvent) -> None:
        """Log what is a number; remarks and progress stay on this machine."""
        for sink in self.sinks:
            match event:
                case FitsPlanned():
                    sink.begin(event.fits)
                case EpochReport():
                    values = {"loss": event.loss, **event.measures}
                    sink.log(event.fit, "epoch", event.epoch, values)
                case Measured():
                    sink.log(event.fit, "step", event.step, event.values)
                case _:
                    pass

    def summarise(self, metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Log the metrics of the report, such as ``yT0yN0/auc``.

        Args:
            metrics: ``heads`` of ``metrics.json``.
        """
        found = {
            f"{head}/{name}": float(estimate["value"])
            for head, values in metrics.items()
            for name, estimate in values.items()
            if estimate["value"] is not None
        }
        for sink in self.sinks:
            sink.summarise(found)

    def attach(self, name: str, path: Path) -> None:
        """Keep a file or a folder with the run."""
        for sink in self.sinks:
            sink.attach(name, path)


@contextmanager
def tracking(experiment: Experiment, listen: Listener = lambda event: None) -> Iterator[Tracker]:
    """Open the loggers that the configuration asks for, and close them whatever happens.

    A run that comes through leaves what ``tracking.artifacts`` names with those that keep files. A
    logger that fails once the run has begun ends nothing.

    Args:
        experiment: The configuration.
        listen: Told what a logger has missed.

    Raises:
        ConfigError: A logger is not installed, or does not take the run.
    """
    tracker = Tracker(_sinks(experiment, listen))
    try:
        yield tracker
        _attach(tracker, experiment, listen)
    except BaseException:
        _close(tracker, failed=True)
        raise
    _close(tracker, failed=False)


def _sinks(experiment: Experiment, listen: Listener) -> list[Sink]:
    opened: list[Sink] = []
    try:
        for name in experiment.tracking.loggers:
            opened += [Forgiving(name, sink, listen) for sink in _opened(name, experiment)]
    except BaseException:
        _close(Tracker(opened), failed=True)
        raise
    return opened


def _opened(name: LoggerName, experiment: Experiment) -> list[Sink]:
    """Before a run begins a logger may still refuse it, in words."""
    try:
        return _sink(name, experiment)
    except (PcrnetError, OSError):
        raise
    except Exception as error:  # of whatever kind the library has made it
        raise ConfigError(
            f"{name} does not take the run ({type(error).__name__})",
            field="tracking.loggers",
            remedy=f"check that you are logged in and that its server answers, or leave {name} out",
        ) from error


def _sink(name: LoggerName, experiment: Experiment) -> list[Sink]:
    folder = experiment.run.directory / TRACKING_FOLDER
    match name:
        case "wandb":
            return _wandb(experiment)
        case "tensorboard":
            from pcrnet.training.trackers.tensorboard_sink import TensorBoardSink

            return [TensorBoardSink(folder / name)]
        case "csv":
            from pcrnet.training.trackers.csv_sink import CsvSink

            return [CsvSink(folder)]
        case "mlflow":
            from pcrnet.training.trackers.mlflow_sink import MlflowSink

            project, run = experiment.tracking.project, experiment.run.name
            return [MlflowSink(folder / name, project, run, public_config(experiment))]
        case _:
            assert_never(name)


def _wandb(experiment: Experiment) -> list[Sink]:
    mode = tracking_mode(experiment.tracking)
    if mode == "disabled":
        return []
    import wandb

    from pcrnet.training.trackers.wandb_sink import WandbSink

    directory = experiment.run.directory
    make_folder(directory)
    require_writable(RunLayout(directory).lock)  # wandb would go on, and log an error for each line
    run = wandb.init(
        project=experiment.tracking.project,
        group=experiment.tracking.group,
        name=experiment.run.name,
        dir=directory,
        mode=mode,
        config=public_config(experiment),
        settings=wandb.Settings(
            # Paths, host and command line can carry names; none of them leaves this machine.
            disable_git=True,
            save_code=False,
            console="off",
            silent=True,
            x_disable_meta=True,
            x_disable_stats=True,
        ),
    )
    return [WandbSink(run, experiment.run.name)]


def _attach(tracker: Tracker, experiment: Experiment, listen: Listener) -> None:
    run = RunLayout(experiment.run.directory)
    for name in experiment.tracking.artifacts:
        try:
            path = artifact(name, run, run.path / TRACKING_FOLDER / "shared")
        except (PcrnetError, OSError) as error:
            listen(Remark(f"the {name} is not left with the loggers ({type(error).__name__})"))
            continue
        if path is not None:
            tracker.attach(name, path)


def _close(tracker: Tracker, *, failed: bool) -> None:
    for sink in tracker.sinks:
        sink.close(failed=failed)


def tracking_mode(config: TrackingConfig) -> TrackingMode:
    """What ``auto`` means here: online where the user is logged in, offline elsewhere.

    ``disabled`` in the configuration is final. Otherwise ``WANDB_MODE`` overrules it, as wandb's
    users expect.
    """
    if config.wandb == "disabled":
        return "disabled"
    modes: tuple[TrackingMode, ...] = ("online", "offline", "disabled")
    for mode in modes:
        if os.environ.get("WANDB_MODE") == mode:
            return mode
    if config.wandb != "auto":
        return config.wandb
    return "online" if _logged_in() else "offline"


def _logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        return "api.wandb.ai" in path.read_text()
    except (OSError, UnicodeDecodeError):
        return False


def public_config(experiment: Experiment) -> dict[str, Any]:
    """The configuration without paths and without the names of columns."""
    shown = experiment.model_copy(update={"model": without_weights(experiment.model)})
    values = shown.model_dump(mode="json", exclude={"tracking"})
    for section, key in (("run", "root"), ("data", "cohort"), ("data", "cache")):
        del values[section][key]
    values["data"]["covariates"] = len(experiment.data.covariates or ())
    for key in ("protocol", "answers"):
        del values["evaluation"][key]
    return values
