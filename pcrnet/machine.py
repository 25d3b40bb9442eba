"""What this process may use of the machine: cores and memory, as container and scheduler allow."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from sysconfig import get_path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_CGROUPS = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGEST_BLOCK, _NEVER = 1 << 30, (1 << 31) - 1
_UNLIMITED = 1 << 60  # version 1 writes a number near 2⁶³ for no limit


def available_cores() -> int:
    """Cores that this process may use, at least 1: by affinity and by the quota of its cgroups."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:  # macOS and Windows have no such limit
        cores = os.cpu_count() or 1
    quotas = [quota for folder in _own_cgroups("cpu") if (quota := _quota(folder)) is not None]
    return max(1, min([cores, *(int(quota) for quota in quotas)]))


def available_memory() -> int | None:
    """Bytes that this process and its children can still take; None where nothing tells.

    The least of what the machine has left and of what each cgroup above this process has left;
    pages that only mirror files count as free, for the system gives them up.
    """
    free = [left for folder in _own_cgroups("memory") if (left := _memory_left(folder)) is not None]
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free.append(int(line.split()[1]) * 1024)
    return max(0, min(free)) if free else None


def keep_freed_memory() -> bool:
    """Let this process keep what it frees: a training step frees and asks for the same again.

    By default glibc gives every large block back at once, and each page of the next one costs a
    fault: a third of the time of augmentation, a seventh of a step on a large grid. A process
    then holds what it took at its largest. Other systems' allocators are left as they are.

    Returns:
        Whether it is so.
    """
    if not sys.platform.startswith("linux"):
        return False
    with suppress(OSError, AttributeError):  # musl has no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)) and bool(
            mallopt(_M_TRIM_THRESHOLD, _NEVER)
        )
    return False


def compiles_kernels(device: torch.device) -> bool:
    """Whether kernels of our own can be compiled for a device.

    That takes a GPU, Triton, a C compiler and the headers of Python.
    """
    return device.type == "cuda" and _has_compilers()


@cache
def _has_compilers() -> bool:
    # What Triton compiles includes Python's own headers, which many containers leave out.
    headers = Path(get_path("include")) / "Python.h"
    return find_spec("triton") is not None and c_compiler() is not None and headers.is_file()


def c_compiler() -> str | None:
    """Path of a C compiler, first of what ``CC`` names; None where there is none."""
    names = (os.environ.get("CC"), "gcc", "clang", "cc")
    return next((path for name in names if name and (path := which(name))), None)


def peak_memory() -> int:
    """Most bytes that this process has held in memory so far; 0 where nothing tells."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def in_words(size: float) -> str:
    """A ``size`` in bytes as people say it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _own_cgroups(controller: str) -> Iterator[Path]:
    """The folders that can limit this process, innermost first, of both versions of cgroups."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if not names:
            root = _CGROUPS
        elif controller in names.split(","):
            root = _CGROUPS / (names if (_CGROUPS / names).is_dir() else controller)
        else:
            continue
        inner = root / path.strip("/")
        # Within a container the path is that of the host, and its root is what limits.
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(root))


def _quota(folder: Path) -> float | None:
    """Cores' worth of time that a cgroup allows."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        microseconds = int((folder / "cpu.cfs_quota_us").read_text())
        if microseconds > 0:
            return microseconds / int((folder / "cpu.cfs_period_us").read_text())
    return None


def _memory_left(folder: Path) -> int | None:
    """Bytes that a cgroup still allows."""
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            limit = int((folder / limit_file).read_text())
            if limit >= _UNLIMITED:
                return None
            used = int((folder / used_file).read_text())
            return limit - used + _given_up(folder)
    return None


def _given_up(folder: Path) -> int:
    """Bytes of files in memory that the system would give up first."""
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in {"inactive_file", "total_inactive_file"}:
                return int(value)
    return 0
