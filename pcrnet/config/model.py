"""Settings of the models: the network with its encoders and fusion, and its rivals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pcrnet.config.section import (
    Name,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Section,
    same_length,
)


class Pretrainable(Section):
    """An encoder that can begin with weights of a file."""

    weights: str | None = None
    """File of weights to begin with: safetensors, or a state dict that torch has saved (.pth, .pt,
    .ckpt), of which nothing is run. What does not fit is left random, and said; null: all is."""


class ResNetConfig(Pretrainable):
    """Normaliser-free residual encoder; the stem and every stage halve the grid."""

    kind: Literal["resnet"] = "resnet"
    stem_width: PositiveInt = 12
    """Channels of the stem."""
    widths: tuple[PositiveInt, ...] = (24, 48)
    """Channels of each stage."""
    blocks: tuple[NonNegativeInt, ...] = (1, 1)
    """Residual blocks of each stage."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        return same_length(self, "widths", "blocks")


class ConvNeXtConfig(Pretrainable):
    """ConvNeXt blocks in 3D: depthwise 5×5×5, layer norm, inverted bottleneck."""

    kind: Literal["convnext"] = "convnext"
    stem_width: PositiveInt = 16
    """Channels of the stem."""
    widths: tuple[PositiveInt, ...] = (32, 64)
    """Channels of each stage."""
    blocks: tuple[NonNegativeInt, ...] = (1, 1)
    """Blocks of each stage."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        return same_length(self, "widths", "blocks")


class DenseNetConfig(Pretrainable):
    """MONAI's densely connected blocks."""

    kind: Literal["densenet"] = "densenet"
    stem_width: PositiveInt = 16
    """Channels of the stem."""
    growth: PositiveInt = 8
    """Channels that each layer adds."""
    blocks: tuple[PositiveInt, ...] = (2, 2)
    """Layers of each dense block."""
    initial_width: PositiveInt = 16
    """Channels before the first dense block."""


class ViTConfig(Pretrainable):
    """Vision transformer on patches of the stem's feature map."""

    kind: Literal["vit"] = "vit"
    stem_width: PositiveInt = 16
    """Channels of the stem."""
    patch: PositiveInt = 4
    """Edge of a patch, in voxels of the stem's map."""
    depth: PositiveInt = 2
    """Transformer layers."""
    heads: PositiveInt = 4
    """Attention heads of each layer."""


