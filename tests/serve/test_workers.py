"""Processes that hang, die or refuse: the next request is answered all the same."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pcrnet.errors import BundleError, PcrnetError, ProcessEndedError
from pcrnet.serve import workers
from pcrnet.serve.answering import BundleChoice
from pcrnet.serve.limits import Limits
from pcrnet.serve.workers import BusyError, TooSlowError, WorkerPool

STUB = """
import os, time
from pcrnet.errors import BundleError, UnitError

def answer_requests(connection, bundle, limits):
    if bundle.sha256 == "wrong":
        connection.send(BundleError("another bundle"))
        return
    connection.send({"name": "stub"})
    while True:
        try:
            folder, question = connection.recv()
        except EOFError:
            return
        if question == "die":
            os._exit(1)
        if question.startswith("sleep"):
            time.sleep(float(question.split()[1]))
        if question == "refuse":
            connection.send(UnitError("not SUV"))
        else:
            connection.send({"process": os.getpid(), "question": question})
"""


@pytest.fixture(autouse=True)
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stub_of_answering.py").write_text(STUB)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "stub_of_answering", raising=False)
    stub = importlib.import_module("stub_of_answering")
    monkeypatch.setattr(workers, "answer_requests", stub.answer_requests)


def in_pool(run: Callable[[WorkerPool], Awaitable[None]], *, size: int = 1, **limits: int) -> None:
    async def all_of_it() -> None:
        pool = WorkerPool(BundleChoice(Path("bundle")), Limits(**limits), size)
        await pool.start()
        try:
            await run(pool)
        finally:
            await pool.stop()

    asyncio.run(all_of_it())


HERE = Path()


def test_answers_come_from_a_process_that_stays() -> None:
    async def run(pool: WorkerPool) -> None:
        first = await pool.ask(HERE, "one")
        again = await pool.ask(HERE, "two")
        assert first["process"] == again["process"] != os.getpid()
        assert again["question"] == "two"
        assert pool.metadata == {"name": "stub"}

    in_pool(run)


def test_a_refusal_is_raised_here_and_the_process_stays() -> None:
    async def run(pool: WorkerPool) -> None:
        before = await pool.ask(HERE, "one")
        with pytest.raises(PcrnetError, match="not SUV"):
            await pool.ask(HERE, "refuse")
        assert (await pool.ask(HERE, "one"))["process"] == before["process"]

    in_pool(run)


@pytest.mark.parametrize(
    ("question", "kind"), [("die", ProcessEndedError), ("sleep 60", TooSlowError)]
)
def test_a_process_that_dies_or_hangs_is_replaced(question: str, kind: type[PcrnetError]) -> None:
    async def run(pool: WorkerPool) -> None:
        before = await pool.ask(HERE, "one")
        with pytest.raises(kind):
            await pool.ask(HERE, question)
        after = await pool.ask(HERE, "one")
        assert after["process"] != before["process"]
        with pytest.raises(ProcessLookupError):
            os.kill(before["process"], 0)

    in_pool(run, seconds=2)


def test_more_than_may_wait_are_sent_away_at_once() -> None:
    async def run(pool: WorkerPool) -> None:
        async def seated(question: str) -> None:
            with pool.seat():
                await pool.ask(HERE, question)

        asked = [asyncio.ensure_future(seated("sleep 0.3")) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(BusyError):
            await seated("one")
        await asyncio.gather(*asked)
        with pytest.raises(PcrnetError, match="not SUV"):
            await seated("refuse")
        await asyncio.gather(*(seated("one") for _ in range(3)))

    in_pool(run, waiting=2)


def test_two_processes_share_the_requests() -> None:
    async def run(pool: WorkerPool) -> None:
        answers = await asyncio.gather(*(pool.ask(HERE, "sleep 0.3") for _ in range(4)))
        assert len({answer["process"] for answer in answers}) == 2

    in_pool(run, size=2)


def test_who_stops_waiting_ends_the_work() -> None:
    async def run(pool: WorkerPool) -> None:
        before = (await pool.ask(HERE, "one"))["process"]
        asked = asyncio.ensure_future(pool.ask(HERE, "sleep 60"))
        await asyncio.sleep(0.2)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert (await pool.ask(HERE, "two"))["process"] != before

    in_pool(run)


def test_a_bundle_that_cannot_be_served_is_said_at_the_start() -> None:
    async def run() -> None:
        pool = WorkerPool(BundleChoice(Path("bundle"), sha256="wrong"), Limits(), 1)
        with pytest.raises(BundleError, match="another bundle"):
            await pool.start()
        assert pool.ready == 0

    asyncio.run(run())
