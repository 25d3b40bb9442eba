"""Whether bf16 convolutions of this machine are those of float32, forward and backward.

Some libraries and processors were silently wrong: cuDNN 9.8 to 9.10 in 3D convolutions, some CPUs
in the gradient of small ones. No list of versions is trusted here; the numbers are compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

LARGEST_ERROR = 0.05
"""Of the norm of a result; rounding to 8 bits of mantissa gives 0.002 to 0.01."""
_TIMES = 2  # what is wrong is not wrong every time


@dataclass(frozen=True)
class ConvolutionCase:
    """One convolution: (N, C, X, Y, Z) and filters of (O, C / groups, k, k, k)."""

    shape: tuple[int, int, int, int, int]
    filters: int
    kernel: int
    stride: int = 1
    groups: int = 1
    channels_last: bool = False

    @property
    def title(self) -> str:
        """In a few words."""
        size = "×".join(map(str, self.shape[2:]))
        kind = " depthwise" if self.groups > 1 else ""
        layout = ", channels last" if self.channels_last else ""
        return (
            f"{self.shape[1]} → {self.filters} channels, {self.kernel}³{kind}, "
            f"stride {self.stride}, {size}{layout}"
        )


@dataclass(frozen=True)
class ConvolutionCheck:
    """What a case showed.

    Attributes:
        case: The convolution.
        part: ``output``, ``input gradient`` or ``weight gradient``: where it is worst.
        error: ‖bf16 − float32‖ / ‖float32‖ there; NaN where bf16 is not finite.
    """

    case: ConvolutionCase
    part: str
    error: float

    @property
    def sound(self) -> bool:
        """Whether bf16 can be trusted with it."""
        return self.error <= LARGEST_ERROR


def check_convolutions(device: torch.device) -> list[ConvolutionCheck]:
    """Compare bf16 with float32 on a device, for the kinds of convolution that encoders use."""
    with torch.random.fork_rng(devices=[]), _whole_float32():
        torch.manual_seed(0)
        return [_check(case, device) for case in _cases(device)]


def _cases(device: torch.device) -> Iterator[ConvolutionCase]:
    for last in (False, True):
        yield ConvolutionCase((2, 1, 16, 16, 16), 12, 3, stride=2, channels_last=last)
        yield ConvolutionCase((2, 12, 15, 17, 16), 24, 3, channels_last=last)
        yield ConvolutionCase((2, 24, 8, 8, 8), 48, 3, stride=2, channels_last=last)
        yield ConvolutionCase((1, 32, 8, 9, 8), 32, 5, groups=32, channels_last=last)
        if device.type == "cuda":
            yield ConvolutionCase((2, 32, 48, 48, 48), 64, 3, channels_last=last)
            yield ConvolutionCase((1, 16, 96, 96, 64), 32, 3, stride=2, channels_last=last)
            yield ConvolutionCase((2, 3, 64, 64, 48), 64, 7, stride=2, channels_last=last)


def _check(case: ConvolutionCase, device: torch.device) -> ConvolutionCheck:
    image = torch.randn(case.shape)
    weight = torch.randn(
        case.filters, case.shape[1] // case.groups, case.kernel, case.kernel, case.kernel
    ) / (case.kernel**1.5)
    # bf16 is given what it can hold, so that only what it computes differs.
    image, weight = image.bfloat16().float(), weight.bfloat16().float()
    exact = _computed(case, image, weight, device, torch.float32)
    worst = ConvolutionCheck(case, "output", 0.0)
    for _ in range(_TIMES):
        for part, value in _computed(case, image, weight, device, torch.bfloat16).items():
            error = float((value - exact[part]).norm() / exact[part].norm())
            if not error <= worst.error:  # NaN is the worst
                worst = ConvolutionCheck(case, part, error)
                if math.isnan(error):
                    return worst
    return worst


def _computed(
    case: ConvolutionCase,
    image: torch.Tensor,
    weight: torch.Tensor,
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, torch.Tensor]:
    layout = torch.channels_last_3d if case.channels_last else torch.contiguous_format
    here = image.to(device, dtype).contiguous(memory_format=layout).requires_grad_()
    filters = weight.to(device, dtype).contiguous(memory_format=layout).requires_grad_()
    output = functional.conv3d(
        here, filters, stride=case.stride, padding=case.kernel // 2, groups=case.groups
    )
    cotangent = torch.linspace(-1.0, 1.0, output.numel(), device=device, dtype=torch.float32)
    cotangent = cotangent.bfloat16().to(dtype).reshape(output.shape)
    gradients = torch.autograd.grad(output, (here, filters), cotangent)
    found = dict(
        zip(("output", "input gradient", "weight gradient"), (output, *gradients), strict=True)
    )
    return {part: value.detach().double() for part, value in found.items()}


@contextmanager
def _whole_float32() -> Iterator[None]:
    """No TF32 within the block: bf16 would be compared with something hardly better."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def cudnn_version() -> str:
    """Of the cuDNN in use, as its makers write it; empty where there is none."""
    found: Any = torch.backends.cudnn
    number = found.version() if found.is_available() else None
    if number is None:
        return ""
    major, rest = divmod(number, 10_000)
    return f"{major}.{rest // 100}.{rest % 100}"
