"""Batches made ready ahead: while a step is computed, a thread makes the next batch.

It pays where a fit has several cores, which the step of a small network does not keep busy. One of
them is for the thread: torch's own threads wait for each other, the worse if they lack a core.
What is made is the same, and in the same order, as if it were made between steps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Full, Queue
from typing import TypeVar

import torch

_Raw = TypeVar("_Raw")
_Ready = TypeVar("_Ready")

_LOOKS_EVERY_S = 0.2
"""How soon the thread notices that nobody wants what it has made."""


@dataclass(frozen=True)
class _End:
    """Of the items: there are no more, or this was raised."""

    error: BaseException | None


def made_ahead(raw: Iterable[_Raw], make: Callable[[_Raw], _Ready]) -> Iterator[_Ready]:
    """What ``make`` makes of each item, one item ahead of whoever asks.

    Nothing is begun before the first is asked for, and the thread ends with this generator.

    Args:
        raw: Is iterated in the thread, which has one of torch's threads.
        make: May use no state that the asker changes meanwhile, torch's global generator least.

    Raises:
        BaseException: What ``raw`` or ``make`` raised, when its item is asked for.
    """
    waiting: Queue[_Ready | _End] = Queue(maxsize=1)
    unwanted = threading.Event()

    def hand_over(item: _Ready | _End) -> None:
        while not unwanted.is_set():
            with suppress(Full):
                waiting.put(item, timeout=_LOOKS_EVERY_S)
                return

    def work() -> None:
        torch.set_num_threads(1)
        try:
            for item in raw:
                hand_over(make(item))
                if unwanted.is_set():
                    return
        except BaseException as error:  # it is raised where the item is wanted
            hand_over(_End(error))
        else:
            hand_over(_End(None))

    thread = threading.Thread(target=work, daemon=True, name="batches ahead")
    thread.start()
    try:
        while not isinstance(ready := waiting.get(), _End):
            yield ready
        if ready.error is not None:
            raise ready.error
    finally:
        unwanted.set()
        thread.join()


@contextmanager
def one_thread_less(ahead: bool) -> Iterator[None]:
    """Leave the thread that makes batches, where there is one, a core of those that torch has."""
    before = torch.get_num_threads()
    if ahead:
        torch.set_num_threads(max(1, before - 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
