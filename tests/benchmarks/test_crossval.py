"""The clock of the benchmark of fits side by side."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pcrnet.training.events import FitsPlanned, FitTimed, StageStarted

_BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture
def crossval(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [_BENCHMARKS, *sys.path])
    return importlib.import_module("crossval")


def _timed(seconds: float) -> FitTimed:
    return FitTimed("without-0", 8, 1, seconds, 0.0, 0.0, 0.0, 0, 0)


def test_the_start_ends_where_the_first_network_began_to_train(
    crossval: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 108.0, 120.0, 130.0])
    monkeypatch.setattr(crossval.time, "perf_counter", lambda: next(times))
    clock = crossval.FitsClock()
    planned, stage = object.__new__(FitsPlanned), object.__new__(StageStarted)
    for event in (planned, _timed(5.0), _timed(5.0), stage, stage):
        clock(event)
    assert (clock.start, clock.seconds) == (3.0, 30.0)


def test_ratios_are_paired_by_turn(crossval: ModuleType) -> None:
    clocks = {
        "sequential": [crossval.FitsClock(seconds, 1.0) for seconds in (21.0, 41.0, 61.0)],
        "parallel": [crossval.FitsClock(seconds, 5.0) for seconds in (15.0, 25.0, 55.0)],
    }
    assert crossval.ratio(clocks, lambda clock: clock.seconds - clock.start) == 2.0
    assert crossval.middle(clocks["parallel"], lambda clock: clock.seconds) == 25.0
