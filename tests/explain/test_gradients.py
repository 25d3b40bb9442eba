"""Integrated gradients add up to what the networks add, and absent scans are exactly nothing."""

import numpy as np
import pytest
import torch

from pcrnet.applicability.scrutiny import OneTensor
from pcrnet.config.model import NetworkConfig, TransformerFusionConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.explain.gradients import flat_levels, integrated_gradients
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.encoders.resnet import ResNetConfig
from pcrnet.models.frequencies import Frequencies
from pcrnet.models.network_model import NetworkModel

WEIGHTS = np.array([1.0, 0.5, -0.2])


def _model(case, seed):
    torch.manual_seed(seed)
    config = NetworkConfig(
        width=16,
        encoder=ResNetConfig(stem_width=6, widths=(8, 12)),
        fusion=TransformerFusionConfig(depth=1),
    )
    network = PcrNet(case.data, case.imaging, config)
    torch.nn.init.normal_(network.head.linear.weight, std=0.3)
    start = Frequencies((0.0, 0.0, 0.0))
    return NetworkModel(
        start, (network.eval(),), (ClinicalEncoding(()),), np.array([1.0, 0.7, 1.0])
    )


@pytest.fixture(scope="module")
def flat(case):
    return flat_levels(case.tensor, np.ones(case.tensor.image.shape[2:], bool))


def test_attributions_add_up_to_what_the_image_changes(case, flat):
    model = _model(case, 0)
    found = integrated_gradients(model, case.patient, case.tensor, flat, WEIGHTS, steps=48)
    level = flat[..., None, None, None] * case.tensor.present[..., None, None, None]
    empty = case.replace(
        case.tensor, image=np.broadcast_to(level, case.tensor.image.shape).astype(np.float16)
    )
    there, gone = (
        float(model.logits([case.patient], OneTensor(t))[0] @ WEIGHTS) for t in (case.tensor, empty)
    )
    assert found.sum() == pytest.approx(there - gone, abs=0.03 * abs(there - gone) + 0.01)


def test_absent_scans_are_exactly_nothing(case, flat):
    found = integrated_gradients(_model(case, 0), case.patient, case.tensor, flat, WEIGHTS, steps=4)
    assert not case.tensor.present.all()
    assert not found[~case.tensor.present].any()
    assert found[case.tensor.present].any()


def test_random_weights_change_the_map(case, flat):
    first, second = (
        integrated_gradients(_model(case, seed), case.patient, case.tensor, flat, WEIGHTS, steps=4)
        for seed in (0, 1)
    )
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.6


def test_without_networks_every_voxel_is_exactly_nothing(case, flat):
    model = NetworkModel(Frequencies((0.0, 0.0, 0.0)), (), (), np.zeros(3))
    assert not integrated_gradients(model, case.patient, case.tensor, flat, WEIGHTS).any()
