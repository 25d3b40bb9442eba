"""What this machine can do, measured in well under a minute: arithmetic, memory, steps, disk."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from pcrnet.config.experiment import Experiment
from pcrnet.doctor.step import time_step
from pcrnet.drafts import draft_of
from pcrnet.models.kinds import KINDS
from pcrnet.storage import make_folder, writing_to
from pcrnet.training.devices import computing_device

_EACH_S = 2.0
_FILE_BYTES = 128 << 20
_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class MachineFigure:
    """One number of the machine: ``value`` in ``unit``."""

    title: str
    value: float
    unit: str


def measure(experiment: Experiment, covariates: int, threads: int) -> Iterator[MachineFigure]:
    """Measure the device that the experiment trains on, and the disk that it writes to.

    Args:
        experiment: The configuration.
        covariates: How many clinical covariates enter.
        threads: To compute with.

    Raises:
        OutputError: The folder of the run cannot be written to.
    """
    device = computing_device(experiment.training, 0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
            yield MachineFigure(f"matrix product, {name}", _matmul(device, dtype), "GFLOP/s")
        yield MachineFigure("memory, copying", _copying(device), "GB/s")
    finally:
        torch.set_num_threads(before)
    if KINDS[experiment.model.kind].trains:
        step = time_step(experiment, covariates, threads, longest_s=2 * _EACH_S)
        yield MachineFigure("a step of the network", 1000 * step.seconds, "ms")
    yield from _disk(Path(experiment.run.root))


def _matmul(device: torch.device, dtype: torch.dtype) -> float:
    """2 n³ operations a product; the size grows until one takes a tenth of the time given."""
    size = 256
    with torch.random.fork_rng(devices=[]):
        while True:
            first = torch.randn(size, size, dtype=dtype).to(device)
            product = torch.empty_like(first)
            seconds = _seconds(lambda a=first, out=product: torch.mm(a, a, out=out), device)  # type: ignore[misc]
            if seconds > _EACH_S / 20 or size >= 8192:
                return 2 * size**3 / seconds / 1e9
            size *= 2


def _copying(device: torch.device) -> float:
    """Bytes read and written by a copy that no cache holds."""
    source = torch.zeros(32 << 20, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _seconds(lambda: target.copy_(source), device) / 1e9


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """The shortest of several times, after one that warms up."""
    best, began, count = float("inf"), time.perf_counter(), 0
    while count < 3 or (time.perf_counter() - began < _EACH_S / 2 and count < 50):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if count:
            best = min(best, time.perf_counter() - started)
        count += 1
    return best


def _disk(root: Path) -> Iterator[MachineFigure]:
    """A file written to the disk itself and read again, then removed."""
    path = draft_of(make_folder(root) / "doctor")
    chunk = secrets.token_bytes(_CHUNK_BYTES)
    try:
        with writing_to(path):
            started = time.perf_counter()
            with path.open("wb") as stream:
                for _ in range(_FILE_BYTES // _CHUNK_BYTES):
                    stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            yield MachineFigure(
                "disk, writing", _FILE_BYTES / (time.perf_counter() - started) / 1e6, "MB/s"
            )
        if hasattr(os, "posix_fadvise"):
            with path.open("rb") as stream:  # else it would be read from memory
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        started = time.perf_counter()
        with path.open("rb", buffering=0) as stream:
            while stream.read(_CHUNK_BYTES):
                pass
        yield MachineFigure(
            "disk, reading", _FILE_BYTES / (time.perf_counter() - started) / 1e6, "MB/s"
        )
    finally:
        path.unlink(missing_ok=True)
