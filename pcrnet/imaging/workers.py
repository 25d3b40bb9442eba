"""Work on many patients at once: processes of one thread each, which end with their parent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_processes(
    work: Callable[[_Item], _Result], items: Sequence[_Item], workers: int
) -> Iterator[tuple[int, _Result | None]]:
    """Apply ``work`` to every item, in any order.

    When a process is killed, from lack of memory say, what was not finished is done one at a time,
    and only the item that kills its process again is given up.

    Args:
        work: Importable by name, as are its items; what it raises is raised here.
        items: What to work on.
        workers: Number of processes; up to 1 works in this one. Where they are started, the main
            script must be importable without effects.

    Yields:
        The position of an item and its result as soon as it is there, None for one given up.
    """
    if workers <= 1:
        for position, item in enumerate(items):
            yield position, work(item)
        return
    waiting = dict(enumerate(items))
    while waiting:
        for position, result in _one_pool(work, waiting, workers):
            del waiting[position]
            yield position, result
        if waiting and workers == 1:
            # They were begun in their order: the first that is left was being worked on.
            position = min(waiting)
            del waiting[position]
            yield position, None
        workers = 1


def _one_pool(
    work: Callable[[_Item], _Result], items: dict[int, _Item], workers: int
) -> Iterator[tuple[int, _Result]]:
    """Results until all are there or a process is killed."""
    with ProcessPoolExecutor(workers, get_context("spawn"), start_worker) as pool:
        try:
            futures = {pool.submit(work, item): position for position, item in items.items()}
            for future in as_completed(futures):
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def start_worker() -> None:
    """Begin a worker process: one thread for each library, and an end together with its parent."""
    from threadpoolctl import threadpool_limits

    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    threadpool_limits(1)
    end_with_parent()


def end_with_parent() -> None:
    """Watch the parent from a thread: a worker whose parent is killed would wait for ever."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
