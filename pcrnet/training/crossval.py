"""All fits of an experiment, one after the other or side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pcrnet.machine import available_cores
from pcrnet.models.kinds import KINDS
from pcrnet.processes import in_processes, tell, worker_number
from pcrnet.training.demands.memory import fits_that_have_room
from pcrnet.training.demands.timing import Timekeeper
from pcrnet.training.devices import use_threads, uses_gpu
from pcrnet.training.events import FitFinished, Listener
from pcrnet.training.fit import DONE_FILE, FitJob, read_logits, run_fit
from pcrnet.training.head_start import warm_workers
from pcrnet.training.plan import FitPlan


def run_fits(job: FitJob, plans: Sequence[FitPlan], listen: Listener) -> None:
    """Run every fit that is not finished, ``training.parallel_fits`` at a time.

    Each fit draws its random numbers from its own name, so that neither their order nor their
    number at a time changes a result; the number of CPU threads that each is given can change
    its last digits.
    """
    if all((job.directory / plan.name / DONE_FILE).is_file() for plan in plans):
        parallel = 1  # there is nothing to train, only seals to check
    elif not KINDS[job.experiment.model.kind].trains:
        parallel = 1  # a process takes longer to start than a table to fit
    else:
        parallel = fits_that_have_room(job, len(plans), listen)
    clock, began = Timekeeper(listen), time.perf_counter()
    if parallel == 1:
        for plan in plans:
            _run_one(plan, job, 0, clock)
    else:
        begin = partial(use_threads, max(1, available_cores() // parallel))
        fit = partial(_run_in_worker, job=job)
        # A process that was forked cannot use a GPU for sure.
        context = None if uses_gpu(job.training) else warm_workers()
        for _ in in_processes(
            fit, plans, parallel, doing="trains a fit", begin=begin, listen=clock, context=context
        ):
            pass
    clock.conclude(job, time.perf_counter() - began, parallel)


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
    # The linear algebra of a fit is that of some sixty columns: a second thread of numpy's waits,
    # and waits on a core that the fit beside this one needs.
    with threadpool_limits(1, user_api="blas"):
        trained = run_fit(plan, job, device_index=device_index, listen=listen)
    listen(FitFinished(plan.name, trained))


def _run_in_worker(plan: FitPlan, job: FitJob) -> None:
    _run_one(plan, job, worker_number(), tell)
