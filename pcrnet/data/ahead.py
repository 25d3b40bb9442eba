"""Batches made ready ahead: while a step is computed, a thread makes the next batch.

It pays where a fit has several cores, which the step of a small network does not keep busy. One of
them is for the thread: torch's own threads wait for each other, the worse if they lack a core.
What is made is the same, and in the same order, as if it were made between steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch

_Ready = TypeVar("_Ready")


class MadeAhead(Generic[_Ready]):
    """Items of an iterator, each made by a thread from the moment that somebody says so.

    No more than one is made ahead. The thread lives until :meth:`close`, so that whoever asks can
    have an item made while something else is ended, such as an epoch.

    Args:
        items: Makes an item at every ``next``, in the thread, which has one of torch's threads; it
            may use no state that the asker changes meanwhile, torch's global generator least.
    """

    def __init__(self, items: Iterator[_Ready]) -> None:
        self._items = items
        self._coming: Future[_Ready | _End] | None = None
        self._thread = ThreadPoolExecutor(
            1, "batches ahead", initializer=torch.set_num_threads, initargs=(1,)
        )

    def begin(self) -> None:
        """Have the next item made, unless it is in hand or ready."""
        self._begun()

    def __iter__(self) -> Iterator[_Ready]:
        return self

    def __next__(self) -> _Ready:
        """The next item; it is begun now where nobody has begun it.

        Raises:
            BaseException: What was raised while it was made.
        """
        ready = self._begun().result()
        self._coming = None
        if isinstance(ready, _End):
            raise StopIteration
        return ready

    def _begun(self) -> Future[_Ready | _End]:
        if self._coming is None:
            self._coming = self._thread.submit(next, self._items, _End())
        return self._coming

    def close(self) -> None:
        """End the thread, once what it has in hand is made; nobody will ask for that."""
        self._thread.shutdown(cancel_futures=True)


class _End:
    """Of the items: there are no more."""


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
