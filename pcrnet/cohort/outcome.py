"""Pathology after therapy: one joint outcome over breast (yT0) and nodes (yN0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Head = Literal["yT0", "yN0", "yT0yN0"]

HEADS: tuple[Head, ...] = ("yT0", "yN0", "yT0yN0")
"""The reported outcomes. The positive class of each is complete response."""

CELLS: tuple[tuple[bool, bool], ...] = ((True, True), (True, False), (False, True), (False, False))
"""The four joint cells as (yT0, yN0); every array over cells has this order."""


@dataclass(frozen=True)
class Outcome:
    """What pathology knows of one patient; ``None`` is unknown, never 0."""

    yT0: bool | None = None
    yN0: bool | None = None
    yT0yN0: bool | None = None

    @property
    def allowed_cells(self) -> tuple[bool, bool, bool, bool]:
        """Which of :data:`CELLS` agree with what is known; all of them when nothing is."""
        first, second, third, fourth = (
            self.yT0 in (None, t) and self.yN0 in (None, n) and self.yT0yN0 in (None, t and n)
            for t, n in CELLS
        )
        return first, second, third, fourth
