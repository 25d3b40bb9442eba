"""Intensity summaries are numpy's, on the absolute scale, and know what is absent."""

import numpy as np
import pytest
import torch

from pcrnet.config.imaging import ImagingConfig
from pcrnet.models.dual_branch.summary import QUANTITIES, IntensitySummary, lesion_voxels, measure

_IMAGING = ImagingConfig(size=(16, 20, 24), spacing_mm=(5.0, 4.0, 5.0))


def test_the_lesion_region_is_a_sphere_of_30_mm():
    lesion = torch.zeros(_IMAGING.size, dtype=torch.bool)
    lesion.view(-1)[lesion_voxels(_IMAGING)] = True
    volume = float(lesion.sum()) * 5 * 4 * 5
    assert volume == pytest.approx(4 / 3 * np.pi * 30**3, rel=0.05)
    for axis in range(3):
        assert torch.equal(lesion, lesion.flip(axis))


def test_voxels_larger_than_the_lesion_leave_one_shell_of_them():
    lesion = lesion_voxels(ImagingConfig(size=(4, 4, 4), spacing_mm=(60.0, 60.0, 60.0)))
    assert len(lesion) == 8


def test_quantities_are_mean_spread_and_maximum_of_numpy():
    image = torch.randn(2, 2, 3, *_IMAGING.size, dtype=torch.float64)
    lesion = lesion_voxels(_IMAGING)
    found = measure(image, lesion)
    assert found.shape == (2, 2, 3, QUANTITIES)
    everywhere = image.numpy().reshape(2, 2, 3, -1)
    for index, voxels in enumerate((everywhere[..., lesion.numpy()], everywhere)):
        expected = [voxels.mean(-1), voxels.std(-1), voxels.max(-1)]
        np.testing.assert_allclose(
            found[..., 3 * index : 3 * index + 3], np.stack(expected, -1), rtol=1e-6
        )


def test_quantities_scale_with_the_image():
    image = torch.rand(1, 1, 1, *_IMAGING.size)
    lesion = lesion_voxels(_IMAGING)
    torch.testing.assert_close(measure(2.5 * image, lesion), 2.5 * measure(image, lesion))


def test_its_gradient_is_that_of_what_it_measures():
    imaging = ImagingConfig(size=(3, 2, 2), spacing_mm=(8, 8, 8))
    image = torch.rand(1, 1, 1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: measure(values, lesion_voxels(imaging)), image)


def test_a_flat_scan_has_a_gradient_too():
    image = torch.zeros(1, 1, 1, *_IMAGING.size, requires_grad=True)
    measure(image, lesion_voxels(_IMAGING)).sum().backward()
    assert bool(torch.isfinite(image.grad).all())


def test_a_change_needs_the_channel_at_both_visits():
    summary = IntensitySummary(channels=2, timepoints=3, width=8)
    present = torch.tensor([[[True, True], [False, True], [False, False]]])
    tokens, known = summary(torch.rand(1, 3, 2, QUANTITIES), present)
    assert tokens.shape == (1, 5, 8)
    # Levels of three visits, then the changes to the second and to the third.
    assert known.tolist() == [[True, True, False, True, False]]


def test_what_is_absent_is_never_looked_at():
    summary = IntensitySummary(channels=2, timepoints=2, width=8)
    measured = torch.rand(1, 2, 2, QUANTITIES)
    present = torch.tensor([[[True, False], [True, True]]])
    tokens, _ = summary(measured, present)
    measured[0, 0, 1] = torch.nan
    torch.testing.assert_close(summary(measured, present)[0], tokens, rtol=0, atol=0)


def test_equal_visits_have_no_change():
    summary = IntensitySummary(channels=1, timepoints=2, width=4)
    present = torch.ones(2, 2, 1, dtype=torch.bool)
    same = torch.rand(2, 1, 1, QUANTITIES).expand(-1, 2, -1, -1)
    tokens, _ = summary(same, present)
    assert torch.equal(tokens[0, 2], tokens[1, 2])
    assert not torch.equal(tokens[0, 0], tokens[1, 0])


def test_one_timepoint_has_no_change():
    tokens, known = IntensitySummary(2, 1, 8)(
        torch.rand(3, 1, 2, QUANTITIES), torch.ones(3, 1, 2, dtype=torch.bool)
    )
    assert tokens.shape == (3, 1, 8)
    assert known.shape == (3, 1)
