"""Where the crop lies."""

import numpy as np
import pytest

from pcrnet.errors import GeometryError
from pcrnet.imaging.grid import Grid
from pcrnet.imaging.lesion.framing import find_centre, mask_centre
from pcrnet.imaging.volume import Volume, canonical

_KINDS = {"pet": "suv", "dce_pre": "dce", "dce_early": "dce", "adc": "adc", "t2": "zscore"}
_SPACING = 4.0


def _space(size_mm, centre=(0.0, 0.0, 0.0)):
    shape = tuple(int(length / _SPACING) for length in size_mm)
    grid = Grid.centred(np.array(centre), (_SPACING,) * 3, shape)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return grid.affine, index * _SPACING + grid.affine[:3, 3]


def _body(size_mm, level, spots=(), body_mm=None, centre=(0.0, 0.0, 0.0)):
    """An ellipsoid of tissue with hot spots (place, radius, value)."""
    affine, place = _space(size_mm, centre)
    half = np.array(body_mm if body_mm is not None else size_mm) / 2 * 0.95
    array = np.where((((place - centre) / half) ** 2).sum(-1) < 1, level, 0.0)
    for spot, radius, value in spots:
        array[((place - spot) ** 2).sum(-1) < radius**2] = value
    return Volume(array.astype(np.float32), affine, "arbitrary")


