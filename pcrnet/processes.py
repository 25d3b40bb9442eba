"""One way to use many processes: each ends with its parent, and one that is killed is an error.

Workers are started afresh, since CUDA and running threads survive no fork, or warm: forked off a
process, the standard library's fork server, that has imported what they need and done nothing else.
They never import the main script: it may be a notebook, or lack an ``if __name__ == "__main__"``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import (
    BaseContext,
    ForkServerContext,
    ForkServerProcess,
    SpawnContext,
    SpawnProcess,
)
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pcrnet.errors import ProcessEndedError
from pcrnet.machine import available_cores, available_memory

Progress = Callable[[int, int], None]
"""Called with the number of patients done and their total."""


def silent(done: int, total: int) -> None:
    """Progress that nobody follows."""


if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Lock

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)

_METHODS = multiprocessing.get_all_start_methods()

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def one_thread() -> None:
    """Give this process one thread in every library: what begins a worker unless told otherwise."""
    from threadpoolctl import threadpool_limits

    # The limits reach the libraries that are loaded, the variables those that will be.
    os.environ |= dict.fromkeys(_THREADS, "1")
    threadpool_limits(1)


def in_processes(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: int,
    *,
    doing: str,
    begin: Callable[[], None] = one_thread,
    listen: Callable[[Any], None] | None = None,
    context: BaseContext | None = None,
) -> Generator[tuple[int, _Result]]:
    """Apply ``work`` to every item, in any order.

    When the caller closes the generator, fails or dies, the workers end at once.

    Args:
        work: Importable by name from a module other than the main script, as are its items and
            results; what it raises is raised here.
        items: What to work on.
        workers: Number of processes; up to 1 works in this one.
        doing: What a process does, for the error: "reads images".
        begin: Called in each process first.
        listen: Called here, between results, with whatever ``work`` hands to :func:`tell`; what it
            raises is raised here.
        context: What starts the processes; afresh where None.

    Yields:
        The position of an item and its result as soon as it is there.

    Raises:
        ProcessEndedError: A process was killed, from lack of memory say.
    """
    if workers <= 1:
        with _telling(listen):
            for position, item in enumerate(items):
                yield position, work(item)
        return
    numbered = dict(enumerate(items))
    with _Workers[_Item, _Result](work, numbered, workers, begin, context) as running:
        for event in running.events():
            if isinstance(event, _Told):
                if listen is not None:
                    listen(event.message)
            elif isinstance(event.future.exception(), BrokenProcessPool):
                raise _ended(doing)
            else:
                yield event.position, event.future.result()


def _ended(doing: str) -> ProcessEndedError:
    return ProcessEndedError(
        f"a process that {doing} was ended from outside",
        remedy="free memory, or let fewer work side by side (training.parallel_fits), and start "
        "again: what is finished is kept",
    )


def sparing_the_killed(
    work: Callable[[_Item], _Result], items: Sequence[_Item], workers: int
) -> Generator[tuple[int, _Result | None]]:
    """As :func:`in_processes`, but a process that is killed costs its own item alone.

    What was not finished then is done one at a time, and only the item that kills its process again
    is given up.

    Yields:
        The position of an item and its result, None for one given up.
    """
    if workers <= 1:
        for position, item in enumerate(items):
            yield position, work(item)
        return
    waiting = dict(enumerate(items))
    while waiting:
        with _Workers[_Item, _Result](work, waiting.copy(), workers, one_thread) as running:
            for event in running.events():
                if isinstance(event, _Told) or isinstance(
                    event.future.exception(), BrokenProcessPool
                ):
                    continue
                del waiting[event.position]
                yield event.position, event.future.result()
        if waiting and workers == 1:
            # They were begun in their order: the first that is left was being worked on.
            position = min(waiting)
            del waiting[position]
            yield position, None
        workers = 1


def worth_starting(items: int, *, items_each: int = 1, bytes_each: int = 0) -> int:
    """How many processes to use: no more than cores, than the work is worth, or than memory holds.

    Args:
        items: How much there is to do.
        items_each: Fewer items than this for each process are not worth starting it.
        bytes_each: What a process needs at its largest.
    """
    memory = available_memory()
    fitting = memory // bytes_each if memory is not None and bytes_each else available_cores()
    return max(1, min(available_cores(), items // items_each, fitting))


def tell(message: object) -> None:
    """In a worker, or in work done without workers: hand a message to the caller's ``listen``."""
    if _worker is not None:
        _worker.send(message)
    elif _listener is not None:
        _listener(message)


def worker_number() -> int:
    """Which worker of its pool this process is, from 0; 0 outside of one."""
    return 0 if _worker is None else _worker.number


@dataclass(frozen=True)
class _Told:
    message: object


@dataclass(frozen=True)
class _Done(Generic[_Result]):
    position: int
    future: Future[_Result]


