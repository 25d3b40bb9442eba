"""From what plain data can say of a network to the network: what a checkpoint needs beside weights.

A network's shape follows from its settings, the channels and timepoints, the grid, and how the
covariates of its training patients are encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError
from torch import nn

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig, without_weights
from pcrnet.config.section import Section
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.errors import IntegrityError
from pcrnet.models.kinds import KINDS


class _Settings(Section):
    """The settings that decide a network's shape."""

    model: ModelConfig
    data: DataConfig
    imaging: ImagingConfig


@dataclass(frozen=True)
class NetworkBlueprint:
    """Everything that a network is built from.

    Attributes:
        model: Its settings.
        data: Timepoints and branches.
        imaging: The grid, and the kind of each channel.
        encoding: Of the clinical covariates.
    """

    model: ModelConfig
    data: DataConfig
    imaging: ImagingConfig
    encoding: ClinicalEncoding

    def build(self) -> nn.Module:
        """An untrained network, from torch's global generator.

        Raises:
            ValueError: This kind of model trains no network.
        """
        build = KINDS[self.model.kind].build
        if build is None:
            raise ValueError(f"a {self.model.kind} model trains no network")
        return build(self.model, self.data, self.imaging, self.encoding)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: text, numbers, lists and dictionaries; no path among them."""
        return {
            "model": without_weights(self.model).model_dump(mode="json"),
            "data": self.data.model_dump(mode="json", include={"timepoints", "branches"}),
            "imaging": self.imaging.model_dump(mode="json"),
            "encoding": self.encoding.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What :meth:`to_dict` gave.

        Raises:
            IntegrityError: The values describe no network that this version knows.
        """
        try:
            named = {name: values[name] for name in _Settings.model_fields}
            settings = _Settings.model_validate(named)
            encoding = ClinicalEncoding.from_dict(values["encoding"])
        except (ValidationError, KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"this describes no network that pcrnet knows ({type(error).__name__})",
                field="network",
                remedy="use the version of pcrnet that wrote the checkpoint",
            ) from error
        return cls(settings.model, settings.data, settings.imaging, encoding)
