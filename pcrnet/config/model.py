"""Settings of the models: the network with its encoders and fusion, and its rivals.

An encoder and a rival are a module each, registered by a line in :data:`ENCODER_MODULES` or
:data:`RIVAL_MODULES`; whatever lists them, and the values that a configuration may hold, follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union

from pydantic import Field

from pcrnet.config.kinds import (
    BranchEncoderSettings,
    EncoderKind,
    ModelKind,
    ModelSettings,
    declared,
)
from pcrnet.config.section import Name, Positive, PositiveInt, Section

ENCODER_MODULES = (
    "pcrnet.models.encoders.resnet",
    "pcrnet.models.encoders.convnext",
    "pcrnet.models.encoders.densenet",
    "pcrnet.models.encoders.vit",
    "pcrnet.models.encoders.swin",
    "pcrnet.models.encoders.monai",
)
"""The encoders, one line each: modules with a ``KIND``; the first is the default."""

RIVAL_MODULES = (
    "pcrnet.models.rivals.clinical",
    "pcrnet.models.rivals.quantitative",
    "pcrnet.models.monai_rival",
)
"""The kinds of models beside the network, one line each: modules with a ``KIND``."""

ENCODERS = declared(EncoderKind, ENCODER_MODULES)
"""Name to encoder."""
RIVALS = declared(ModelKind, RIVAL_MODULES)
"""Name to kind of model."""

if TYPE_CHECKING:
    EncoderConfig = BranchEncoderSettings
    ModelConfig = ModelSettings
    Rival = str
else:
    EncoderConfig = Annotated[
        Union[tuple(kind.settings for kind in ENCODERS.values())],  # noqa: UP007 - made of a tuple
        Field(discriminator="kind"),
    ]
    Rival = Literal[tuple(RIVALS)]


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
    cells: PositiveInt = 64
    """Cells of a branch's and visit's feature grid that become tokens, at most; of a finer grid,
    neighbours are averaged."""
    depth: PositiveInt = 2
    """Layers."""
    heads: PositiveInt = 4
    """Attention heads of each layer."""
    mlp_ratio: Positive = 2.0
    """Width of the feed-forward part over that of a token."""


FusionConfig = Annotated[
    ConcatFusionConfig | GatedFusionConfig | TransformerFusionConfig, Field(discriminator="kind")
]


class NetworkConfig(ModelSettings):
    """The dual-branch network, as a correction of what it starts from."""

    title: ClassVar[str] = "the network"
    kind: Literal["network"] = "network"
    start: Literal["quantitative", "frequencies"] = "quantitative"
    """What the network corrects: the quantitative model, or nothing but how often each outcome
    occurs. A correction that does not help patients left out of it is left out."""
    networks: PositiveInt = 3
    """Networks of each fit. Each leaves out a part of the fit's own patients, on whom it is decided
    how much of the correction to keep; 1 keeps all of one network."""
    promise: Annotated[float, Field(ge=0.0)] = 1.0
    """A fit trains its next network only while what those before it gained on the patients that
    they left out, carried on to all patients, would come to so many standard errors; else the start
    stands alone. 0 trains all networks whatever they gain."""
    width: PositiveInt = 64
    """Length of every token."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Chance that a unit is left out while training."""
    encoder: EncoderConfig = next(iter(ENCODERS.values())).settings()
    """What turns the scans of one branch and visit into a token."""
    encoders: dict[Name, EncoderConfig] = Field(default={})
    """Branch to an encoder of its own, instead of ``model.encoder``; each with its ``kind``."""
    fusion: FusionConfig = TransformerFusionConfig()
    """What turns the tokens that are present into one vector."""

    @property
    def moderated(self) -> bool:
        """As what it starts from: what it adds has helped patients left out of it."""
        return self.start == "quantitative"

    def encoder_of(self, branch: str) -> EncoderConfig:
        """The settings of a branch's encoder."""
        return self.encoders.get(branch, self.encoder)


SETTINGS: dict[str, type[ModelSettings]] = {
    "network": NetworkConfig,
    **{name: kind.settings for name, kind in RIVALS.items()},
}
"""Name of every kind of model to its settings."""

if not TYPE_CHECKING:
    ModelConfig = Annotated[Union[tuple(SETTINGS.values())], Field(discriminator="kind")]  # noqa: UP007


def rival_config(kind: Rival) -> ModelSettings:
    """The default settings of a kind of model that the main one is held against."""
    return RIVALS[kind].settings()


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
