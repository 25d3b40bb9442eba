"""The gathered warp against torch's own sampling, whatever the size and the chunks."""

import pytest
import torch
from torch.nn import functional

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data import warp as module
from pcrnet.data.augment import draw
from pcrnet.data.warp import warp


@pytest.fixture(autouse=True, params=["compiled", "operations"])
def _way(request, monkeypatch):
    """Every test is one of both: the first is the second where nothing can be compiled."""
    if request.param == "operations":
        monkeypatch.setattr(module, "compiled_warp", lambda: None)


_STRONG = AugmentationConfig(rotation_degrees=40, translation_mm=30, elastic_mm=4, visit_shift_mm=9)


def _by_torch(image, transform, elastic_mm, imaging):
    """grid_sample at places in millimetres, as its documentation describes them."""
    axes = [
        (torch.arange(n) + 0.5 - n / 2) * mm
        for n, mm in zip(imaging.size, imaging.spacing_mm, strict=True)
    ]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).double()
    matrix, offset = transform.double()[..., :3], transform.double()[..., 3]
    looks = torch.einsum("btij,xyzj->btxyzi", matrix, places) + offset[:, :, None, None, None]
    if elastic_mm.shape[-1]:
        bend = functional.interpolate(
            elastic_mm.double(), size=imaging.size, mode="trilinear", align_corners=True
        )
        looks = looks + bend.movedim(1, -1)[:, None]
    extent = torch.tensor(imaging.size).double() * torch.tensor(imaging.spacing_mm)
    unit = (looks / (extent / 2)).flip(-1).flatten(0, 1)
    sampled = functional.grid_sample(
        image.double().flatten(0, 1), unit, padding_mode="border", align_corners=False
    )
    return sampled.unflatten(0, image.shape[:2]).float()


@pytest.mark.parametrize("elastic", [0.0, 4.0])
@pytest.mark.parametrize(
    ("size", "timepoints", "channels"),
    [((8, 10, 12), 2, 3), ((2, 3, 2), 1, 1), ((5, 4, 7), 3, 6), ((1, 6, 4), 2, 2)],
)
def test_a_warp_is_torchs_grid_sample(size, timepoints, channels, elastic):
    imaging = ImagingConfig(size=size, spacing_mm=(4.0, 3.0, 5.0))
    config = _STRONG.model_copy(update={"elastic_mm": elastic})
    drawn = draw(config, [3, 4, 5], timepoints, channels, 1)
    image = torch.randn(3, timepoints, channels, *size).half()
    expected = _by_torch(image, drawn.transform, drawn.elastic_mm, imaging)
    moved = warp(image, drawn.transform, drawn.elastic_mm, imaging)
    torch.testing.assert_close(moved, expected, atol=2e-4, rtol=0)
    assert moved.is_contiguous()


def test_how_many_visits_are_warped_at_once_changes_no_bit(monkeypatch):
    imaging = ImagingConfig(size=(8, 10, 12), spacing_mm=(4.0, 3.0, 5.0))
    drawn = draw(_STRONG, range(4), 2, 3, 1)
    image = torch.randn(4, 2, 3, 8, 10, 12)
    at_once = warp(image, drawn.transform, drawn.elastic_mm, imaging)
    monkeypatch.setattr(module, "_VOXELS_AT_ONCE", 3 * 960)
    assert torch.equal(warp(image, drawn.transform, drawn.elastic_mm, imaging), at_once)


def test_what_a_channel_lacks_stays_in_that_channel():
    imaging = ImagingConfig(size=(6, 6, 6), spacing_mm=(4.0, 4.0, 4.0))
    drawn = draw(_STRONG, [1], 2, 3, 1)
    image = torch.randn(1, 2, 3, 6, 6, 6)
    clean = warp(image, drawn.transform, drawn.elastic_mm, imaging)
    image[0, 1, 2] = torch.nan
    moved = warp(image, drawn.transform, drawn.elastic_mm, imaging)
    assert torch.isnan(moved[0, 1, 2]).all()
    assert torch.equal(moved[0, 0], clean[0, 0])
    assert torch.equal(moved[0, 1, :2], clean[0, 1, :2])
