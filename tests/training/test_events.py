from __future__ import annotations

import dataclasses
import pickle
import typing

import pytest

from pcrnet.training import events
from pcrnet.training.events import (
    EpochReport,
    FitFinished,
    FitsPlanned,
    FitTimed,
    Measured,
    Progressed,
    Remark,
    StageStarted,
)

EVERY = [
    StageStarted("Training"),
    Progressed(3, 20),
    Remark("a cached tensor was damaged"),
    FitsPlanned(("without-0", "without-1"), 1, 15),
    EpochReport("without-0", 2, 15, 0.69),
    Measured("without-0", 7, {"cpu": 0.5}),
    FitTimed("without-0", 96, 12, 9.5, 0.5, 2.0, 6.0, 1 << 30, 0),
    FitFinished("without-0", trained=True),
]


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_an_event_reaches_another_process_unchanged(event: events.RunEvent) -> None:
    assert pickle.loads(pickle.dumps(event)) == event  # noqa: S301 - our own bytes


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_an_event_cannot_be_changed_by_a_listener(event: events.RunEvent) -> None:
    name = dataclasses.fields(event)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, name, None)


def test_every_event_is_one_that_listeners_are_told_to_expect() -> None:
    assert set(typing.get_args(events.RunEvent)) == {type(event) for event in EVERY}
