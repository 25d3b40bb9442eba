"""What a kind of encoder or of model declares of itself, and finding what is declared.

A kind is one module that holds its settings and how it is made of them; a line in
:mod:`pcrnet.config.model` registers it. The module imports no network at its top, since every
command reads the settings; what makes the network imports what it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pcrnet.config.section import Section

if TYPE_CHECKING:
    from torch import nn

    from pcrnet.config.data import DataConfig
    from pcrnet.config.imaging import ImagingConfig
    from pcrnet.data.clinical import ClinicalEncoding
    from pcrnet.models.contract import FitRequest, FittedModel
    from pcrnet.models.network_model import Beginning

_KindT = TypeVar("_KindT", "EncoderKind", "ModelKind")


class BranchEncoderSettings(Section):
    """What the settings of every encoder hold; each states its ``kind`` anew."""

    kind: str = ""
    weights: str | None = None
    """File of weights to begin with: safetensors, or a state dict that torch has saved (.pth, .pt,
    .ckpt), of which nothing is run. What does not fit is left random, and said; null: all is."""


class EncoderSettings(BranchEncoderSettings):
    """Of those that begin with pcrnet's stem; each states ``stem_width`` anew, too."""

    stem_width: int = 1


class ModelSettings(Section):
    """What the settings of every kind of model hold.

    Attributes:
        title: The model's name in a sentence of the report, as in ``the clinical model``.
    """

    title: ClassVar[str]
    kind: str = ""

    @property
    def moderated(self) -> bool:
        """Whether its probabilities allow for how little the fit knows."""
        return False


@dataclass(frozen=True)
class EncoderKind:
    """How an encoder is made from its settings.

    Attributes:
        settings: Their class; the default of its ``kind`` names the encoder.
        stride: Settings to how many cells of the stem's grid (of ``whole``: voxels of the input)
            lie along one edge of a cell of the feature grid.
        body: Settings, size of the stem's grid (X, Y, Z) and token width W to a module that takes
            (N, H, X, Y, Z), with H the stem's channels, to (N, W, x, y, z).
        whole: Instead of ``body``, for an encoder without pcrnet's stem: settings, channels C, size
            of the input and W to a module that takes an image (N, C, X, Y, Z) and presence bool
            (N, C) to (N, W, x, y, z).
        deterministic: Whether CUDA has deterministic gradients of all its layers.
        absolute: Whether a doubled intensity is told from the features: nothing in it normalises
            over space.
    """

    settings: type[BranchEncoderSettings]
    stride: Callable[[Any], int]
    body: Callable[[Any, tuple[int, int, int], int], nn.Module] | None = None
    deterministic: bool = True
    absolute: bool = True
    whole: Callable[[Any, int, tuple[int, int, int], int], nn.Module] | None = None


@dataclass(frozen=True)
class ModelKind:
    """How a kind of model is made from its settings.

    Attributes:
        settings: Their class; the default of its ``kind`` names the kind.
        made: For the model card: what it is, in one sentence or more.
        fit: Settings and request to a fitted model.
        read: Folder, settings, timepoints with channels, and imaging to the model written there.
        build: Makes an untrained network for patients whose covariates are encoded so; None where
            the kind trains no network, and is fitted in seconds.
        begin: Settings and request to one such network before its training, for whoever trains it
            with a loop of their own; None as for ``build``.
        rests_on_scans: Whether scans, or what is measured in them, play any part.
        deterministic: Whether CUDA has deterministic gradients of all its layers.
    """

    settings: type[ModelSettings]
    made: str
    fit: Callable[[Any, FitRequest], FittedModel]
    read: Callable[[Path, Any, DataConfig, ImagingConfig], FittedModel]
    build: Callable[[Any, DataConfig, ImagingConfig, ClinicalEncoding], nn.Module] | None = None
    begin: Callable[[Any, FitRequest], Beginning] | None = None
    rests_on_scans: bool = True
    deterministic: bool = True

    @property
    def trains(self) -> bool:
        """Whether fitting takes a network's training loop."""
        return self.build is not None


def kind_name(settings: type[Section]) -> str:
    """The value of ``kind`` that chooses these settings."""
    return str(settings.model_fields["kind"].default)


def declared(what: type[_KindT], modules: tuple[str, ...]) -> dict[str, _KindT]:
    """Name to declaration of each module's ``KIND``, in the order of the modules.

    Raises:
        TypeError: A module declares no such kind, or two have one name.
    """
    found: dict[str, _KindT] = {}
    for module in modules:
        kind = getattr(import_module(module), "KIND", None)
        if not isinstance(kind, what):
            raise TypeError(f"{module} has no KIND of type {what.__name__}")
        name = kind_name(kind.settings)
        if name in found:
            raise TypeError(f"{module}: there is another kind {name}")
        found[name] = kind
    return found