def test_the_centre_of_a_mask_is_its_centre_of_mass_in_any_orientation():
    mask = np.zeros((10, 12, 14), np.float32)
    mask[2:4, 5:8, 9] = 2
    affine = np.diag([-2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = [10, 20, 30]
    volume = Volume(mask, affine, "label")
    np.testing.assert_allclose(mask_centre(volume), [10 - 2 * 2.5, 20 + 3 * 6, 30 + 4 * 9])
    np.testing.assert_allclose(mask_centre(canonical(volume)), mask_centre(volume))


def test_the_lesion_is_the_hottest_spot_of_the_pet():
    lesion = (40.0, 20.0, -12.0)
    pet = _body((160, 160, 120), 1.0, [(lesion, 14, 8.0), ((-40.0, 0.0, 20.0), 10, 5.0)])
    framing = find_centre({"pet": pet, "t2": _body((160, 160, 120), 50.0)}, _KINDS)
    assert framing.crop == "lesion"
    np.testing.assert_allclose(framing.centre_mm, lesion, atol=3.0)


def test_one_hot_voxel_is_noise():
    lesion = (40.0, 20.0, -12.0)
    pet = _body((160, 160, 120), 1.0, [(lesion, 14, 8.0), ((-40.0, 0.0, 20.0), 3, 25.0)])
    framing = find_centre({"pet": pet}, _KINDS)
    np.testing.assert_allclose(framing.centre_mm, lesion, atol=3.0)


def test_without_pet_the_lesion_is_what_enhances():
    lesion = (-36.0, 30.0, 8.0)
    size = (160, 160, 120)
    volumes = {
        "dce_pre": _body(size, 100.0, [((40.0, 0.0, 0.0), 14, 300.0)]),
        "dce_early": _body(size, 110.0, [((40.0, 0.0, 0.0), 14, 310.0), (lesion, 12, 250.0)]),
    }
    framing = find_centre(volumes, _KINDS)
    assert framing.crop == "lesion"
    np.testing.assert_allclose(framing.centre_mm, lesion, atol=3.0)


def test_the_heart_behind_the_breasts_is_left_out():
    lesion, heart = (60.0, 70.0, 0.0), (10.0, -40.0, 0.0)
    size = (320, 260, 160)
    pet = _body(size, 1.0, [(lesion, 12, 6.0), (heart, 35, 12.0)])
    framing = find_centre({"pet": pet, "t2": _body(size, 50.0)}, _KINDS)
    assert framing.crop == "lesion"
    np.testing.assert_allclose(framing.centre_mm, lesion, atol=3.0)


def test_a_flat_mr_does_not_hide_how_deep_the_pet_is():
    lesion, heart = (60.0, 70.0, 0.0), (10.0, 5.0, 0.0)
    pet = _body((320, 260, 160), 1.0, [(lesion, 12, 6.0), ((10.0, -40.0, 0.0), 60, 12.0)])
    breast_mr = _body((320, 160, 160), 80.0, centre=(0.0, 50.0, 0.0))
    assert np.linalg.norm(np.subtract(heart, (10.0, -40.0, 0.0))) < 60  # it reaches the MR's field
    framing = find_centre({"pet": pet, "t2": breast_mr}, _KINDS)
    np.testing.assert_allclose(framing.centre_mm, lesion, atol=3.0)
    assert framing.rival == 0.0


def test_phases_in_another_order_are_subtracted_alike():
    lesion, size = (-36.0, 30.0, 8.0), (160, 160, 120)
    pre = _body(size, 100.0)
    early = _body(size, 110.0, [(lesion, 12, 250.0)])
    framing = find_centre({"dce_early": early, "dce_pre": pre}, _KINDS)
    np.testing.assert_allclose(framing.centre_mm, lesion, atol=3.0)


def test_brain_and_bladder_of_a_whole_body_scan_are_left_out():
    lesion = (60.0, 60.0, 120.0)
    brain, bladder = (0.0, 10.0, 380.0), (0.0, 20.0, -330.0)
    spots = [(lesion, 12, 6.0), (brain, 50, 14.0), (bladder, 40, 60.0)]
    pet = _body((320, 240, 920), 1.0, spots)
    framing = find_centre({"pet": pet}, _KINDS)
    assert framing.crop == "lesion"
    np.testing.assert_allclose(framing.centre_mm, lesion, atol=3.0)


def test_the_field_of_the_mr_narrows_a_whole_body_pet():
    lesion = (60.0, 60.0, 60.0)
    pet = _body((320, 240, 920), 1.0, [(lesion, 12, 6.0), ((0.0, 10.0, 200.0), 30, 14.0)])
    mr = _body((300, 220, 160), 80.0, centre=(0.0, 0.0, 60.0))
    framing = find_centre({"pet": pet, "t2": mr}, _KINDS)
    np.testing.assert_allclose(framing.centre_mm, lesion, atol=3.0)


@pytest.mark.parametrize("channel", ["t2", "dce_pre", "adc"])
def test_without_a_lesion_signal_the_crop_lies_on_the_body(channel):
    scan = _body((200, 200, 160), 100.0, body_mm=(80, 80, 80), centre=(30.0, -10.0, 5.0))
    framing = find_centre({channel: scan}, _KINDS)
    assert framing.crop == "body"
    np.testing.assert_allclose(framing.centre_mm, (30.0, -10.0, 5.0), atol=3.0)


def test_without_enhancement_the_crop_lies_on_the_body():
    volumes = {"dce_pre": _body((120, 120, 120), 100.0), "dce_early": _body((120, 120, 120), 90.0)}
    framing = find_centre(volumes, _KINDS)
    assert framing.crop == "body"
    np.testing.assert_allclose(framing.centre_mm, 0.0, atol=3.0)


def test_a_field_without_any_body_is_cropped_at_its_middle():
    cold = _body((120, 120, 120), 0.01, centre=(10.0, 20.0, 30.0))
    framing = find_centre({"pet": cold}, _KINDS)
    np.testing.assert_allclose(framing.centre_mm, (10.0, 20.0, 30.0), atol=3.0)


def test_scans_of_one_visit_must_overlap():
    volumes = {
        "pet": _body((100, 100, 100), 1.0),
        "t2": _body((100, 100, 100), 50.0, centre=(300.0, 0.0, 0.0)),
    }
    with pytest.raises(GeometryError, match="do not overlap"):
        find_centre(volumes, _KINDS)


def test_on_real_scans_the_lesion_is_found_without_its_mask(test_data):
    """Sarcomas, not breasts: the hottest spot is the tumour in most of them."""
    from pcrnet.imaging import read_volume

    near = 0
    for case in ("STS_003", "STS_008", "STS_019", "STS_024", "STS_025", "STS_032"):
        folder = test_data / "sts_petmr_cohort" / case
        volumes = {
            "pet": read_volume(folder / "PET_image.nii.gz", "pet"),
            "t2": read_volume(folder / "MR_T1_image.nii.gz", "t2"),
        }
        truth = mask_centre(read_volume(folder / "MR_T1_mask.nii.gz", "mask"))
        near += np.linalg.norm(find_centre(volumes, _KINDS).centre_mm - truth) < 10.0
    assert near == 6