class _Workers(Generic[_Item, _Result]):
    """Processes at work on items; leaving the block ends them, whatever they are at."""

    def __init__(
        self,
        work: Callable[[_Item], _Result],
        items: dict[int, _Item],
        workers: int,
        begin: Callable[[], None],
        context: BaseContext | None = None,
    ) -> None:
        self._work, self._items = work, items
        context = process_context() if context is None else context
        self._ours, theirs = context.Pipe(duplex=False)
        self._news_end, self._news = context.Pipe(duplex=False)
        # Held by this process alone: however it ends, the workers read the end of the pipe.
        watch, self._life = context.Pipe(duplex=False)
        self._theirs = (theirs, watch)
        self._inbox: SimpleQueue[_Told | _Done[_Result]] = SimpleQueue()
        start = (context.Value("i", 0), context.Lock(), theirs, watch, begin)
        self._pool = ProcessPoolExecutor(workers, context, _begin, start)
        self._relay = threading.Thread(target=self._pass_on, daemon=True)

    def __enter__(self) -> _Workers[_Item, _Result]:
        self._relay.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._life.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._stop_listening()
        for end in (self._life, self._ours, self._news_end, *self._theirs):
            end.close()

    def events(self) -> Iterator[_Told | _Done[_Result]]:
        """Messages and finished items as they come; the last message before the end."""
        for position, item in self._items.items():
            self._submit(position, item)
        left = len(self._items)
        while left:
            event = self._inbox.get()
            left -= isinstance(event, _Done)
            yield event
        self._stop_listening()
        while not self._inbox.empty():
            yield self._inbox.get()

    def _submit(self, position: int, item: _Item) -> None:
        future: Future[_Result]
        try:
            future = self._pool.submit(self._work, item)
        except BrokenProcessPool as error:  # the first worker has died before the last item
            future = Future()
            future.set_exception(error)
        future.add_done_callback(lambda done: self._inbox.put(_Done(position, done)))

    def _pass_on(self) -> None:
        """Move messages to the inbox, until told that there will be no more."""
        while self._ours in connection.wait([self._ours, self._news_end]):
            try:
                self._inbox.put(_Told(self._ours.recv()))
            except Exception:  # a writer was killed in the middle of a message
                return

    def _stop_listening(self) -> None:
        self._news.close()
        self._relay.join(timeout=10.0)


class _Worker:
    """What a worker process knows of its pool."""

    def __init__(self, number: int, lock: Lock, sender: Connection) -> None:
        self.number = number
        self._lock, self._sender = lock, sender

    def send(self, message: object) -> None:
        with self._lock:
            self._sender.send(message)


_worker: _Worker | None = None
_listener: Callable[[Any], None] | None = None


def _begin(
    count: Synchronized[int],
    lock: Lock,
    sender: Connection,
    watch: Connection,
    begin: Callable[[], None],
) -> None:
    global _worker  # noqa: PLW0603 - a pool's initialiser has no other way to leave state
    threading.Thread(target=_end_with, args=(watch,), daemon=True).start()
    # Ctrl-C reaches the whole group; the parent answers it, and this process ends with the answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with count.get_lock():
        number = count.value
        count.value += 1
    _worker = _Worker(number, lock, sender)
    begin()


def _end_with(watch: Connection) -> None:
    """End this process when nobody holds the other end any more."""
    connection.wait([watch])
    os._exit(1)


@contextmanager
def _telling(listen: Callable[[Any], None] | None) -> Iterator[None]:
    global _listener  # noqa: PLW0603 - the same door as in a worker
    before, _listener = _listener, listen
    try:
        yield
    finally:
        _listener = before


class _Afresh(SpawnProcess):
    """A process that is not told of the main script."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: ANN401 - as in the standard library
        with _main_hidden():
            return SpawnProcess._Popen(process_obj)


class _Warm(ForkServerProcess):
    """The same, forked off the server."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: ANN401 - as in the standard library
        with _main_hidden():
            return ForkServerProcess._Popen(process_obj)


class _AfreshContext(SpawnContext):
    Process = _Afresh


class _WarmContext(ForkServerContext):
    Process = _Warm


def process_context() -> SpawnContext:
    """What starts a process afresh that never imports the main script."""
    _track_quietly()
    return _AfreshContext()


def warm_context(modules: Sequence[str]) -> BaseContext:
    """What starts processes that have imported these modules; afresh where no system can.

    The imports begin with this call, which returns while they go on. Torch and Lightning take four
    to seven seconds, which each process that is started afresh would spend anew.

    Args:
        modules: Dotted names. Those of the first call hold for the life of this process; one that
            cannot be imported is left to whoever needs it.
    """
    # Elsewhere than on Linux the system's own libraries have threads from their import on.
    if not (sys.platform.startswith("linux") and "forkserver" in _METHODS):
        return process_context()
    _track_quietly()
    context = _WarmContext()
    context.set_forkserver_preload(list(modules))
    forkserver.ensure_running()
    return context


def _track_quietly() -> None:
    """Start the process that clears semaphores away where this one is killed, without its warning.

    What it warns of, on the terminal of a command that has ended, it mends in the same breath.
    """
    if sys.platform == "win32":  # which has no such process
        return
    options = sys.warnoptions
    sys.warnoptions = [*options, "ignore:resource_tracker"]
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions = options


_hiding = threading.Lock()


@contextmanager
def _main_hidden() -> Iterator[None]:
    """An empty main module for as long as a process is described to its interpreter.

    A worker would import the script again, and one without a guard would start all of its work.
    """
    with _hiding:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
