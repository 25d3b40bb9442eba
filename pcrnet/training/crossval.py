"""All fits of an experiment, one after the other or side by side."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import RunError
from pcrnet.imaging.workers import end_with_parent
from pcrnet.training.devices import fits_at_a_time
from pcrnet.training.events import FitFinished, Listener, RunEvent
from pcrnet.training.fold import FitJob, read_logits, run_fit
from pcrnet.training.plan import FitPlan

if TYPE_CHECKING:
    from multiprocessing.queues import Queue


def run_fits(job: FitJob, plans: Sequence[FitPlan], listen: Listener) -> None:
    """Run every fit that is not finished, ``training.parallel_fits`` at a time.

    Each fit draws its random numbers from its own name, so that neither their order nor their
    number at a time changes a result; the number of CPU threads that each is given can change
    its last digits.
    """
    parallel = min(fits_at_a_time(job.experiment.training), len(plans))
    if parallel == 1:
        for plan in plans:
            _run_one(plan, job, 0, listen)
    else:
        _run_side_by_side(job, plans, parallel, listen)


def collect_logits(
    job: FitJob, plans: Sequence[FitPlan], names: Sequence[str]
) -> dict[tuple[int, ...], NDArray[np.float64]]:
    """Folds left out to logits (n, 3) in the order of ``names``; NaN where the fit has none."""
    collected = {}
    for plan in plans:
        found = read_logits(job.directory / plan.name)
        missing = np.full(3, np.nan)
        collected[plan.left_out] = np.stack([found.get(name, missing) for name in names])
    return collected


def _run_one(plan: FitPlan, job: FitJob, device_index: int, listen: Listener) -> None:
    trained = run_fit(plan, job, device_index=device_index, listen=listen)
    listen(FitFinished(plan.name, trained))


def _run_side_by_side(
    job: FitJob, plans: Sequence[FitPlan], parallel: int, listen: Listener
) -> None:
    # CUDA and OpenMP survive no fork.
    context = multiprocessing.get_context("spawn")
    slots: Queue[int] = context.Queue()
    events: Queue[RunEvent | None] = context.Queue()
    for slot in range(parallel):
        slots.put(slot)
    threads = max(1, (os.cpu_count() or 1) // parallel)
    relay = threading.Thread(target=_relay, args=(events, listen), daemon=True)
    relay.start()
    try:
        with ProcessPoolExecutor(
            parallel, context, initializer=_start_worker, initargs=(slots, events, threads)
        ) as pool:
            futures = [pool.submit(_run_in_worker, plan, job) for plan in plans]
            finished, pending = wait(futures, return_when=FIRST_EXCEPTION)
            for future in pending:
                future.cancel()
        for future in finished:
            future.result()
    except BrokenProcessPool as error:
        raise RunError(
            "a process that trained a fit was ended from outside",
            remedy="free memory or lower training.parallel_fits, and start again: it continues "
            "where it stopped",
        ) from error
    finally:
        # Only now have the workers sent all that they had to tell.
        events.put(None)
        relay.join()


def _relay(events: Queue[RunEvent | None], listen: Listener) -> None:
    while (event := events.get()) is not None:
        listen(event)


_slot: int = 0
_events: Queue[RunEvent | None] | None = None


def _start_worker(slots: Queue[int], events: Queue[RunEvent | None], threads: int) -> None:
    """Give the worker process its slot, its threads and a way to end with its parent."""
    global _slot, _events  # noqa: PLW0603 - a pool's initialiser has no other way to leave state
    import torch

    try:
        _slot = slots.get(timeout=60)
    except queue.Empty:  # a worker that replaces a dead one takes the first slot
        _slot = 0
    _events = events
    torch.set_num_threads(threads)
    # Without this, workers of a killed run go on training beside the run that continues it.
    end_with_parent()


def _run_in_worker(plan: FitPlan, job: FitJob) -> None:
    events = _events
    if events is None:
        raise RuntimeError("the worker was not started by _start_worker")
    _run_one(plan, job, _slot, events.put)
