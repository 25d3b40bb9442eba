"""TensorBoard's event files below the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.errors import ConfigError
from pcrnet.training.trackers.sink import Axis, group_of

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardSink:
    """A series of event files for each fit, ``fold-0/without-0-3``; equal names share a chart.

    Args:
        folder: Where they are written: ``tensorboard --logdir`` this.

    Raises:
        ConfigError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                "tensorboard is not installed",
                field="tracking.loggers",
                remedy='pip install "pcrnet[tensorboard]", or leave it out',
            ) from error
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}

    def begin(self, fits: Sequence[str]) -> None:
        """Nothing: a writer is opened at a fit's first number."""

    def log(self, fit: str, axis: Axis, at: int, values: Mapping[str, float]) -> None:
        """Add a point to the chart of each name."""
        writer = self._writer(f"{group_of(fit)}/{fit}")
        for name, value in values.items():
            writer.add_scalar(name if axis == "epoch" else f"by step/{name}", value, at)
        writer.flush()

    def summarise(self, values: Mapping[str, float]) -> None:
        """Add the final metrics, beside the fits."""
        writer = self._writer("metrics")
        for name, value in values.items():
            writer.add_scalar(name, value, 0)
        writer.flush()

    def attach(self, name: str, path: Path) -> None:
        """Nothing: event files hold no artifacts, and the originals lie in the same run."""

    def close(self, *, failed: bool) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, place: str) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        if place not in self._writers:
            self._writers[place] = SummaryWriter(str(self._folder / place))
        return self._writers[place]
