"""Filters of many convolutions, made ready together.

On a GPU an operation on the filters of one convolution takes hardly less than one on those of ten.
On a CPU it is the numbers that take time, and to lay filters side by side only costs.

Shapes: n convolutions of one shape, O filters each, I inputs, x y z voxels of a filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pcrnet.models.encoders.layers import ActivatedConv3d, ResidualBlock, standardised


class FilterBanks:
    """The activated convolutions of encoders, those of one shape side by side.

    Args:
        encoders: Whose; convolutions that are alone in their shape are left as they are.
    """

    def __init__(self, encoders: nn.Module) -> None:
        shapes: dict[tuple[int, ...], list[ActivatedConv3d]] = {}
        for part in encoders.modules():
            if isinstance(part, ActivatedConv3d):
                shapes.setdefault((*part.weight.shape, *part.stride), []).append(part)
        self._banks = [alike for alike in shapes.values() if len(alike) > 1]
        self._convolutions = [part for alike in self._banks for part in alike]
        # The blocks, not their gains: who moves a network may put others in their place.
        self._blocks = {
            part.second: part for part in encoders.modules() if isinstance(part, ResidualBlock)
        }
        self._constants: dict[torch.device, tuple[Tensor, Tensor]] = {}

    @contextmanager
    def ready(self, device: torch.device) -> Iterator[None]:
        """Within, convolutions find their filters and biases standardised, scaled and rounded."""
        try:
            if self._banks:
                self._make_ready(device)
            yield
        finally:
            for part in self._convolutions:
                part.ready = None

    def _make_ready(self, device: torch.device) -> None:
        scale, one = self._constants_on(device)
        outputs = [part.out_channels for part in self._convolutions]
        factor = torch.cat([self._factor(part, one) for part in self._convolutions])
        gains = torch.cat([part.gain for part in self._convolutions]) * scale * factor
        biases = _rounded(torch.cat([_bias(part) for part in self._convolutions]) * factor)
        filters: list[Tensor] = []
        of_banks = torch.split(gains, [len(alike) * alike[0].out_channels for alike in self._banks])
        for alike, gain in zip(self._banks, of_banks, strict=True):
            filters += _filters(alike, gain)
        own = zip(filters, torch.split(biases, outputs), strict=True)
        for part, made in zip(self._convolutions, own, strict=True):
            part.ready = made

    def _factor(self, part: ActivatedConv3d, one: Tensor) -> Tensor:
        """What the filters of a convolution are multiplied by beside their gain (O,)."""
        block = self._blocks.get(part)
        return (one if block is None else block.skip_gain).expand(part.out_channels)

    def _constants_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Scale of each filter, and 1: sent once, for nothing may be sent while a graph is made."""
        if device not in self._constants:
            scales = [part.scale for part in self._convolutions for _ in range(part.out_channels)]
            self._constants[device] = (
                torch.tensor(scales, device=device),
                torch.ones((), device=device),
            )
        return self._constants[device]


def _filters(alike: Sequence[ActivatedConv3d], gain: Tensor) -> tuple[Tensor, ...]:
    """Filters (O, I, x, y, z) of n convolutions; gain (n·O,)."""
    # As they lie in memory, channels innermost, so that a gradient is not turned round either.
    rows = torch.stack([part.weight.permute(0, 2, 3, 4, 1) for part in alike]).flatten(0, 1)
    bank = _rounded(standardised(rows.permute(0, 4, 1, 2, 3), gain))  # (n·O, I, x, y, z)
    return torch.unflatten(bank, 0, (len(alike), -1)).unbind(0)


def _rounded(values: Tensor) -> Tensor:
    """As autocast would round them for each convolution."""
    kind = values.device.type
    if not torch.is_autocast_enabled(kind):
        return values
    return values.to(torch.get_autocast_dtype(kind))


def _bias(part: ActivatedConv3d) -> Tensor:
    assert part.bias is not None  # noqa: S101
    return part.bias
