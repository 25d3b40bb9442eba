"""Displacements against torch's trilinear interpolation; noise against its formula."""

import pytest
import torch
from torch.nn import functional

from pcrnet.data.random_fields import add_noise, displacement, noise_of, shares_of_nodes

_GROWS = torch.tensor([True, False, False])


def _image(patients):
    generator = torch.Generator().manual_seed(3)
    return 3.0 * torch.randn(patients, 2, 3, 8, 6, 4, generator=generator)


def test_noise_grows_with_the_channels_that_are_seen_by_their_logarithm():
    image = _image(1)
    noise = noise_of(image, [41], 0.2, _GROWS)
    numbers = noise.row[41 : 41 + image.numel()].view(image.shape)
    scale = torch.where(_GROWS[:, None, None, None], 1.0 + image.clamp(min=0.0), 1.0)
    expected = image + 0.2 * numbers * scale
    add_noise(image, noise)
    torch.testing.assert_close(image, expected, atol=1e-5, rtol=1e-5)


def test_a_patients_noise_is_the_same_in_any_place_of_any_batch():
    image = _image(3)
    together = image.clone()
    add_noise(together, noise_of(image, [1 << 61, 7, 300_001], 0.1, _GROWS))
    alone = image[2:].clone()
    add_noise(alone, noise_of(alone, [300_001], 0.1, _GROWS))
    assert torch.equal(together[2:], alone)


def test_the_numbers_are_normal_and_patients_get_others():
    image = torch.zeros(2, 2, 3, 16, 16, 16)
    add_noise(image, noise_of(image, [5, 90_000], 1.0, torch.zeros(3, dtype=torch.bool)))
    # 24,576 numbers each: standard errors are below 0.007.
    assert image.mean().abs() < 0.02
    assert (image.std() - 1).abs() < 0.02
    correlation = torch.corrcoef(image.flatten(1))[0, 1]
    assert correlation.abs() < 0.03


@pytest.mark.parametrize("size", [(8, 10, 12), (2, 3, 2), (17, 1, 5)])
@pytest.mark.parametrize("nodes", [2, 5])
def test_displacements_are_linear_between_control_points(size, nodes):
    bend = torch.randn(2, 3, nodes, nodes, nodes, generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(bend, size=size, mode="trilinear", align_corners=True)
    torch.testing.assert_close(displacement(bend, size), expected, atol=1e-5, rtol=0)


def test_a_patients_displacements_are_the_same_bits_in_any_company():
    bend = torch.randn(4, 3, 5, 5, 5, generator=torch.Generator().manual_seed(0))
    together = displacement(bend, (24, 24, 16))
    for patient in range(4):
        alone = displacement(bend[patient : patient + 1], (24, 24, 16))
        assert torch.equal(alone[0], together[patient])


def test_a_voxel_takes_of_two_control_points_at_most_and_one_in_all():
    shares = shares_of_nodes(5, 24, torch.device("cpu"))
    assert shares.shape == (24, 5)
    assert ((shares > 0).sum(dim=1) <= 2).all()
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(24))
