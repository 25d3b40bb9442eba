"""Displacements between control points, against torch's trilinear interpolation."""

import pytest
import torch
from torch.nn import functional

from pcrnet.data.bend import displacement, shares_of_nodes


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
