"""The whole network: what may not reach the logits, and what must."""

import pytest
import torch

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import GatedFusionConfig, NetworkConfig, TransformerFusionConfig
from pcrnet.errors import ConfigError
from pcrnet.models.dual_branch.network import (
    CovariateEmbedding,
    NetworkInput,
    PcrNet,
    TimeEmbedding,
    averaged,
    network_units,
    pooling,
    position_embedding,
)


def _rows(patients, rows):
    return NetworkInput(*(value[rows] for value in patients))


def _spoiled(patients, value):
    image = patients.image.masked_fill(~patients.present[..., None, None, None], value)
    return patients._replace(image=image)


def _default_inputs(**changes):
    return NetworkInput(
        image=torch.rand(
            2, 2, 6, *ImagingConfig().size, generator=torch.Generator().manual_seed(1)
        ),
        present=torch.ones(2, 2, 6, dtype=torch.bool),
        days=torch.tensor([[0.0, 40.0], [0.0, torch.nan]]),
        covariates=torch.zeros(2, 0),
        covariate_present=torch.zeros(2, 0, dtype=torch.bool),
    )._replace(**changes)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 300.0])
def test_absent_channels_and_visits_may_hold_anything(network, patients, value):
    with torch.no_grad():
        expected = network(*patients)
        assert torch.isfinite(expected).all()
        torch.testing.assert_close(network(*_spoiled(patients, value)), expected, rtol=0, atol=0)


def test_an_unknown_covariate_may_hold_anything(network, patients):
    changed = patients._replace(covariates=patients.covariates.clone())
    changed.covariates[3, 2] = 50.0
    with torch.no_grad():
        assert torch.equal(network(*changed), network(*patients))


def test_a_patients_logits_do_not_depend_on_the_others(network, patients):
    with torch.no_grad():
        together = network(*patients)
        order = [3, 1, 0, 2]
        torch.testing.assert_close(
            network(*_rows(patients, order)), together[order], atol=2e-6, rtol=1e-5
        )
        for row in range(4):
            alone = network(*_rows(patients, [row]))
            torch.testing.assert_close(alone[0], together[row], atol=2e-6, rtol=1e-5)


def test_gradients_are_finite_whatever_absent_channels_hold(network, patients):
    network.zero_grad()
    network(*_spoiled(patients, torch.nan)).square().sum().backward()
    gradients = {
        name: parameter.grad
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    for part in ("encoders", "summaries", "fusion", "head", "time_embedding", "covariate"):
        assert any(name.startswith(part) and gradients[name].any() for name in gradients), part
    network.zero_grad()


def test_the_absolute_scale_of_suv_matters(network, patients):
    changed = patients._replace(image=patients.image.clone())
    changed.image[0, :, 0] *= 2.0
    with torch.no_grad():
        difference = (network(*changed) - network(*patients)).abs().amax(dim=1)
    assert difference[0] > 1e-5
    assert difference[1:].max() == 0


@pytest.mark.parametrize("field", ["image", "days", "covariates", "present"])
def test_everything_that_is_known_counts(network, patients, field):
    changed = {
        "image": lambda: patients.image.flip(1),
        "days": lambda: torch.where(torch.isfinite(patients.days), patients.days + 20, torch.nan),
        "covariates": lambda: patients.covariates + 1.0,
        "present": lambda: patients.present & torch.tensor([True, True, False]),
    }[field]()
    with torch.no_grad():
        difference = network(*patients._replace(**{field: changed})) - network(*patients)
    assert difference[0].abs().max() > 1e-6


def test_absent_visits_may_be_exchanged(default_network, patients):
    absent = _rows(patients, [3])
    absent.present[0] = False
    exchanged = absent._replace(image=absent.image.flip(1))
    with torch.no_grad():
        assert torch.equal(default_network(*absent), default_network(*exchanged))


def test_a_patient_without_anything_has_a_finite_answer(network, patients):
    nothing = patients._replace(
        present=torch.zeros_like(patients.present),
        covariate_present=torch.zeros_like(patients.covariate_present),
        days=torch.full_like(patients.days, torch.nan),
    )
    with torch.no_grad():
        assert torch.isfinite(network(*nothing)).all()


def test_the_time_between_visits_matters_and_may_be_unknown():
    torch.manual_seed(0)
    embedding = TimeEmbedding(2, 8)
    days = torch.tensor([[0.0, 42.0], [0.0, 43.0], [0.0, torch.nan], [torch.nan, torch.nan]])
    when = embedding(days)
    assert torch.isfinite(when).all()
    assert not torch.equal(when[0, 1], when[1, 1])
    assert torch.equal(when[0, 0], when[1, 0])
    torch.testing.assert_close(when[3], embedding.order.detach() + 0.0)
    when.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in embedding.parameters())


def test_a_covariate_token_is_its_start_plus_its_own_features():
    embedding = CovariateEmbedding((0, 0, 1), 2, 5)
    tokens = embedding(torch.tensor([[0.0, 1.0, -2.0]]))
    torch.testing.assert_close(tokens[0, 0], embedding.start[0] + embedding.directions[1])
    torch.testing.assert_close(tokens[0, 1], embedding.start[1] - 2.0 * embedding.directions[2])


