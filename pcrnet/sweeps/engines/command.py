"""The one command that every engine launches."""

from __future__ import annotations

import sys
from pathlib import Path


def work_command(directory: Path, *, device_index: int = 0, attached: bool = False) -> list[str]:
    """Joins a sweep, as ``pcrnet work`` typed by hand does.

    Args:
        directory: Folder of the sweep.
        device_index: Which GPU to use, where there is one.
        attached: Whether it shall end when its standard input ends.
    """
    command = [sys.executable, "-m", "pcrnet.cli", "work", str(directory)]
    if device_index:
        command += ["--device-index", str(device_index)]
    return command + ["--attached"] * attached
