"""Which backbones of MONAI's there are, which are built alike, and how each shrinks a scan."""

from __future__ import annotations

from typing import Literal

from pcrnet.errors import ConfigError

Backbone = Literal[
    "resnet10",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet200",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "SEResNet50",
    "SEResNet101",
    "SEResNet152",
    "SEResNext50",
    "SEResNext101",
    "SegResNet",
    "BasicUNet",
    "SwinTransformer",
    "ViT",
]
"""Networks of MONAI's in three dimensions, by the names of their classes or makers."""

_STRIDES = {
    "resnet": (4, 8, 16, 32),
    "DenseNet": (4, 8, 16, 32),
    "SE": (4, 8, 16, 32),
    "SegResNet": (1, 2, 4, 8),
    "BasicUNet": (1, 2, 4, 8, 16),
    "SwinTransformer": (4, 8, 16, 32),
    "ViT": (16,),
}
"""Family of backbones to the stride after each of its stages."""


def family(backbone: Backbone) -> str:
    """The networks that are built alike."""
    return next(name for name in _STRIDES if backbone.startswith(name))


def stage_count(backbone: Backbone, stages: int | None) -> int:
    """How many stages are used.

    Args:
        backbone: Which.
        stages: How many are asked for; None: all.

    Raises:
        ConfigError: The backbone has fewer than are asked for.
    """
    there = len(_STRIDES[family(backbone)])
    if stages is not None and stages > there:
        raise ConfigError(
            f"{backbone} has {there} stages, found {stages}",
            field="model.encoder.stages",
            remedy=f"choose 1 to {there}, or null for all",
        )
    return stages or there


def backbone_stride(backbone: Backbone, stages: int | None) -> int:
    """Voxels of the input along one edge of a cell of the feature grid.

    Args:
        backbone: Which.
        stages: How many of its stages are used; None: all.

    Raises:
        ConfigError: The backbone has fewer stages than are asked for.
    """
    return _STRIDES[family(backbone)][stage_count(backbone, stages) - 1]
