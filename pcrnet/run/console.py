"""What a person sees while a run goes on: stages, a bar where there is a terminal, time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from pcrnet.run.pipeline import RunResult
from pcrnet.run.progress_bar import Pace, so_far
from pcrnet.training.events import (
    EpochReport,
    FitFinished,
    FitsPlanned,
    Progressed,
    Remark,
    RunEvent,
    StageStarted,
)
from pcrnet.training.plan import fits_in_words


class RunConsole:
    """Follows a run on standard error; a log file gets a line a fit, and one now and then."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[remark]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None
        self._started = time.monotonic()
        self._fits = _FitClock()
        self._stage_title = "Preparing"
        self._pace = Pace()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, event: RunEvent) -> None:
        """Show an event of the run."""
        match event:
            case StageStarted():
                self._stage(event.title)
            case Progressed():
                self._progressed(event)
            case Remark():
                self._note(event.text)
            case FitsPlanned():
                self._fits = _FitClock(len(event.fits), event.networks * event.epochs)
                self._note(fits_in_words(len(event.fits), event.networks, event.epochs))
            case EpochReport():
                self._epoch(event)
            case FitFinished():
                self._fit_finished(event)

    def _stage(self, title: str) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self._stage_title = title
        self._pace.begin()
        elapsed = _clock(time.monotonic() - self._started)
        self.console.print(f"[bold]{title}[/bold] [dim]{elapsed}[/dim]")

    def _progressed(self, event: Progressed) -> None:
        self._move(event.done, event.total, event.unit, "")
        if self._log_due():
            self._note(so_far(self._stage_title, event.done, event.total, event.unit))

    def _log_due(self) -> bool:
        """Whether a log, which has no bar, is owed a line on how far the run is."""
        return not self.console.is_terminal and self._pace.due()

    def _epoch(self, event: EpochReport) -> None:
        clock = self._fits
        clock.epoch(event)
        remark = f"{event.fit} epoch {event.epoch}/{event.epochs} loss {event.loss:.3f}"
        remark += f" · about {_clock(clock.seconds_left())} left"
        self._move(clock.finished, clock.fits, "fits", remark)
        if self._log_due():
            self._note(remark)

    def _fit_finished(self, event: FitFinished) -> None:
        clock = self._fits
        clock.finish(event)
        line = f"fit {clock.finished} of {clock.fits} "
        line += f"trained: {event.fit}" if event.trained else f"was finished before: {event.fit}"
        if event.fit in clock.loss:
            line += f", loss {clock.loss[event.fit]:.3f}"
        left = clock.seconds_left()
        if event.trained and left > 0:
            line += f", about {_clock(left)} left"
        self._note(line)

    def _note(self, text: str) -> None:
        self._pace.begin()
        self.console.print(f"  {text}", soft_wrap=True, markup=False)

    def finish(self, result: RunResult) -> None:
        """Say where the results are, and the first numbers of the report."""
        elapsed = _clock(time.monotonic() - self._started)
        self.console.print(f"[bold]Done[/bold] [dim]{elapsed}[/dim]")
        for head, values in result.metrics.items():
            auc = values["auc"]
            self._note(f"cross-validated AUC({head}): {_shown(auc)}")
        self._note(f"report: {result.report}")
        self._note(f"bundle: {result.bundle}")

    def _move(self, done: int, total: int, what: str, remark: str) -> None:
        if self._task is None:
            self._task = self._bar.add_task(what, total=total, remark=remark)
        self._bar.update(self._task, description=what, completed=done, total=total, remark=remark)


class _FitClock:
    """Time left, from the epochs trained in this process and those still to come.

    Args:
        fits: Planned.
        epochs: Of all networks of a fit.
    """

    def __init__(self, fits: int = 0, epochs: int = 1) -> None:
        self.fits = fits
        self.finished = 0
        self.loss: dict[str, float] = {}
        self._epochs = epochs
        self._epoch_of: dict[str, int] = {}
        self._trained = 0
        self._started: float | None = None

    def epoch(self, report: EpochReport) -> None:
        if self._started is None:
            self._started = time.monotonic()
        else:
            self._trained += 1
        self._epoch_of[report.fit] = report.epoch
        self.loss[report.fit] = report.loss

    def finish(self, event: FitFinished) -> None:
        self.finished += 1
        self._epoch_of[event.fit] = self._epochs

    def seconds_left(self) -> float:
        if self._started is None or not self._trained:
            return 0.0
        left = self.fits * self._epochs - sum(self._epoch_of.values())
        return (time.monotonic() - self._started) / self._trained * left


def _shown(estimate: dict[str, Any]) -> str:
    """An estimate of ``metrics.json`` in words."""
    if estimate["value"] is None:
        return str(estimate["reason"])
    text = f"{estimate['value']:.3f}"
    if estimate["low"] is not None:
        text += f" ({estimate['low']:.3f} to {estimate['high']:.3f})"
    return f"{text}, n = {estimate['n']}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
