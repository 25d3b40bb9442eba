"""A logger that fails ends no run: what it misses is said, and training goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pcrnet.training.events import Listener, Remark
from pcrnet.training.trackers.sink import Axis, Sink

_REST = 20.0
"""Times as long as a failure took is the logger left alone: a server that hangs delays no run."""


class Forgiving:
    """A :class:`~pcrnet.training.trackers.sink.Sink` that fails in words.

    The first failure is told at once, the number of all that was missed at the end. The text of an
    error can hold the address of a server and a password within it: its kind is told alone.

    Args:
        name: Of the logger.
        sink: The logger itself.
        listen: Told what it missed.
    """

    def __init__(self, name: str, sink: Sink, listen: Listener) -> None:
        self._name, self._sink, self._listen = name, sink, listen
        self._told = self._missed = 0
        self._rests_until = 0.0

    def begin(self, fits: Sequence[str]) -> None:
        """These fits are about to run."""
        self._try(lambda: self._sink.begin(fits))

    def log(self, fit: str, axis: Axis, at: int, values: Mapping[str, float]) -> None:
        """Numbers of a fit; missed while the logger is left alone."""
        self._try(lambda: self._sink.log(fit, axis, at, values))

    def summarise(self, values: Mapping[str, float]) -> None:
        """The final metrics: worth a try whatever was before."""
        self._rests_until = 0.0
        self._try(lambda: self._sink.summarise(values))

    def attach(self, name: str, path: Path) -> None:
        """Keep a file or folder with the run."""
        self._try(lambda: self._sink.attach(name, path))

    def close(self, *, failed: bool) -> None:
        """The run has ended: say what was missed."""
        self._rests_until = 0.0
        self._try(lambda: self._sink.close(failed=failed))
        if self._missed:
            self._listen(
                Remark(
                    f"{self._name} missed {self._missed} of {self._told} messages of this run; "
                    "what it was to be told stands in the run's own folder"
                )
            )

    def _try(self, tell: Callable[[], None]) -> None:
        self._told += 1
        began = time.monotonic()
        if began < self._rests_until:
            self._missed += 1
            return
        try:
            tell()
        except Exception as error:  # whatever a library makes of a server that is gone
            self._missed += 1
            now = time.monotonic()
            self._rests_until = now + _REST * (now - began)
            if self._missed == 1:
                self._listen(
                    Remark(
                        f"{self._name} does not take what it is told ({type(error).__name__}): "
                        "training goes on without"
                    )
                )
