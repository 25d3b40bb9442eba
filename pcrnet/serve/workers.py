"""Processes that answer requests: kept warm, ended when too slow, replaced when they die."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pcrnet.errors import PcrnetError, ProcessEndedError
from pcrnet.processes import process_context
from pcrnet.serve.answering import BundleChoice, answer_requests
from pcrnet.serve.limits import Limits

_START_SECONDS = 600.0
_RETRY_SECONDS = 5.0


class BusyError(PcrnetError):
    """More requests than may wait."""


class TooSlowError(PcrnetError):
    """A request that took longer than it may."""


class _Worker:
    """One process, and the line to it."""

    def __init__(self, bundle: BundleChoice, limits: Limits) -> None:
        context = process_context()
        line, theirs = context.Pipe()
        self._line: Connection = line
        self._process: BaseProcess = context.Process(
            target=answer_requests, args=(theirs, bundle, limits), daemon=True
        )
        self._process.start()
        theirs.close()

    def wait_until_ready(self) -> Mapping[str, Any]:
        """What the bundle is, or the error that keeps it from being served."""
        reply = self._receive(_START_SECONDS)
        if isinstance(reply, PcrnetError):
            raise reply
        found: Mapping[str, Any] = reply
        return found

    def ask(self, folder: Path, question: str, seconds: float) -> Mapping[str, Any]:
        """The answer, or the error that was the answer."""
        with suppress(BrokenPipeError):
            self._line.send((folder, question))
        reply = self._receive(seconds)
        if isinstance(reply, PcrnetError):
            raise reply
        found: Mapping[str, Any] = reply
        return found

    def _receive(self, seconds: float) -> Any:  # noqa: ANN401 - whatever the process sends
        try:
            if not self._line.poll(seconds):
                raise TooSlowError(
                    f"no answer within {seconds:g} s",
                    remedy="send fewer or smaller series, or let the server take longer",
                )
            return self._line.recv()
        except (EOFError, ConnectionError):
            raise ProcessEndedError(
                "the process that read the scans ended before it had an answer",
                remedy="check the files with pcrnet check; the server may lack memory for them",
            ) from None

    def kill(self) -> None:
        """End the process, whatever it is at; whoever waits for its answer is told."""
        self._process.kill()
        self._process.join()

    def end(self) -> None:
        """End the process and hang up, once nobody waits for an answer any more."""
        self.kill()
        self._line.close()


class WorkerPool:
    """Some processes that share the requests.

    Args:
        bundle: What is served.
        limits: Of requests.
        size: How many processes.
    """

    def __init__(self, bundle: BundleChoice, limits: Limits, size: int) -> None:
        self.size = size
        self.metadata: Mapping[str, Any] = {}
        """What the bundle is (:func:`~pcrnet.serve.answering.describe`), once it is served."""
        self._bundle = bundle
        self._limits = limits
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._all: set[_Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._seated = 0
        self._stopped = False

    @property
    def ready(self) -> int:
        """How many processes can take requests, now or after the one they are at."""
        return len(self._all)

    async def start(self) -> None:
        """Start all processes.

        Raises:
            PcrnetError: The bundle cannot be served.
        """
        await asyncio.gather(*(self._start_one() for _ in range(self.size)))

    async def _start_one(self) -> None:
        worker = await asyncio.to_thread(_Worker, self._bundle, self._limits)
        try:
            self.metadata = await asyncio.to_thread(worker.wait_until_ready)
        except PcrnetError:
            worker.end()
            raise
        self._all.add(worker)
        self._idle.put_nowait(worker)

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Let a request in, from its upload to its answer.

        Raises:
            BusyError: As many as may are in already.
        """
        if self._seated >= self.size + self._limits.waiting:
            raise BusyError(
                f"{self._limits.waiting} requests are waiting already",
                remedy="send the request again in a while",
            )
        self._seated += 1
        try:
            yield
        finally:
            self._seated -= 1

    async def ask(self, folder: Path, question: str) -> Mapping[str, Any]:
        """Let a process answer a request.

        Args:
            folder: Holds the upload.
            question: As JSON.

        Raises:
            PcrnetError: The answer is an error, took too long, or its process died.
        """
        worker = await self._idle.get()
        asked = asyncio.ensure_future(
            asyncio.to_thread(worker.ask, folder, question, self._limits.seconds)
        )
        asked.add_done_callback(partial(self._release, worker))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            worker.kill()  # it must not write to a folder that is removed now
            raise

    def _release(self, worker: _Worker, asked: asyncio.Future[Mapping[str, Any]]) -> None:
        """Put a process among the idle, or another in its place."""
        if not isinstance(asked.exception(), TooSlowError | ProcessEndedError):
            self._idle.put_nowait(worker)
            return
        self._all.discard(worker)
        worker.end()
        if not self._stopped:
            task = asyncio.ensure_future(self._start_again())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start_again(self) -> None:
        while True:  # the bundle was served before: what fails now may pass
            try:
                await self._start_one()
            except (PcrnetError, OSError):
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def stop(self) -> None:
        """End all processes."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        for worker in self._all:
            worker.end()
        self._all.clear()
