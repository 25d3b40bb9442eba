"""What every benchmark shares: the machine, paired timing, and how a result is written."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


def describe_machine(**more: object) -> dict[str, object]:
    """Processor, cores that this process may use, and versions."""
    return {
        "processor": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),  # what else runs: of this, one is ours
        "python": platform.python_version(),
        "numpy": np.__version__,
        **more,
    }


def describe_torch() -> dict[str, object]:
    """Machine, version and threads of PyTorch, and the GPU."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return describe_machine(torch=torch.__version__, threads=torch.get_num_threads(), gpu=gpu)


def commit() -> str:
    """The commit that is measured; marked where files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def begin_peak_mb() -> float:
    """Set the kernel's mark of the largest resident set to what is in use now (Linux, glibc).

    Memory that the allocator keeps for later is handed back first: it is resident already, and
    what is served from it would not be seen to grow.
    """
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_mb()


def peak_mb() -> float:
    """Largest resident set since the mark was last set, in MiB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def compare(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of each call, and its median ratio to pcrnet's own of the same repeat."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    ours = seconds["pcrnet"]
    return {
        name: {
            "milliseconds": round(1000 * statistics.median(times), 2),
            "ratio_to_pcrnet": round(
                statistics.median(t / own for t, own in zip(times, ours, strict=True)), 3
            ),
        }
        for name, times in seconds.items()
    }


def keep(result: Mapping[str, object], path: Path) -> None:
    """Write a result that grows; whoever stops this leaves what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial")
    text = json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)


def publish(result: Mapping[str, object], out: Path | None) -> None:
    """Print a result as JSON, and keep it where that was asked for."""
    text = json.dumps(result, indent=2, ensure_ascii=False)
    print(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
