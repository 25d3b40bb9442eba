"""Weights & Biases, online or offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pcrnet.training.trackers.sink import Axis, group_of


class WandbSink:
    """Curves as ``fold-0/without-0-3/loss``, each over the epochs or steps of its own fit.

    Args:
        run: A wandb run.
        name: Of the run, for its artifacts.
    """

    def __init__(self, run: Any, name: str) -> None:  # noqa: ANN401 - imported only if used
        self._run = run
        self._name = name

    def begin(self, fits: Sequence[str]) -> None:
        """Give every fit its own axis of epochs."""
        for fit in fits:
            self._run.define_metric(f"{_place(fit)}/*", step_metric=f"{_place(fit)}/epoch")

    def log(self, fit: str, axis: Axis, at: int, values: Mapping[str, float]) -> None:
        """Log a line."""
        place = _place(fit)
        self._run.log(
            {f"{place}/{axis}": at, **{f"{place}/{name}": value for name, value in values.items()}}
        )

    def summarise(self, values: Mapping[str, float]) -> None:
        """Put the metrics where sweeps look for them."""
        for name, value in values.items():
            self._run.summary[name] = value

    def attach(self, name: str, path: Path) -> None:
        """Log an artifact."""
        import wandb

        artifact = wandb.Artifact(f"{self._name}-{name}", type=name)
        if path.is_dir():
            artifact.add_dir(str(path))
        else:
            artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def close(self, *, failed: bool) -> None:
        """End the run."""
        if failed:
            self._run.finish(exit_code=1)
        else:
            self._run.finish()


def _place(fit: str) -> str:
    return f"{group_of(fit)}/{fit}"
