"""Workers on this machine: processes of their own, started again where they are killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from pcrnet.config.sweep import LocalEngine, SweepConfig
from pcrnet.config.training import TrainingConfig
from pcrnet.errors import ProcessEndedError, RunError
from pcrnet.machine import available_cores, available_memory
from pcrnet.sweeps.engines.command import work_command
from pcrnet.sweeps.folder.layout import SweepLayout

_WORKER_BYTES = 1_500_000_000
"""A process with torch and Lightning that trains a network of moderate size."""
_MOST_AUTO = 8
_MOST_VAIN_ENDS = 10
"""Kills of each worker between two finished fits, after which something is wrong."""
_POLL_S = 0.5


def workers_here(engine: LocalEngine, config: SweepConfig, training: TrainingConfig) -> int:
    """How many workers to start."""
    if engine.workers != "auto":
        return engine.workers
    from pcrnet.training.devices import uses_gpu

    if uses_gpu(training):
        import torch

        return torch.cuda.device_count()
    memory = available_memory()
    room = available_cores() if memory is None else memory // _WORKER_BYTES
    return max(1, min(available_cores() // config.threads, room, _MOST_AUTO))


def run_local(layout: SweepLayout, workers: int, log: Path, poll: Callable[[], int]) -> None:
    """Start workers and wait until the sweep is finished.

    A worker that is killed is started again. All of them end with this process, however it ends:
    their standard input does.

    Args:
        layout: Of the sweep.
        workers: How many.
        log: Folder of what they say.
        poll: Called twice a second; tells how many fits are finished.

    Raises:
        RunError: A worker found something that no trial is at fault for.
        ProcessEndedError: Workers are killed again and again as soon as they begin.
    """
    log.mkdir(parents=True, exist_ok=True)
    made = 0
    crew = [_Hired(layout.path, number, log / f"worker-{number}.log") for number in range(workers)]
    try:
        while sum(each.is_at_work() for each in crew):  # each is asked, and replaced if need be
            time.sleep(_POLL_S)
            made, before = poll(), made
            for each in crew if made != before else ():
                each.vain_ends = 0
    finally:
        for each in crew:
            each.dismiss()


class _Hired:
    """A worker's process, and its successors where it is killed."""

    def __init__(self, directory: Path, number: int, log: Path) -> None:
        self._directory, self._number, self._log = directory, number, log
        self.vain_ends = 0
        self._start()

    def _start(self) -> None:
        command = work_command(self._directory, device_index=self._number, attached=True)
        with self._log.open("ab") as stream:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command, stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT
            )

    def is_at_work(self) -> bool:
        """Whether it has not finished; one that was killed is replaced."""
        code = self._process.poll()
        if code is None:
            return True
        if code == 0:
            return False
        if code > 0:
            raise RunError(
                f"a worker ended with exit code {code}: {self._last_words()}",
                file=self._log,
                remedy="mend what it names; the same command goes on with the sweep",
            )
        self._close()
        self.vain_ends += 1
        if self.vain_ends > _MOST_VAIN_ENDS:
            raise ProcessEndedError(
                "workers are ended from outside again and again, and finish nothing meanwhile "
                f"({signal.Signals(-code).name})",
                file=self._log,
                remedy="free memory, or lower sweep.engine.workers; what is finished is kept",
            )
        self._start()
        return True

    def dismiss(self) -> None:
        """End it, if it is still there."""
        self._close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        found = [line for line in lines if line.startswith("error: ")]
        return (found or lines or ["it said nothing"])[-1].removeprefix("error: ")[:500]
