from __future__ import annotations

import signal
import sys

import pytest

from pcrnet.training.interrupts import heeding_interrupts


class Finalised:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_python_drops_is_raised_at_the_next_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    found = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.getsignal(signal.SIGINT)
    with heeding_interrupts() as check:
        check()
        Finalised()
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, found)


def test_a_handler_of_somebody_else_is_left_in_its_place() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with heeding_interrupts() as check:
            signal.raise_signal(signal.SIGINT)
            check()
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
