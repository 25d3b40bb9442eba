"""Layers that every encoder stands on.

Shapes: N visits, C channels, X Y Z voxels, H channels of the stem, x y z cells of the feature grid,
W token width.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcrnet.machine import compiles_kernels

STEM_STRIDE = 2
_LEAST_VARIANCE = 1e-8  # of a filter; they begin at 1


class VisitEncoder(nn.Module):
    """A stem that knows which channels are there, then an encoder of any kind."""

    def __init__(self, stem: Stem, body: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.body = body

    def forward(self, image: Tensor, present: Tensor) -> Tensor:
        """Image (N, C, X, Y, Z) and presence bool (N, C) to (N, W, x, y, z)."""
        features: Tensor = self.body(self.stem(image, present))
        return features


class Stem(nn.Module):
    """The first convolution, over the channels that are present.

    An absent channel contributes a learned constant instead of voxels, whatever its voxels hold.
    Being the constant's only home, the stem needs no gradient with respect to the image, which
    would double the cost of a training step.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.convolution = ScaledConv3d(channels, width, 3, stride=STEM_STRIDE)
        self.absent = nn.Linear(channels, width, bias=False)

    def forward(self, image: Tensor, present: Tensor) -> Tensor:
        """Image (N, C, X, Y, Z) and presence bool (N, C) to (N, H, X/2, Y/2, Z/2)."""
        if _in_kernels(image):
            from pcrnet.models.encoders.stem_triton import convolve_stem

            shift = self.absent((~present).to(image.dtype)) + self.convolution.bias
            return convolve_stem(image, present, self.convolution.filters(), shift)
        # Filled, not multiplied: an absent channel may hold anything, NaN included. Before the
        # channels lie innermost, as whole volumes are filled at once.
        image = image.masked_fill(~present[:, :, None, None, None], 0.0)
        features: Tensor = self.convolution(channels_last(image))
        constant: Tensor = self.absent((~present).to(features.dtype))
        return features + constant[:, :, None, None, None]


def _in_kernels(image: Tensor) -> bool:
    """Whether a kernel of ours takes the stem: where bf16 is trained in, on a GPU."""
    return (
        compiles_kernels(image.device)
        and not image.requires_grad
        and torch.is_autocast_enabled("cuda")
        and torch.get_autocast_dtype("cuda") == torch.bfloat16
    )


def channels_last(values: Tensor) -> Tensor:
    """The same values (N, C, X, Y, Z), channels innermost: convolutions run up to twice as fast."""
    return values.contiguous(memory_format=torch.channels_last_3d)


class ScaledConv3d(nn.Conv3d):
    """Convolution with standardised weights and a learned gain a filter.

    It keeps the variance of its input without looking at the input, so that a patient's features
    depend neither on the batch nor on how much of the crop is bright. Source: Brock et al.,
    High-performance large-scale image recognition without normalization, ICML 2021, section 2.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2)
        self.gain = nn.Parameter(torch.ones(outputs))
        fan_in = inputs * kernel**3
        self.scale = fan_in**-0.5
        self.ready: tuple[Tensor, Tensor] | None = None
        """Filters and bias, times their factor, while others have made them ready."""
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias) if self.bias is not None else None

    def forward(self, values: Tensor, factor: Tensor | None = None) -> Tensor:
        """Convolve (N, C, X, Y, Z), times a factor of one number: on the filters it costs least."""
        if self.ready is not None:
            return functional.conv3d(values, *self.ready, self.stride, self.padding)
        bias = self.bias
        if factor is not None:
            bias = None if bias is None else bias * factor
        return functional.conv3d(values, self.filters(factor), bias, self.stride, self.padding)

    def filters(self, factor: Tensor | None = None) -> Tensor:
        """Standardised filters (O, I, x, y, z), times their gain and a factor of one number."""
        gain = self.gain * self.scale
        return standardised(self.weight, gain if factor is None else gain * factor)


class ActivatedConv3d(ScaledConv3d):
    """A scaled convolution of GELU of its input, which keeps the variance of what it is given."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride)
        # 1 / standard deviation of GELU of a standard normal: on the filters, not on every voxel.
        self.scale *= 1.7015

    def forward(self, values: Tensor, factor: Tensor | None = None) -> Tensor:
        """Convolve GELU of (N, C, X, Y, Z)."""
        return super().forward(functional.gelu(values), factor)


def standardised(weight: Tensor, gain: Tensor) -> Tensor:
    """Filters (O, I, x, y, z), each less its mean, over its deviation, times its gain (O,).

    As one layer norm over the rows of the bank: two kernels instead of some twenty, and, channels
    being innermost in memory, no copy in either direction.
    """
    rows = weight.permute(0, 2, 3, 4, 1)  # (O, x, y, z, I): how they lie in memory
    bank = rows.flatten(1)
    even = functional.layer_norm(bank, bank.shape[1:], eps=_LEAST_VARIANCE)
    scaled = even * gain[:, None]
    return scaled.reshape(rows.shape).permute(0, 4, 1, 2, 3)


class Downsample(nn.Module):
    """Activation, then a convolution that halves the grid: (N, I, X, Y, Z) to (N, O, X/2, …)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = ActivatedConv3d(inputs, outputs, 3, stride=2)

    def forward(self, values: Tensor) -> Tensor:
        """(N, I, X, Y, Z) to (N, O, X/2, Y/2, Z/2)."""
        halved: Tensor = self.convolution(values)
        return halved


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity, activation first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ActivatedConv3d(width, width, 3)
        self.second = ActivatedConv3d(width, width, 3)
        # Starting near the identity replaces what normalisation does for trainability.
        self.skip_gain = nn.Parameter(torch.tensor(0.2))

    def forward(self, values: Tensor) -> Tensor:
        """(N, O, X, Y, Z) to the same shape."""
        inner: Tensor = self.second(self.first(values), self.skip_gain)
        return values + inner


class ConvNeXtBlock(nn.Module):
    """Depthwise 5×5×5, layer norm over channels and an inverted bottleneck beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = nn.Conv3d(width, width, 5, padding=2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.layer_scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, values: Tensor) -> Tensor:
        """(N, O, X, Y, Z) to the same shape."""
        inner: Tensor = self.norm(self.spatial(values).movedim(1, -1))  # (N, X, Y, Z, O)
        inner = self.layer_scale * self.contract(functional.gelu(self.expand(inner)))
        return values + inner.movedim(-1, 1)


class PatchGrid(nn.Module):
    """The tokens of a network of patches, back on their grid.

    Args:
        network: From (N, H, X, Y, Z) to tokens (N, x·y·z, W), and something beside them.
        grid: (x, y, z).
    """

    def __init__(self, network: nn.Module, grid: tuple[int, int, int]) -> None:
        super().__init__()
        self.network = network
        self.grid = grid

    def forward(self, values: Tensor) -> Tensor:
        """(N, H, X, Y, Z) to (N, W, x, y, z)."""
        tokens, _ = self.network(values)
        return torch.unflatten(tokens.transpose(1, 2), 2, self.grid)


class ContiguousStages(nn.ModuleList):
    """Stages one after the other, each given its input in one piece of memory."""

    def forward(self, values: Tensor) -> Tensor:
        """(N, I, X, Y, Z) to what the last stage makes of it."""
        for stage in self:
            values = stage(values.contiguous())
        return values


def named_sequence(**layers: nn.Module) -> nn.Sequential:
    """Layers one after the other; their names are those of the weights in a file."""
    return nn.Sequential(OrderedDict(layers))
