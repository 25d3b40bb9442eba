"""The kinds of models, one line each: how each is fitted and read back.

A new kind is a module that satisfies :class:`~pcrnet.models.contract.FittedModel`, a section of
settings with its own ``kind`` in :mod:`pcrnet.config.model`, and a line in :data:`KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import (
    ClinicalConfig,
    ModelConfig,
    MonaiConfig,
    NetworkConfig,
    QuantitativeConfig,
)
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.models.contract import FitRequest, FittedModel
from pcrnet.models.monai_network import MonaiNetwork
from pcrnet.models.network import PcrNet
from pcrnet.models.network_model import Beginning, NetworkModel, begin
from pcrnet.models.pretraining import begin_with_weights
from pcrnet.models.rivals.tabular import TabularModel


@dataclass(frozen=True)
class Kind:
    """How a kind of model is made from its settings.

    Attributes:
        fit: Settings and request to a fitted model.
        read: Folder, settings, timepoints with channels, and imaging to the model written there.
        build: Makes an untrained network for patients whose covariates are encoded so; None where
            the kind trains no network, and is fitted in seconds.
        begin: Settings and request to one such network before its training, for whoever trains it
            with a loop of their own; None as for ``build``.
    """

    fit: Callable[[Any, FitRequest], FittedModel]
    read: Callable[[Path, Any, DataConfig, ImagingConfig], FittedModel]
    build: Callable[[Any, DataConfig, ImagingConfig, ClinicalEncoding], nn.Module] | None = None
    begin: Callable[[Any, FitRequest], Beginning] | None = None

    @property
    def trains(self) -> bool:
        """Whether fitting takes a network's training loop."""
        return self.build is not None


def _network(
    config: NetworkConfig, data: DataConfig, imaging: ImagingConfig, encoding: ClinicalEncoding
) -> PcrNet:
    return PcrNet(data, imaging, config, encoding.covariate_of_feature, len(encoding.covariates))


def _network_with_weights(
    config: NetworkConfig, data: DataConfig, imaging: ImagingConfig, encoding: ClinicalEncoding
) -> nn.Module:
    """As training begins with it: what ships needs no file of somebody else's."""
    network = _network(config, data, imaging, encoding)
    begin_with_weights(network, config, data)
    return network


def _monai(
    config: MonaiConfig, data: DataConfig, imaging: ImagingConfig, encoding: ClinicalEncoding
) -> nn.Module:
    return MonaiNetwork(config, data)


def _fit_network(config: NetworkConfig, request: FitRequest) -> FittedModel:
    build = partial(_network_with_weights, config, request.data, request.imaging)
    corrects = config.start == "quantitative"
    model = NetworkModel.fit(request, build, networks=config.networks, corrects=corrects)
    encoding = ClinicalEncoding(())
    begun = begin_with_weights(
        _network(config, request.data, request.imaging, encoding), config, request.data
    )
    return replace(model, pretrained={branch: one.to_dict() for branch, one in begun.items()})


def _begin_network(config: NetworkConfig, request: FitRequest) -> Beginning:
    build = partial(_network_with_weights, config, request.data, request.imaging)
    return begin(request, build, corrects=config.start == "quantitative")


def _read_network(
    path: Path, config: NetworkConfig, data: DataConfig, imaging: ImagingConfig
) -> FittedModel:
    build = partial(_network, config, data, imaging)
    corrects = config.start == "quantitative"
    return NetworkModel.read(path, build, data, imaging, corrects=corrects)


def _fit_monai(config: MonaiConfig, request: FitRequest) -> FittedModel:
    build = partial(_monai, config, request.data, request.imaging)
    request = replace(request, covariates=())  # it looks at scans alone
    return NetworkModel.fit(request, build, networks=1, corrects=False)


def _begin_monai(config: MonaiConfig, request: FitRequest) -> Beginning:
    build = partial(_monai, config, request.data, request.imaging)
    return begin(replace(request, covariates=()), build, corrects=False)


def _read_monai(
    path: Path, config: MonaiConfig, data: DataConfig, imaging: ImagingConfig
) -> FittedModel:
    build = partial(_monai, config, data, imaging)
    return NetworkModel.read(path, build, data, imaging, corrects=False)


def _fit_table(config: QuantitativeConfig | ClinicalConfig, request: FitRequest) -> FittedModel:
    return TabularModel.fit(request, quantities=config.kind == "quantitative")


def _read_table(
    path: Path,
    config: QuantitativeConfig | ClinicalConfig,
    data: DataConfig,
    imaging: ImagingConfig,
) -> FittedModel:
    return TabularModel.read(path, data, imaging)


KINDS: dict[str, Kind] = {
    "network": Kind(_fit_network, _read_network, _network, _begin_network),
    "quantitative": Kind(_fit_table, _read_table),
    "clinical": Kind(_fit_table, _read_table),
    "monai": Kind(_fit_monai, _read_monai, _monai, _begin_monai),
}


def fit_model(config: ModelConfig, request: FitRequest) -> FittedModel:
    """Fit a model of the kind that the settings name."""
    return KINDS[config.kind].fit(config, request)


def read_model(
    directory: Path, config: ModelConfig, data: DataConfig, imaging: ImagingConfig
) -> FittedModel:
    """Read a model of the kind that the settings name.

    Raises:
        IntegrityError: A file is damaged.
    """
    return KINDS[config.kind].read(directory, config, data, imaging)