@pytest.mark.parametrize(("owners", "covariates"), [((), 0), ((), 1), ((1,), 2)])
def test_covariates_without_features_are_fine(owners, covariates):
    tokens = CovariateEmbedding(owners, covariates, 5)(torch.ones(3, len(owners)))
    assert tokens.shape == (3, covariates, 5)


def test_a_place_is_embedded_alike_whatever_the_voxel_size():
    coarse = ImagingConfig(size=(16, 16, 16), spacing_mm=(5.0, 5.0, 5.0))
    fine = ImagingConfig(size=(32, 32, 32), spacing_mm=(2.5, 2.5, 2.5))
    torch.testing.assert_close(
        position_embedding(coarse, (8, 8, 8), 64),
        position_embedding(fine, (16, 16, 16), 64),
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("width", [4, 16, 64, 65])
def test_every_place_is_embedded_differently(width):
    embedding = position_embedding(ImagingConfig(size=(24, 24, 24)), (8, 8, 8), width)
    assert embedding.shape == (27, width)
    if width >= 16:
        distance = torch.cdist(embedding, embedding) + torch.eye(27)
        assert distance.min() > 0.01


def test_sizes_that_do_not_divide_name_the_key():
    with pytest.raises(ConfigError) as caught:
        PcrNet(DataConfig(), ImagingConfig(size=(24, 24, 20)), NetworkConfig())
    assert caught.value.field == "imaging.size"
    assert "24, 24, 24" in caught.value.remedy


def test_the_same_seed_builds_the_same_network():
    def build(seed):
        torch.manual_seed(seed)
        return PcrNet(DataConfig(), ImagingConfig(), NetworkConfig()).state_dict()

    first, again, other = build(1), build(1), build(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["time_embedding.order"], other["time_embedding.order"])


def test_the_default_network_runs_on_float16_images():
    network = PcrNet(DataConfig(), ImagingConfig(), NetworkConfig()).eval()
    exact = _default_inputs()
    rounded = exact._replace(image=exact.image.half())
    with torch.no_grad():
        logits = network(*exact)
        assert logits.shape == (2, 3)
        torch.testing.assert_close(network(*rounded), logits, atol=1e-3, rtol=0)


def test_bf16_stays_near_float32():
    torch.manual_seed(0)
    network = PcrNet(DataConfig(), ImagingConfig(), NetworkConfig()).eval()
    inputs = _default_inputs()
    with torch.no_grad():
        exact = network(*inputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = network(*inputs)
    torch.testing.assert_close(rounded.float(), exact, atol=0.03, rtol=0)


@pytest.mark.slow
def test_the_exported_default_network_answers_alike_for_any_number_of_patients():
    torch.manual_seed(0)
    network = PcrNet(DataConfig(), ImagingConfig(), NetworkConfig()).eval()
    inputs = _default_inputs()
    batch = torch.export.Dim("batch", min=1, max=64)
    # Empty covariates have a batch axis too.
    program = torch.export.export(
        network, tuple(inputs), dynamic_shapes=tuple({0: batch} for _ in inputs)
    ).module()
    gaps = inputs.present.clone()
    gaps[0, 1] = gaps[1, 0, 2] = False
    three = NetworkInput(
        *(torch.cat([value, value[:1]]) for value in _default_inputs(present=gaps))
    )
    with torch.no_grad():
        torch.testing.assert_close(program(*inputs), network(*inputs), atol=1e-5, rtol=0)
        torch.testing.assert_close(program(*three), network(*three), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("size", "cells", "factors"),
    [
        ((24, 24, 16), 64, (1, 1, 1)),
        ((64, 64, 48), 64, (2, 2, 2)),
        ((64, 64, 48), 100, (2, 2, 1)),
        ((24, 24, 24), 8, (1, 1, 1)),  # 3 × 3 × 3 cells: nothing can be halved
    ],
)
def test_neighbouring_cells_are_averaged_until_they_are_few_enough(size, cells, factors):
    fusion = TransformerFusionConfig(cells=cells)
    assert pooling(ImagingConfig(size=size), 8, fusion) == factors
    assert pooling(ImagingConfig(size=size), 8, GatedFusionConfig()) == (1, 1, 1)


def test_averaging_cells_is_torchs_average_pooling():
    features = torch.randn(2, 5, 4, 6, 3)
    expected = torch.nn.functional.avg_pool3d(features, (2, 3, 1))
    torch.testing.assert_close(averaged(features, (2, 3, 1)), expected)


def test_suv_alone_is_compressed_wherever_it_stands():
    scans = torch.randn(2, 1, 3, 2, 2, 2) * 3
    units = network_units(scans, (False, True, False))
    torch.testing.assert_close(units[:, :, 1], torch.log1p(scans[:, :, 1].clamp(min=0)))
    assert torch.equal(units[:, :, [0, 2]], scans[:, :, [0, 2]])
    assert torch.equal(network_units(scans, (True,) * 3)[:, :, 1], units[:, :, 1])
    assert network_units(scans, (False,) * 3) is scans
