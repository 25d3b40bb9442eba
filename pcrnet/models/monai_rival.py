"""One of MONAI's classifiers as a kind of model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pcrnet.config.kinds import ModelKind, ModelSettings
from pcrnet.config.section import PositiveInt

if TYPE_CHECKING:
    from torch import nn

    from pcrnet.config.data import DataConfig
    from pcrnet.config.imaging import ImagingConfig
    from pcrnet.data.clinical import ClinicalEncoding
    from pcrnet.models.contract import FitRequest, FittedModel
    from pcrnet.models.network_model import Beginning


class MonaiConfig(ModelSettings):
    """A classifier of MONAI's on all scans side by side."""

    title: ClassVar[str] = "the standard network"
    kind: Literal["monai"] = "monai"
    backbone: Literal["densenet121", "resnet10"] = "densenet121"
    """Which of them."""
    features: PositiveInt = 32
    """Features that the backbone ends in, before the linear layer."""


def _build(
    config: MonaiConfig, data: DataConfig, imaging: ImagingConfig, encoding: ClinicalEncoding
) -> nn.Module:
    from pcrnet.models.monai_network import MonaiNetwork

    return MonaiNetwork(config, data)


def _fit(config: MonaiConfig, request: FitRequest) -> FittedModel:
    from pcrnet.models.network_model import NetworkModel

    build = partial(_build, config, request.data, request.imaging)
    request = replace(request, covariates=())  # it looks at scans alone
    return NetworkModel.fit(request, build, networks=1, corrects=False, promise=0.0)


def _begin(config: MonaiConfig, request: FitRequest) -> Beginning:
    from pcrnet.models.network_model import begin

    build = partial(_build, config, request.data, request.imaging)
    return begin(replace(request, covariates=()), build, corrects=False)


def _read(path: Path, config: MonaiConfig, data: DataConfig, imaging: ImagingConfig) -> FittedModel:
    from pcrnet.models.network_model import NetworkModel

    build = partial(_build, config, data, imaging)
    return NetworkModel.read(path, build, data, imaging, corrects=False)


KIND = ModelKind(
    MonaiConfig,
    made="One of MONAI's classifiers.",
    fit=_fit,
    read=_read,
    build=_build,
    begin=_begin,
    deterministic=False,  # its 3D pooling has no deterministic gradient on CUDA
)
