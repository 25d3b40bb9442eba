"""MONAI's backbones whole, from a branch's channels to a feature grid: what published weights fit.

The other encoders begin with a stem of pcrnet's own; these keep every layer and name of the network
that they are taken from.

Shapes: N visits, C channels, X Y Z voxels, F features, x y z cells of the feature grid, W token
width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pcrnet.models.encoders.backbone_families import backbone_stride, family, stage_count
from pcrnet.models.encoders.layers import channels_last

if TYPE_CHECKING:
    from pcrnet.models.encoders.monai import MonaiEncoderConfig

_VIT_PATCH, _VIT_WIDTH = 16, 768
_STAGES: dict[str, tuple[tuple[str, ...], ...]] = {
    "resnet": (
        ("conv1", "bn1", "act", "maxpool", "layer1"),
        ("layer2",),
        ("layer3",),
        ("layer4",),
    ),
    "DenseNet": (
        tuple(f"features.{name}" for name in ("conv0", "norm0", "relu0", "pool0", "denseblock1")),
        *(
            (f"features.transition{index}", f"features.denseblock{index + 1}")
            for index in (1, 2, 3)
        ),
    ),
    "SE": (("layer0", "layer1"), ("layer2",), ("layer3",), ("layer4",)),
    "SegResNet": (
        ("convInit", "down_layers.0"),
        *((f"down_layers.{index}",) for index in (1, 2, 3)),
    ),
    "BasicUNet": (("conv_0",), *((f"down_{index}",) for index in (1, 2, 3, 4))),
    "SwinTransformer": (
        ("patch_embed", "pos_drop", "layers1.0"),
        *((f"layers{index}.0",) for index in (2, 3, 4)),
    ),
    "ViT": ((),),
}
"""Family of backbones to the layers of each stage, one after the other."""


class MonaiEncoder(nn.Module):
    """A backbone of MONAI's, then a linear map of its features.

    An absent channel is zero to the backbone, and said by a learned constant.

    Args:
        config: Which backbone, and how much of it.
        channels: Input channels C.
        size: Input voxels (X, Y, Z).
        width: Token width W.

    Attributes:
        frozen: Whether batch norms keep their statistics while training.

    Raises:
        ConfigError: The backbone has fewer stages than are asked for.
    """

    def __init__(
        self, config: MonaiEncoderConfig, channels: int, size: tuple[int, int, int], width: int
    ) -> None:
        super().__init__()
        used = stage_count(config.backbone, config.stages)
        stages = _STAGES[family(config.backbone)][:used]
        self.frozen = False
        self.network = _build(config, channels, size)
        self.grid: tuple[int, ...] | None = None
        self.steps = [name for stage in stages for name in stage]
        if config.backbone == "ViT":
            self.grid = tuple(length // _VIT_PATCH for length in size)
        else:
            _keep_only(self.network, self.steps)
        stride = backbone_stride(config.backbone, config.stages)
        self.project = nn.Conv3d(self._outputs(channels, stride), width, 1)
        self.absent = nn.Linear(channels, width, bias=False)

    def forward(self, image: Tensor, present: Tensor) -> Tensor:
        """Image (N, C, X, Y, Z) and presence bool (N, C) to (N, W, x, y, z)."""
        # Batch normalisation has nothing to compare a single visit with.
        self.network.train(self.training and not self.frozen and len(image) > 1)
        # where, not a product: an absent channel may hold anything, NaN included.
        seen = channels_last(torch.where(present[:, :, None, None, None], image, 0.0))
        features: Tensor = self.project(self._features(seen))
        constant: Tensor = self.absent((~present).to(features.dtype))
        return features + constant[:, :, None, None, None]

    def _features(self, values: Tensor) -> Tensor:
        """(N, C, X, Y, Z) to (N, F, x, y, z)."""
        if self.grid is not None:
            tokens, _ = self.network(values)  # (N, x·y·z, F)
            return torch.unflatten(tokens.transpose(1, 2), 2, self.grid)
        for name in self.steps:
            values = self.network.get_submodule(name)(values.contiguous())
        return values

    @torch.no_grad()
    def _outputs(self, channels: int, stride: int) -> int:
        """Features F, found by looking."""
        if self.grid is not None:
            return _VIT_WIDTH
        self.network.eval()
        found = self._features(torch.zeros(1, channels, stride, stride, stride))
        self.network.train()
        return int(found.shape[1])


def _build(config: MonaiEncoderConfig, channels: int, size: tuple[int, int, int]) -> nn.Module:
    from monai.networks import nets
    from monai.networks.nets.swin_unetr import SwinTransformer

    arguments: dict[str, Any]
    match family(config.backbone):
        case "resnet":
            arguments = {
                "n_input_channels": channels,
                "conv1_t_stride": 2,
                "shortcut_type": config.shortcut,
                "feed_forward": False,
            }
        case "DenseNet":
            arguments = {"spatial_dims": 3, "in_channels": channels, "out_channels": 1}
        case "SE":
            arguments = {"spatial_dims": 3, "in_channels": channels, "num_classes": 1}
        case "SegResNet":
            arguments = {"in_channels": channels}
        case "BasicUNet":
            arguments = {"in_channels": channels, "norm": "batch"}
        case "SwinTransformer":  # as in MONAI's self-supervised Swin UNETR
            arguments = {
                "in_chans": channels,
                "embed_dim": 48,
                "window_size": (7, 7, 7),
                "patch_size": (2, 2, 2),
                "depths": (2, 2, 2, 2),
                "num_heads": (3, 6, 12, 24),
                "spatial_dims": 3,
            }
        case _:
            patch = (_VIT_PATCH,) * 3
            arguments = {"in_channels": channels, "img_size": size, "patch_size": patch}
    maker = SwinTransformer if config.backbone == "SwinTransformer" else None
    network: nn.Module = (maker or getattr(nets, config.backbone))(**arguments)
    return network


def _keep_only(module: nn.Module, paths: Sequence[str]) -> None:
    """Take away every layer that none of the dotted ``paths`` leads to: it would learn nothing."""
    for name, child in list(module.named_children()):
        below = [path.partition(".")[2] for path in paths if path.partition(".")[0] == name]
        if not below:
            del module._modules[name]
        elif all(below):
            _keep_only(child, below)
