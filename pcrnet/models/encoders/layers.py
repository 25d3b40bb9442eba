"""Layers that every encoder stands on.

Shapes: N visits, C channels, X Y Z voxels, H channels of the stem, x y z cells of the feature grid,
W token width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

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
        # Filled, not multiplied: an absent channel may hold anything, NaN included. Before the
        # channels lie innermost, as whole volumes are filled at once.
        image = image.masked_fill(~present[:, :, None, None, None], 0.0)
        features: Tensor = self.convolution(channels_last(image))
        constant: Tensor = self.absent((~present).to(features.dtype))
        return features + constant[:, :, None, None, None]


def channels_last(values: Tensor) -> Tensor:
    """The same values with channels innermost: convolutions run up to twice as fast."""
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
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias) if self.bias is not None else None

    def forward(self, values: Tensor, factor: Tensor | None = None) -> Tensor:
        """Convolve (N, C, X, Y, Z), times a factor of one number: on the filters it costs least."""
        gain, bias = self.gain * self.scale, self.bias
        if factor is not None:
            gain = gain * factor
            bias = None if bias is None else bias * factor
        weight = standardised(self.weight, gain)
        return functional.conv3d(values, weight, bias, self.stride, self.padding)


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
