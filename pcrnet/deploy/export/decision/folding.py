"""A network as it is used, not as it is trained: what never changes is computed once."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcrnet.models.encoders.layers import ActivatedConv3d, ScaledConv3d, standardised


@torch.no_grad()
def folded(network: nn.Module) -> nn.Module:
    """A copy for inference: standardised weights are plain weights, and nothing trains."""
    network = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    for name, module in list(network.named_modules()):
        if isinstance(module, ScaledConv3d):
            network.set_submodule(name, _FoldedConv3d(module))
    return network


class _FoldedConv3d(nn.Module):
    """A scaled convolution whose weights are standardised for good."""

    def __init__(self, scaled: ScaledConv3d) -> None:
        super().__init__()
        self.activated = isinstance(scaled, ActivatedConv3d)
        self.stride, self.padding = scaled.stride, scaled.padding
        weight = standardised(scaled.weight, scaled.gain * scaled.scale)
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        self.bias = copy.deepcopy(scaled.bias)

    def forward(self, values: Tensor, factor: Tensor | None = None) -> Tensor:
        """As the convolution that it stands for."""
        weight: Tensor = self.weight
        bias: Tensor | None = self.bias
        if factor is not None:
            weight = weight * factor
            bias = None if bias is None else bias * factor
        if self.activated:
            values = functional.gelu(values)
        return functional.conv3d(values, weight, bias, self.stride, self.padding)
