"""The kinds of models: how each is fitted and read back.

A new kind is one module with a :class:`~pcrnet.config.kinds.ModelKind`, and a line in
:data:`pcrnet.config.model.RIVAL_MODULES`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import nn

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.kinds import ModelKind
from pcrnet.config.model import RIVALS, ModelConfig, NetworkConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.models.contract import FitRequest, FittedModel
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.dual_branch.pretraining import begin_with_weights, beginnings
from pcrnet.models.network_model import Beginning, NetworkModel, begin


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


def _fit_network(config: NetworkConfig, request: FitRequest) -> FittedModel:
    build = partial(_network_with_weights, config, request.data, request.imaging)
    corrects = config.start == "quantitative"
    model = NetworkModel.fit(
        request, build, networks=config.networks, corrects=corrects, promise=config.promise
    )
    begun = beginnings(config, request.data, request.imaging)
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


KINDS: dict[str, ModelKind] = {
    "network": ModelKind(
        NetworkConfig,
        made="Networks that correct what they start from. Their factors say how much is kept: with "
        "several networks and a quantitative start they were chosen on patients whom neither had "
        "seen, else they are 1.",
        fit=_fit_network,
        read=_read_network,
        build=_network,
        begin=_begin_network,
    ),
    **RIVALS,
}
"""Name to kind of model."""


def fit_model(config: ModelConfig, request: FitRequest) -> FittedModel:
    """Fit a model of the kind that the settings name.

    Raises:
        PcrnetError: As the kind; a size that its encoder cannot divide, for example.
    """
    return KINDS[config.kind].fit(config, request)


def read_model(
    directory: Path, config: ModelConfig, data: DataConfig, imaging: ImagingConfig
) -> FittedModel:
    """Read a model of the kind that the settings name.

    Raises:
        IntegrityError: A file is damaged.
    """
    return KINDS[config.kind].read(directory, config, data, imaging)
