"""What a benchmark ran on, for its result."""

from __future__ import annotations

import os
import platform

import numpy as np


def describe_machine() -> dict[str, object]:
    """Processor, cores that this process may use, and versions."""
    return {
        "processor": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
