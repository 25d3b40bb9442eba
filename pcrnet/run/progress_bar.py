"""How far a job is: a bar where somebody is looking, a line now and then in a log."""

from __future__ import annotations

import sys
import time

SECONDS_BETWEEN_LINES = 30.0
"""Least time between two lines of a log on how far a job is."""


class Pace:
    """Lets a line into a log at most every :data:`SECONDS_BETWEEN_LINES`."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A line has been written."""
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for a line, which then counts as written."""
        due = time.monotonic() - self._last >= SECONDS_BETWEEN_LINES
        if due:
            self.begin()
        return due


def so_far(what: str, done: int, total: int, unit: str = "") -> str:
    """How far a job is, in words; in percent where its parts have no name."""
    if unit:
        return f"{what}: {done} of {total} {unit}"
    return f"{what}: {100 * done // max(total, 1)} %"


class ProgressBar:
    """A progress bar on standard error; where that is no terminal, a line now and then.

    Args:
        what: Is being done.
        unit: What is counted, such as patients; empty where the parts have no name.
    """

    def __init__(self, what: str, unit: str = "") -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._what, self._unit = what, unit
        self._lines = not console.is_terminal
        self._pace = Pace()
        self._progress = Progress(console=console, transient=True, disable=self._lines)
        self._task = self._progress.add_task(what, total=None)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        if self._lines:
            self._pace.begin()
            self._say(self._what)
        return self

    def __exit__(self, *details: object) -> None:
        self._progress.stop()

    def update(self, done: int, total: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, total=total)
        if self._lines and self._pace.due():
            self._say(so_far(self._what, done, total, self._unit))

    def _say(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
