"""What a logger is to a run: numbers by fit, metrics at the end, artifacts on request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

Axis = Literal["epoch", "step"]


class Sink(Protocol):
    """One logger of a run. It is told numbers and names of fits, and nothing else."""

    def begin(self, fits: Sequence[str]) -> None:
        """These fits are about to run."""

    def log(self, fit: str, axis: Axis, at: int, values: Mapping[str, float]) -> None:
        """Numbers of a fit at an epoch or a step."""

    def summarise(self, values: Mapping[str, float]) -> None:
        """The final metrics, such as ``yT0yN0/auc``."""

    def attach(self, name: str, path: Path) -> None:
        """Keep a file or folder with the run, where the logger can."""

    def close(self, *, failed: bool) -> None:
        """The run has ended."""


def group_of(fit: str) -> str:
    """The fold for whose sake a fit is made, first of all: curves of one fold stand together.

    ``without-0`` predicts fold 0 and ``without-0-3`` helps to calibrate it; ``with-all`` ships.
    """
    found = re.fullmatch(r"(?:(.+)-)?(without-(\d+)(?:-\d+)*|with-all)", fit)
    if found is None:
        return "other"
    prefix, fold = found[1], found[3]
    own = "ships" if fold is None else f"fold-{fold}"
    return f"{prefix}-{own}" if prefix else own
