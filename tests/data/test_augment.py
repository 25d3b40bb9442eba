"""The warp against closed forms and scipy; the randomness against what it must not depend on."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torch.nn import functional

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.augment import AugmentationParameters, apply, draw

_SIZE = (8, 10, 12)
_SPACING_MM = (4.0, 3.0, 5.0)
_IMAGING = ImagingConfig(size=_SIZE, spacing_mm=_SPACING_MM)
_STILL = AugmentationConfig(
    flip_probability=0,
    rotation_degrees=0,
    translation_mm=0,
    scale_fraction=0,
    visit_shift_mm=0,
    noise=0,
    gain_fraction=0,
    channel_dropout=0,
)
_BRANCH = torch.tensor([0, 1, 1])
_IS_SUV = torch.tensor([True, False, False])


def _only(**strengths):
    return _STILL.model_copy(update=strengths)


def _draw(config, seeds, timepoints=2):
    return draw(config, seeds, timepoints, channels=3, branches=2)


def _parameters(matrix=None, offset_mm=(0.0, 0.0, 0.0), batch=1, timepoints=2):
    matrix = torch.eye(3) if matrix is None else torch.as_tensor(matrix, dtype=torch.float32)
    still = _draw(_STILL, [0] * batch, timepoints)
    transform = torch.cat([matrix, torch.tensor(offset_mm)[:, None]], dim=1)
    return still._replace(transform=transform.expand(batch, timepoints, 3, 4).clone())


def _image(batch=1, timepoints=2, size=_SIZE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, timepoints, 3, *size, generator=generator)


def _apply(image, parameters, config=_STILL, imaging=_IMAGING, present=None):
    present = torch.ones(image.shape[:3], dtype=torch.bool) if present is None else present
    return apply(image, present, parameters, config, imaging, _BRANCH, _IS_SUV)


def _warped(image, parameters, imaging=_IMAGING):
    return _apply(image, parameters, imaging=imaging)[0]


# The warp


def test_no_strength_leaves_the_image_unchanged():
    image = _image(batch=2)
    moved, present = _apply(image, _draw(_STILL, [1, 2]))
    torch.testing.assert_close(moved, image, atol=1e-5, rtol=0)
    assert present.all()


def test_float16_comes_back_as_float32():
    moved, _ = _apply(_image().half(), _parameters())
    assert moved.dtype == torch.float32


def test_a_flip_is_torch_flip_from_left_to_right():
    image = _image(batch=3)
    moved = _warped(image, _draw(_only(flip_probability=1), [1, 2, 3]))
    torch.testing.assert_close(moved, image.flip(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("voxels", [-2, 1, 3])
def test_whole_voxels_of_translation_shift_the_array_and_repeat_its_border(axis, voxels):
    image = _image()
    offset_mm = [0.0, 0.0, 0.0]
    offset_mm[axis] = voxels * _SPACING_MM[axis]
    source = (torch.arange(_SIZE[axis]) + voxels).clamp(0, _SIZE[axis] - 1)
    moved = _warped(image, _parameters(offset_mm=offset_mm))
    torch.testing.assert_close(moved, image.index_select(3 + axis, source), atol=2e-5, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_quarter_turn_is_torch_rot90(axis):
    imaging = ImagingConfig(size=(8, 8, 8), spacing_mm=(2.0, 2.0, 2.0))
    image = _image(size=(8, 8, 8))
    plane = [3 + (axis + 1) % 3, 3 + (axis + 2) % 3]
    matrix = Rotation.from_euler("xyz"[axis], 90, degrees=True).as_matrix()
    moved = _warped(image, _parameters(matrix), imaging)
    # Looking along the turned axes turns what is seen the other way.
    torch.testing.assert_close(moved, torch.rot90(image, -1, plane), atol=2e-5, rtol=0)


def test_a_linear_ramp_is_warped_exactly():
    # Linear interpolation of a linear function is exact wherever the border is not reached.
    matrix = Rotation.from_euler("xyz", [9, -6, 4], degrees=True).as_matrix() * 0.93
    offset = np.array([1.3, -0.7, 2.1])
    slope = np.array([0.02, -0.05, 0.03])
    axes = [(np.arange(n) + 0.5 - n / 2) * mm for n, mm in zip(_SIZE, _SPACING_MM, strict=True)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    ramp = torch.tensor(places @ slope, dtype=torch.float32).expand(1, 2, 3, *_SIZE)
    looks = places @ matrix.T + offset
    inside = np.all(np.abs(looks) <= [axis[-1] for axis in axes], axis=-1)
    moved = _warped(ramp, _parameters(matrix, offset.astype(np.float32)))
    assert inside.mean() > 0.5
    np.testing.assert_allclose(moved[0, 1, 2].numpy()[inside], (looks @ slope)[inside], atol=1e-5)


def test_an_affine_warp_is_that_of_scipy():
    matrix = Rotation.from_euler("xyz", [10, 20, -15], degrees=True).as_matrix() * 1.07
    offset = np.array([2.5, -1.0, 3.0])
    image = _image()
    moved = _warped(image, _parameters(matrix, offset.astype(np.float32)))
    # The same map between voxel indices: centre and spacing are moved to the other side.
    spacing, middle = np.diag(_SPACING_MM), (np.array(_SIZE) - 1) / 2
    in_voxels = np.linalg.inv(spacing) @ matrix @ spacing
    shift = np.linalg.inv(spacing) @ offset + middle - in_voxels @ middle
    for visit, channel in ((0, 0), (1, 2)):
        expected = ndimage.affine_transform(
            image[0, visit, channel].double().numpy(), in_voxels, shift, order=1, mode="nearest"
        )
        np.testing.assert_allclose(moved[0, visit, channel].numpy(), expected, atol=2e-4)


def test_a_smooth_displacement_bends_a_ramp_by_its_own_amount():
    parameters = _draw(_only(elastic_mm=1.0), [5])
    axis = (torch.arange(_SIZE[0]) + 0.5 - _SIZE[0] / 2) * _SPACING_MM[0]
    ramp = axis[:, None, None].expand(1, 2, 3, *_SIZE)
    moved = _warped(ramp, parameters)
    displacement = functional.interpolate(
        parameters.elastic_mm, size=_SIZE, mode="trilinear", align_corners=True
    )[0, 0]
    inner = slice(1, -1)
    expected = (axis[:, None, None] + displacement).clamp(axis[0], axis[-1])
    torch.testing.assert_close(moved[0, 0, 0][inner], expected[inner], atol=1e-4, rtol=0)
    assert displacement.abs().max() > 0.5


def test_each_patient_and_visit_has_its_own_transform():
    image = _image(batch=2)
    parameters = _parameters(batch=2)
    parameters.transform[1, 0, 0, 3] = _SPACING_MM[0]
    moved = _warped(image, parameters)
    torch.testing.assert_close(moved[0], image[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[1, 1], image[1, 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[1, 0, :, :-1], image[1, 0, :, 1:], atol=1e-5, rtol=0)


# What is drawn

_ALL = AugmentationConfig(elastic_mm=2.0, channel_dropout=0.3)


def _assert_same(first: AugmentationParameters, second: AugmentationParameters):
    for one, other in zip(first[:-1], second[:-1], strict=True):
        assert torch.equal(one, other)


def test_what_is_drawn_follows_from_the_patients_seed_alone():
    torch.manual_seed(1)
    together = _draw(_ALL, [11, 12, 13])
    torch.manual_seed(2)
    for row, seed in enumerate([11, 12, 13]):
        alone = _draw(_ALL, [seed])
        _assert_same(alone, type(alone)(*(value[row : row + 1] for value in together[:-1]), seed))


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    _apply(_image(), _draw(_ALL, [1]), AugmentationConfig())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("visits", [1, 3])
def test_mirror_image_rotation_and_scale_are_shared_by_all_visits(visits):
    transform = _draw(_ALL, range(20), visits).transform
    assert torch.equal(transform[..., :3], transform[:, :1, :, :3].expand(-1, visits, -1, -1))


def test_rotation_and_scale_stay_within_their_bounds():
    config = _only(rotation_degrees=10, scale_fraction=0.08)
    matrices = _draw(config, range(300)).transform[:, 0, :, :3].double().numpy()
    scales = np.cbrt(np.linalg.det(matrices))
    angles = Rotation.from_matrix(matrices / scales[:, None, None]).as_euler("xyz", degrees=True)
    assert np.abs(angles).max() <= 10.001
    assert np.abs(angles).max(axis=0).min() > 8
    assert 0.92 <= scales.min() < 0.94
    assert 1.06 < scales.max() <= 1.08


def test_the_mirror_image_comes_as_often_as_configured():
    matrices = _draw(_only(flip_probability=0.5), range(400)).transform[:, 0, :, :3]
    share = (torch.linalg.det(matrices) < 0).double().mean()
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / 400)


@pytest.mark.parametrize(
    ("strength", "changed"),
    [
        ({"rotation_degrees": 0.0}, "transform"),
        ({"scale_fraction": 0.0}, "transform"),
        ({"flip_probability": 0.0}, "transform"),
        ({"gain_fraction": 0.0}, "gain"),
        ({"channel_dropout": 0.0}, "keep"),
        ({"elastic_mm": 0.0}, "elastic_mm"),
    ],
)
def test_changing_one_strength_changes_nothing_else(strength, changed):
    before, after = _draw(_ALL, range(8)), _draw(_ALL.model_copy(update=strength), range(8))
    for name in ("transform", "elastic_mm", "gain", "keep"):
        same = torch.equal(getattr(before, name), getattr(after, name))
        assert same == (name != changed)


# Intensities and presence


def test_a_gain_multiplies_the_channels_of_its_branch_and_visit():
    image = _image()
    parameters = _parameters()
    parameters.gain[0, 0, 1] = 1.5
    parameters.gain[0, 1, 0] = 0.5
    moved = _warped(image, parameters)
    expected = image.clone()
    expected[0, 0, 1:] *= 1.5
    expected[0, 1, 0] *= 0.5
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=1e-5)


def test_noise_has_its_size_after_the_compression_of_suv():
    imaging = ImagingConfig(size=(24, 24, 24))
    levels = torch.tensor([5.0, 5.0, -2.0])
    image = levels[:, None, None, None].expand(1, 2, 3, 24, 24, 24)
    moved, _ = _apply(image, _parameters(), _only(noise=0.05), imaging)
    network_units = torch.cat([torch.log1p(moved[:, :, :1]), moved[:, :, 1:]], dim=2)
    # 24³ voxels: the standard error of a standard deviation is below 1 %; the log bends by 0.1 %.
    torch.testing.assert_close(
        network_units.std(dim=(3, 4, 5)), torch.full((1, 2, 3), 0.05), rtol=0.03, atol=0
    )


def test_a_patient_is_augmented_alike_in_any_place_of_any_batch():
    """Order, size and company of a batch are the loader's business, not the patient's."""
    config = AugmentationConfig(elastic_mm=2.0)
    images = {seed: _image(seed=seed) for seed in (11, 12, 13)}

    def augmented(*seeds):
        image = torch.cat([images[seed] for seed in seeds])
        moved, present = _apply(image, _draw(config, seeds), config)
        return dict(zip(seeds, zip(moved, present, strict=True), strict=True))

    alone = {seed: augmented(seed)[seed] for seed in images}
    for layout in ((11, 12, 13), (13, 11, 12), (12, 13)):
        for seed, (moved, present) in augmented(*layout).items():
            torch.testing.assert_close(moved, alone[seed][0], atol=1e-5, rtol=1e-5)
            assert torch.equal(present, alone[seed][1])
    assert not torch.equal(alone[11][0] - images[11], alone[12][0] - images[12])


def test_noise_is_repeated_by_its_seed_alone():
    image, config = _image(), _only(noise=0.1)
    parameters = _parameters()
    first, _ = _apply(image, parameters, config)
    assert torch.equal(first, _apply(image, parameters, config)[0])
    assert not torch.equal(first, _apply(image, parameters._replace(noise_seeds=(9,)), config)[0])


def test_hidden_channels_are_hidden_and_absent_ones_stay_absent():
    parameters = _parameters()
    parameters.keep[0, 0] = torch.tensor([True, False, True])
    present = torch.tensor([[[True, True, False], [False, True, True]]])
    _, kept = _apply(_image(), parameters, present=present)
    assert kept.tolist() == [[[True, False, False], [False, True, True]]]


def test_nobody_loses_the_last_channel():
    parameters = _draw(_only(channel_dropout=1.0), [1, 2])
    present = torch.zeros(2, 2, 3, dtype=torch.bool)
    present[0, 1, 2] = present[1, 0, 0] = True
    _, kept = _apply(_image(batch=2), parameters, present=present)
    assert torch.equal(kept, present)


def test_nothing_given_is_changed_in_place():
    image, present = _image(), torch.ones(1, 2, 3, dtype=torch.bool)
    before = image.clone()
    _apply(image, _draw(_ALL, [1]), _ALL, present=present)
    assert torch.equal(image, before)
    assert present.all()
