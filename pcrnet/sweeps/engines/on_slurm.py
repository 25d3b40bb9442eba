"""Workers as an array of SLURM jobs, submitted by submitit.

A job whose time is up, or that is pre-empted, is queued again by submitit and joins in again: what
it had finished is kept.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pcrnet.config.sweep import SlurmEngine
from pcrnet.errors import RunError
from pcrnet.sweeps.engines.command import work_command
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.optional import submitit_module

_POLL_S = 2.0


class Job:
    """What a job does: one worker, until the sweep is finished.

    Args:
        command: That joins the sweep.
    """

    def __init__(self, command: list[str]) -> None:
        self.command = command

    def __call__(self) -> int:
        """Work; the exit code."""
        return subprocess.run(self.command, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603

    def checkpoint(self) -> Any:  # noqa: ANN401 - submitit's own
        """Called by submitit where the job is ended from outside: the same once more."""
        return submitit_module().helpers.DelayedSubmission(self)


def run_on_slurm(
    layout: SweepLayout, engine: SlurmEngine, log: Path, poll: Callable[[], object]
) -> None:
    """Submit workers and wait until the sweep is finished.

    Should this process end, the jobs go on, and the same command looks at them no more but finds
    the sweep as far as it is.

    Args:
        layout: Of the sweep, on a file system that all nodes see under this path.
        engine: Partition, size and number of the jobs.
        log: Folder of submitit's records and of what the workers say.
        poll: Called now and then.

    Raises:
        ConfigError: submitit is not installed.
        RunError: There is no SLURM here, or all workers have ended and the sweep has not.
    """
    submitit = submitit_module()
    try:
        executor = submitit.AutoExecutor(folder=log / "%j", cluster=engine.cluster)
    except RuntimeError as error:
        raise RunError(
            "submitit finds no SLURM on this machine (no srun)",
            field="sweep.engine",
            remedy="start the sweep on a login node, or set sweep.engine.cluster=local to try it",
        ) from error
    options: dict[str, object] = {
        "name": f"pcrnet-{layout.path.name}",
        "timeout_min": max(1, round(60 * engine.hours)),
        "cpus_per_task": engine.cpus,
        "gpus_per_node": engine.gpus,
        "mem_gb": engine.memory_gb,
    }
    if engine.partition is not None and engine.cluster == "slurm":
        options["slurm_partition"] = engine.partition
    executor.update_parameters(**options)
    with executor.batch():
        jobs = [executor.submit(Job(work_command(layout.path))) for _ in range(engine.workers)]
    while not all(job.done() for job in jobs):
        time.sleep(_POLL_S)
        poll()
    if not layout.finished.exists():
        said = "; ".join(sorted({_words_of(job) for job in jobs}))
        raise RunError(
            f"all jobs have ended and the sweep has not: {said}",
            file=log,
            remedy="mend what they name; the same command goes on with the sweep",
        )


def _words_of(job: Any) -> str:  # noqa: ANN401 - submitit is optional
    text = job.stderr() or ""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    return (lines or [f"job {job.job_id} {job.state}"])[-1]
