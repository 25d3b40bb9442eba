"""What our kernels become on cards that are not there: compiled to machine code, and not launched.

A kernel is called as ever, with tensors that hold nothing (device ``meta``), so that types, strides
and constants are those of a GPU.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import NamedTuple

import torch

from pcrnet.config.layers import load_experiment
from tests.house.test_configs import CONFIGS

SHARED_MEMORY = {80: 163 << 10, 86: 99 << 10, 89: 99 << 10, 90: 227 << 10, 120: 99 << 10}
"""Compute capability to the bytes that a block may take at most.

Source: CUDA C++ Programming Guide, table of technical specifications per compute capability.
"""
REGISTERS = 255  # of a thread, on all of them


class Compiled(NamedTuple):
    """One kernel for one card: bytes of shared memory and of stack, registers, and its text."""

    name: str
    shared: int
    stack: int
    registers: int
    ptx: str


class _Card:
    """As much of a driver as Triton asks before it launches."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_device(self) -> int:
        return 1000 + self.capability  # its own drawer of what is compiled, never a real card's

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.capability, 32)


class _Kernel:
    def __init__(self, kernel, found: list[Compiled], folder) -> None:
        self.kernel, self.found, self.folder = kernel, found, folder

    def __getitem__(self, grid):
        def compiled(*arguments, **named) -> None:
            made = self.kernel.warmup(*arguments, grid=grid, **named)
            self.found.append(_measured(self.kernel.__name__, made, self.folder))

        return compiled


@contextmanager
def compiling(module, capability: int, folder):
    """Within, kernels of ``module`` that are called are compiled into the list that is given."""
    import pytest
    from triton.runtime import JITFunction, driver

    found: list[Compiled] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(folder))
        patch.setattr(driver, "_active", _Card(capability))
        for name, value in vars(module).copy().items():
            if isinstance(value, JITFunction) and _is_launched(value):
                patch.setattr(module, name, _Kernel(value, found, folder))
        yield found


def shipped_stems() -> list[tuple[int, int, tuple[int, ...]]]:
    """Channels, outputs and grid of every stem of the configurations, each once."""
    found = set()
    for path in CONFIGS:
        experiment = load_experiment([str(path)])
        for branch, channels in experiment.data.branches.items():
            encoder = experiment.model.encoder_of(branch)
            found.add((len(channels), encoder.stem_width, tuple(experiment.imaging.size)))
    return sorted(found)


def nothing(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A tensor that has a shape alone."""
    return torch.empty(shape, dtype=dtype, device="meta")


def _is_launched(kernel) -> bool:
    """What other kernels call returns something."""
    return "return" not in kernel.src


def _measured(name: str, made, folder) -> Compiled:
    from triton import knobs

    path = folder / f"{name}.cubin"
    path.write_bytes(made.asm["cubin"])
    told = subprocess.run(
        [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    registers, stack, local = (
        int(re.search(rf"\b{what}:(\d+)", told).group(1)) for what in ("REG", "STACK", "LOCAL")
    )
    return Compiled(name, made.metadata.shared, stack + local, registers, made.asm["ptx"])