class SwinConfig(Pretrainable):
    """MONAI's shifted-window transformer."""

    kind: Literal["swin"] = "swin"
    stem_width: PositiveInt = 12
    """Channels of the stem."""
    width: PositiveInt = 16
    """Channels of the first stage; each later one doubles them."""
    depths: tuple[PositiveInt, ...] = (2,)
    """Blocks of each stage."""
    heads: tuple[PositiveInt, ...] = (2,)
    """Attention heads of each stage."""
    window: Annotated[int, Field(ge=1, le=12)] = 4
    """Edge of an attention window."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        return same_length(self, "depths", "heads")


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


class MonaiEncoderConfig(Pretrainable):
    """A backbone of MONAI's from its first layer on, as published weights expect it; of U-shaped
    networks the encoder."""

    kind: Literal["monai"] = "monai"
    backbone: Backbone = "resnet18"
    """Its class. ResNets bear MedicalNet's layers and names, SwinTransformer those of MONAI's
    self-supervised Swin UNETR, ViT those of masked autoencoders."""
    stages: PositiveInt | None = None
    """How many of its stages are used; fewer keep a finer grid of features; null: all."""
    shortcut: Literal["A", "B"] = "B"
    """Shortcuts of a resnet that change width: padded with zeros, or convolved. MedicalNet's 18 and
    34 have A, its others B."""


EncoderConfig = Annotated[
    ResNetConfig | ConvNeXtConfig | DenseNetConfig | ViTConfig | SwinConfig | MonaiEncoderConfig,
    Field(discriminator="kind"),
]


class ConcatFusionConfig(Section):
    """One vector a branch and timepoint, side by side with its presence flag, then an MLP."""

    kind: Literal["concat"] = "concat"
    hidden: PositiveInt = 64
    """Units of the hidden layer."""


class GatedFusionConfig(Section):
    """A learned weight for each token that is present (gated attention pooling)."""

    kind: Literal["gated"] = "gated"
    hidden: PositiveInt = 64
    """Units of the attention."""


class TransformerFusionConfig(Section):
    """Self-attention over whatever tokens are present, read out by a query token."""

    kind: Literal["transformer"] = "transformer"
    depth: PositiveInt = 2
    """Layers."""
    heads: PositiveInt = 4
    """Attention heads of each layer."""
    mlp_ratio: Positive = 2.0
    """Width of the feed-forward part over that of a token."""


FusionConfig = Annotated[
    ConcatFusionConfig | GatedFusionConfig | TransformerFusionConfig, Field(discriminator="kind")
]


class NetworkConfig(Section):
    """The dual-branch network, as a correction of what it starts from."""

    kind: Literal["network"] = "network"
    start: Literal["quantitative", "frequencies"] = "quantitative"
    """What the network corrects: the quantitative model, or nothing but how often each outcome
    occurs. A correction that does not help patients left out of it is left out."""
    networks: PositiveInt = 3
    """Networks of each fit. Each leaves out a part of the fit's own patients, on whom it is decided
    how much of the correction to keep; 1 keeps all of one network."""
    width: PositiveInt = 64
    """Length of every token."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Chance that a unit is left out while training."""
    encoder: EncoderConfig = ResNetConfig()
    """What turns the scans of one branch and visit into a token."""
    encoders: dict[Name, EncoderConfig] = Field(default={})
    """Branch to an encoder of its own, instead of ``model.encoder``; each with its ``kind``."""
    fusion: FusionConfig = TransformerFusionConfig()
    """What turns the tokens that are present into one vector."""

    def encoder_of(self, branch: str) -> EncoderConfig:
        """The settings of a branch's encoder."""
        return self.encoders.get(branch, self.encoder)


class QuantitativeConfig(Section):
    """Ridge regression on measured quantities and the clinical covariates."""

    kind: Literal["quantitative"] = "quantitative"


class ClinicalConfig(Section):
    """Ridge regression on the clinical covariates alone."""

    kind: Literal["clinical"] = "clinical"


class MonaiConfig(Section):
    """A classifier of MONAI's on all scans side by side."""

    kind: Literal["monai"] = "monai"
    backbone: Literal["densenet121", "resnet10"] = "densenet121"
    """Which of them."""
    features: PositiveInt = 32
    """Features that the backbone ends in, before the linear layer."""


ModelConfig = Annotated[
    NetworkConfig | QuantitativeConfig | ClinicalConfig | MonaiConfig,
    Field(discriminator="kind"),
]
Rival = Literal["clinical", "quantitative", "monai"]


def rival_config(kind: Rival) -> QuantitativeConfig | ClinicalConfig | MonaiConfig:
    """The default settings of a kind of model that the main one is held against."""
    match kind:
        case "clinical":
            return ClinicalConfig()
        case "quantitative":
            return QuantitativeConfig()
        case "monai":
            return MonaiConfig()


def with_weights(model: ModelConfig, rename: Callable[[str], str | None]) -> ModelConfig:
    """The same model with every file of weights under another name, or under none."""
    if not isinstance(model, NetworkConfig):
        return model

    def renamed(encoder: EncoderConfig) -> EncoderConfig:
        if encoder.weights is None:
            return encoder
        return encoder.model_copy(update={"weights": rename(encoder.weights)})

    return model.model_copy(
        update={
            "encoder": renamed(model.encoder),
            "encoders": {name: renamed(one) for name, one in model.encoders.items()},
        }
    )


def without_weights(model: ModelConfig) -> ModelConfig:
    """The same model, knowing nothing of the files that its training began with."""
    return with_weights(model, lambda _: None)


def begins_with_weights(model: ModelConfig) -> bool:
    """Whether an encoder begins with weights of a file."""
    return without_weights(model) != model
