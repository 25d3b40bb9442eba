"""A logger that fails: the run goes on, and is told once at the beginning and once at the end."""

from __future__ import annotations

import pytest

from pcrnet.training.events import EpochReport, Remark
from pcrnet.training.trackers import forgiving as module
from pcrnet.training.trackers.forgiving import Forgiving
from pcrnet.training.tracking import Tracker


class Broken:
    """Refuses some calls; each takes so many seconds of a clock that only it moves."""

    def __init__(self, refuses=lambda call: True, seconds=0.0):
        self.refuses, self.seconds = refuses, seconds
        self.now, self.calls, self.heard = 100.0, 0, []

    def _take(self, what):
        self.calls += 1
        self.now += self.seconds
        if self.refuses(self.calls):
            raise ConnectionError("https://jane:secret@tracker.example")
        self.heard.append(what)

    def begin(self, fits):
        self._take(("begin", *fits))

    def log(self, fit, axis, at, values):
        self._take((fit, axis, at, dict(values)))

    def summarise(self, values):
        self._take(dict(values))

    def attach(self, name, path):
        self._take((name, path))

    def close(self, *, failed):
        self._take(failed)


@pytest.fixture
def told():
    return []


def remarks(told):
    assert all(isinstance(event, Remark) for event in told)
    return [event.text for event in told]


def test_a_failure_is_told_once_and_counted_at_the_end(told, tmp_path):
    sink = Forgiving("mlflow", Broken(), told.append)
    tracker = Tracker([sink])
    for epoch in range(3):
        tracker(EpochReport("without-0", epoch, 3, 0.5))
    assert len(told) == 1
    tracker.attach("bundle", tmp_path)
    tracker.summarise({"yT0": {"auc": {"value": 0.5}}})
    sink.close(failed=False)
    first, last = remarks(told)
    assert "mlflow does not take what it is told (ConnectionError)" in first
    assert "missed 6 of 6" in last
    assert "secret" not in first + last


def test_one_that_takes_everything_says_nothing(told):
    inner = Broken(refuses=lambda call: False)
    sink = Forgiving("csv", inner, told.append)
    sink.begin(["a"])
    sink.log("a", "epoch", 1, {"loss": 0.5})
    sink.close(failed=True)
    assert inner.heard == [("begin", "a"), ("a", "epoch", 1, {"loss": 0.5}), True]
    assert told == []


def test_one_that_comes_back_is_told_again(told, monkeypatch):
    inner = Broken(refuses=lambda call: call == 1)
    monkeypatch.setattr(module.time, "monotonic", lambda: inner.now)
    sink = Forgiving("wandb", inner, told.append)
    for step in (1, 2, 3):
        sink.log("a", "step", step, {})
    sink.close(failed=False)
    assert [line[2] for line in inner.heard[:2]] == [2, 3]
    assert "missed 1 of 4" in remarks(told)[-1]


def test_one_that_hangs_takes_no_more_than_a_twentieth_of_the_time(told, monkeypatch):
    inner = Broken(seconds=60.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: inner.now)
    sink = Forgiving("mlflow", inner, told.append)
    for _ in range(1000):
        inner.now += 10.0
        sink.log("a", "step", 1, {})
    waited = 60.0 * inner.calls
    assert 60.0 < waited <= (inner.now - 100.0) / 20 + 60.0  # and the first
    before = inner.calls
    sink.summarise({"auc": 0.5})
    sink.close(failed=False)
    assert inner.calls == before + 2  # the end is worth a try


def test_an_interrupt_is_no_failure_of_a_logger(told):
    class Interrupted(Broken):
        def _take(self, what):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Forgiving("csv", Interrupted(), told.append).begin([])
