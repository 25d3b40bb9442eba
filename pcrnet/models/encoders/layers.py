"""Layers that every encoder stands on.

Shapes: N visits, C channels, X Y Z voxels, H channels of the stem, x y z cells of the feature grid,
W token width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM_STRIDE = 2


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
        # where, not a product: an absent channel may hold anything, NaN included.
        image = torch.where(present[:, :, None, None, None], image, 0.0)
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

    def forward(self, values: Tensor) -> Tensor:
        """Convolve (N, C, X, Y, Z)."""
        weight = self.standardised()
        return functional.conv3d(values, weight, self.bias, self.stride, self.padding)

    def standardised(self) -> Tensor:
        """The weights that are convolved with, of the shape of ``weight``."""
        weight = self.weight
        mean = weight.mean(dim=(1, 2, 3, 4), keepdim=True)
        deviation = weight.std(dim=(1, 2, 3, 4), keepdim=True, correction=0)
        gain = (self.gain * self.scale).reshape(-1, 1, 1, 1, 1)
        return (weight - mean) / (deviation + 1e-4) * gain


def activation(values: Tensor) -> Tensor:
    """GELU with the variance of its input."""
    # 1.7015 is 1 / standard deviation of GELU of a standard normal: it keeps the variance at 1.
    return functional.gelu(values) * 1.7015
