"""What a person sees while a run goes on: stages, a bar where there is a terminal, time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from pcrnet.pipeline import RunResult
from pcrnet.storage import read_json
from pcrnet.training.events import EpochReport, FitEvent, FitFinished, FitStarted
from pcrnet.training.plan import FitPlan


class RunConsole:
    """Follows a run on standard error; a log file gets a line a fit instead of a bar."""

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

    def stage(self, title: str) -> None:
        """Announce a stage with the time since the start."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        elapsed = _clock(time.monotonic() - self._started)
        self.console.print(f"[bold]{title}[/bold] [dim]{elapsed}[/dim]")

    def progress(self, done: int, total: int) -> None:
        """Move the bar of the current stage."""
        self._move(done, total, "patients", "")

    def fits(self, plans: Sequence[FitPlan], epochs: int) -> None:
        """Prepare the bar of all fits."""
        self._fits = _FitClock(len(plans), epochs)
        self.note(f"{len(plans)} fits of up to {epochs} epochs")

    def fit_event(self, event: FitEvent) -> None:
        """Move the bar; a finished fit leaves a line."""
        clock = self._fits
        match event:
            case FitStarted():
                pass
            case EpochReport():
                clock.epoch(event)
                remark = f"{event.fit} epoch {event.epoch}/{event.epochs} loss {event.loss:.3f}"
                left = f" · about {_clock(clock.seconds_left())} left"
                self._move(clock.finished, clock.fits, "fits", remark + left)
            case FitFinished():
                clock.finish(event)
                what = "trained" if event.trained else "was finished before"
                left = clock.seconds_left()
                about = f", about {_clock(left)} left" if left > 0 and event.trained else ""
                loss = clock.loss.get(event.fit)
                shown = "" if loss is None else f", loss {loss:.3f}"
                self.note(f"fit {clock.finished} of {clock.fits} {what}: {event.fit}{shown}{about}")

    def note(self, text: str) -> None:
        """Print a remark."""
        self.console.print(f"  {text}", soft_wrap=True)

    def finish(self, result: RunResult) -> None:
        """Say where the results are, and the first numbers of the report."""
        metrics = read_json(result.report.parent / "metrics.json")
        elapsed = _clock(time.monotonic() - self._started)
        self.console.print(f"[bold]Done[/bold] [dim]{elapsed}[/dim]")
        for head, values in metrics["heads"].items():
            auc = values["auc"]
            if auc["value"] is None:
                self.note(f"AUC({head}): {auc['reason']}")
            else:
                self.note(
                    f"cross-validated AUC({head}) {auc['value']:.3f} "
                    f"({auc['low']:.3f} to {auc['high']:.3f}, n = {auc['n']})"
                )
        self.note(f"report: {result.report}")
        self.note(f"bundle: {result.bundle}")

    def _move(self, done: int, total: int, what: str, remark: str) -> None:
        if self._task is None:
            self._task = self._bar.add_task(what, total=total, remark=remark)
        self._bar.update(self._task, completed=done, total=total, remark=remark)


class _FitClock:
    """Time left, from the epochs trained in this process and those still to come."""

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


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
