from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from pcrnet.run import console as module
from pcrnet.run.console import RunConsole
from pcrnet.run.pipeline import RunResult
from pcrnet.training.events import (
    EpochReport,
    FitFinished,
    FitsPlanned,
    Progressed,
    Remark,
    RunEvent,
    StageStarted,
)


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock.monotonic)
    return clock


def show(*events: RunEvent | float, clock: Clock, terminal: bool = False) -> str:
    """What is written for these events; a number lets so many seconds pass."""
    stream = io.StringIO()
    with RunConsole(
        Console(file=stream, force_terminal=terminal, width=120, highlight=False)
    ) as console:
        for event in events:
            if isinstance(event, float):
                clock.seconds += event
            else:
                console(event)
    return stream.getvalue()


def test_a_log_has_a_line_a_stage_with_the_time_since_the_start(clock: Clock) -> None:
    text = show(StageStarted("Preprocessing"), 75.0, StageStarted("Training"), clock=clock)
    assert text == "Preprocessing 0:00\nTraining 1:15\n"


def test_a_log_has_a_line_a_fit_and_none_a_quick_epoch_or_patient(clock: Clock) -> None:
    text = show(
        Progressed(1, 20),
        FitsPlanned(("without-0-1", "without-0"), 1, 2),
        EpochReport("without-0-1", 1, 2, 0.9),
        10.0,
        EpochReport("without-0-1", 2, 2, 0.7),
        FitFinished("without-0-1", trained=True),
        clock=clock,
    )
    assert text.splitlines() == [
        "  2 fits of up to 2 epochs",
        "  fit 1 of 2 trained: without-0-1, loss 0.700, about 0:20 left",
    ]


def test_a_log_says_every_half_minute_how_far_a_stage_is(clock: Clock) -> None:
    patients = [step for done in range(1, 8) for step in (10.0, Progressed(done, 240))]
    text = show(
        StageStarted("Preprocessing"),
        *patients,
        StageStarted("Ablations"),
        29.0,
        Progressed(1, 16, "fits"),
        1.0,
        Progressed(2, 16, "fits"),
        clock=clock,
    )
    assert text.splitlines() == [
        "Preprocessing 0:00",
        "  Preprocessing: 3 of 240 patients",
        "  Preprocessing: 6 of 240 patients",
        "Ablations 1:10",
        "  Ablations: 2 of 16 fits",
    ]


def test_a_log_says_every_half_minute_where_a_long_fit_is(clock: Clock) -> None:
    text = show(
        FitsPlanned(("a",), 3, 8),
        EpochReport("a", 1, 24, 0.9),
        40.0,
        EpochReport("a", 2, 24, 0.8),
        10.0,
        EpochReport("a", 3, 24, 0.7),
        clock=clock,
    )
    assert text.splitlines() == [
        "  1 fit of up to 3 networks, up to 8 epochs each",
        "  a epoch 2/24 loss 0.800 · about 14:40 left",
    ]


def test_fits_that_train_no_network_promise_no_epochs(clock: Clock) -> None:
    assert show(FitsPlanned(("a", "b"), 0, 8), clock=clock) == "  2 fits\n"


def test_fits_of_an_earlier_start_cost_no_time_in_the_forecast(clock: Clock) -> None:
    text = show(
        FitsPlanned(("a", "b", "c"), 1, 10),
        FitFinished("a", trained=False),
        FitFinished("b", trained=False),
        EpochReport("c", 1, 10, 0.9),
        6.0,
        EpochReport("c", 2, 10, 0.9),
        clock=clock,
        terminal=True,
    )
    assert "fit 1 of 3 was finished before: a" in text
    assert "about 0:48 left" in text


def test_an_early_stopped_fit_is_not_waited_for_any_more(clock: Clock) -> None:
    text = show(
        FitsPlanned(("a", "b"), 1, 10),
        EpochReport("a", 1, 10, 0.9),
        1.0,
        EpochReport("a", 2, 10, 0.9),
        FitFinished("a", trained=True),
        clock=clock,
    )
    assert "about 0:10 left" in text


def test_remarks_are_shown_whole_whatever_the_width(clock: Clock) -> None:
    long = "a remark of " + "very " * 40 + "many words"
    assert long in show(Remark(long), clock=clock)


def test_brackets_in_a_path_are_no_markup(clock: Clock) -> None:
    assert "simulated cohort: /data/[red]/[/red]" in show(
        Remark("simulated cohort: /data/[red]/[/red]"), clock=clock
    )


def test_hours_are_shown_as_hours(clock: Clock) -> None:
    assert "1:01:05" in show(3665.0, StageStarted("Report"), clock=clock)


def test_a_terminal_sees_patients_move(clock: Clock) -> None:
    assert "3/20" in show(
        StageStarted("Preprocessing"), Progressed(3, 20), clock=clock, terminal=True
    )


def finish(tmp_path: Path, **auc: object) -> str:
    report = tmp_path / "report"
    report.mkdir()
    (report / "metrics.json").write_text(json.dumps({"heads": {"yT0yN0": {"auc": auc}}}))
    stream = io.StringIO()
    with RunConsole(Console(file=stream, width=400)) as console:
        console.finish(RunResult(tmp_path, report / "index.html", tmp_path / "bundle"))
    return stream.getvalue()


def test_the_end_names_report_bundle_and_the_first_numbers(tmp_path: Path) -> None:
    text = finish(tmp_path, value=0.7321, low=0.65, high=0.8, n=240)
    assert "cross-validated AUC(yT0yN0): 0.732 (0.650 to 0.800), n = 240" in text
    assert str(tmp_path / "report" / "index.html") in text
    assert str(tmp_path / "bundle") in text


def test_a_number_without_an_interval_is_shown_without_one(tmp_path: Path) -> None:
    text = finish(tmp_path, value=0.5, low=None, high=None, n=12, reason="all values tied")
    assert "AUC(yT0yN0): 0.500, n = 12" in text


def test_an_undefined_number_is_replaced_by_its_reason(tmp_path: Path) -> None:
    text = finish(tmp_path, value=None, low=None, high=None, n=12, reason="one class alone")
    assert "AUC(yT0yN0): one class alone" in text
