"""Weights & Biases beside the local record: losses, final metrics, and nothing about a patient."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pcrnet.config.experiment import Experiment
from pcrnet.config.training import TrackingConfig
from pcrnet.run_layout import RunLayout
from pcrnet.storage import make_folder, require_writable
from pcrnet.training.events import EpochReport, FitsPlanned, RunEvent

TrackingMode = Literal["online", "offline", "disabled"]


class Tracker:
    """Follows a run and logs its losses; a listener like the console.

    Args:
        run: The wandb run, or None where tracking is disabled.
    """

    def __init__(self, run: Any | None) -> None:  # noqa: ANN401 - wandb is imported only if used
        self._run = run

    def __call__(self, event: RunEvent) -> None:
        """Log what is a number; remarks and progress stay on this machine."""
        if self._run is None:
            return
        match event:
            case FitsPlanned():
                for fit in event.fits:  # every fit has its own axis of epochs
                    self._run.define_metric(f"{fit}/*", step_metric=f"{fit}/epoch")
            case EpochReport():
                losses = {f"{event.fit}/epoch": event.epoch, f"{event.fit}/loss": event.loss}
                self._run.log(losses)
            case _:
                pass

    def summarise(self, metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Put the metrics of the report, such as ``yT0yN0/auc``, where sweeps look for them.

        Args:
            metrics: ``heads`` of ``metrics.json``.
        """
        if self._run is None:
            return
        for head, values in metrics.items():
            for name, estimate in values.items():
                if estimate["value"] is not None:
                    self._run.summary[f"{head}/{name}"] = estimate["value"]


@contextmanager
def tracking(experiment: Experiment) -> Iterator[Tracker]:
    """Open the tracker that the configuration asks for, and close it whatever happens."""
    mode = tracking_mode(experiment.tracking)
    if mode == "disabled":
        yield Tracker(None)
        return
    import wandb

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
    try:
        yield Tracker(run)
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


def tracking_mode(config: TrackingConfig) -> TrackingMode:
    """What ``auto`` means here: online where the user is logged in, offline elsewhere.

    ``WANDB_MODE`` overrules the configuration, as wandb's users expect.
    """
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
    values = experiment.model_dump(mode="json", exclude={"tracking"})
    for section, key in (("run", "root"), ("data", "cohort"), ("data", "cache")):
        del values[section][key]
    values["data"]["covariates"] = len(experiment.data.covariates or ())
    values["evaluation"].pop("protocol")
    return values
