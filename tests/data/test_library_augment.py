"""Transforms of TorchIO and MONAI: the guarantees of the fused warp hold of them."""

import pytest
import torch

from pcrnet.config.augmentation import (
    MonaiAugmentation,
    MonaiName,
    TorchioAugmentation,
    TorchioName,
)
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.layers import load_experiment
from pcrnet.data.library_augment import LibraryAugmenter, library_augmenter, nothing_varied
from pcrnet.errors import ConfigError

_SIZE = (10, 12, 8)
_IMAGING = ImagingConfig(size=_SIZE, spacing_mm=(4.0, 3.0, 5.0))
_DATA = DataConfig(
    timepoints=("baseline", "interim"),
    branches={"pet": ("pet",), "mri": ("dce_pre", "dce_early", "t2", "adc")},
)
_PET, _PRE, _EARLY, _T2, _ADC = range(5)
_PRESENT = torch.ones(2, 5, dtype=torch.bool)
_KINDS = {"torchio": TorchioAugmentation, "monai": MonaiAugmentation}
_SPACE = {
    "torchio": [
        {"name": "RandomFlip", "arguments": {"axes": [0], "flip_probability": 0.5}},
        {"name": "RandomAffine", "arguments": {"degrees": 20, "translation": 4}},
        {"name": "RandomElasticDeformation", "arguments": {"max_displacement": 3}},
    ],
    "monai": [
        {"name": "RandFlip", "arguments": {"prob": 0.5, "spatial_axis": 0}},
        {
            "name": "RandAffine",
            "arguments": {"prob": 1.0, "rotate_range": [0.3, 0.3, 0.3], "padding_mode": "border"},
        },
        {"name": "RandZoom", "arguments": {"prob": 1.0}},
    ],
}
_INTENSITY = {
    "torchio": [
        {"name": "RandomGamma", "arguments": {"log_gamma": [0.2, 0.4]}},
        {"name": "RandomBiasField"},
        {"name": "RandomNoise", "channels": ["pet"]},
    ],
    "monai": [
        {"name": "RandAdjustContrast", "arguments": {"prob": 1.0, "gamma": [1.5, 2.0]}},
        {"name": "RandBiasField", "arguments": {"prob": 1.0}},
        {"name": "RandGaussianNoise", "arguments": {"prob": 1.0}, "channels": ["pet"]},
    ],
}


def _augmenter(kind, transforms, **more):
    config = _KINDS[kind].model_validate({"transforms": transforms, "channel_dropout": 0.0, **more})
    return LibraryAugmenter(config, _DATA, _IMAGING)


def _image(seed=0):
    return torch.rand(2, 5, *_SIZE, generator=torch.Generator().manual_seed(seed)) + 0.5


@pytest.mark.parametrize("kind", _KINDS)
def test_all_scans_of_a_patient_move_alike_and_the_mask_with_them(kind):
    one = torch.zeros(_SIZE)
    one[2:7, 3:9, 2:6] = 1.0
    image = one.expand(2, 5, *_SIZE).clone()
    changed, present, mask = _augmenter(kind, _SPACE[kind])(image, _PRESENT, 3, one.to(torch.uint8))
    assert torch.equal(present, _PRESENT)
    assert not torch.allclose(changed[0, 0], one, atol=0.1)
    for visit in range(2):
        for channel in range(5):
            torch.testing.assert_close(changed[visit, channel], changed[0, 0], atol=1e-4, rtol=0)
    assert mask.dtype == torch.uint8
    assert set(mask.unique().tolist()) == {0, 1}
    overlap = ((changed[0, 0] > 0.5) == mask.bool()).double().mean()
    assert overlap > 0.93  # linear against nearest neighbour


@pytest.mark.parametrize("kind", _KINDS)
def test_what_has_a_meaning_in_absolute_numbers_keeps_it(kind):
    image = _image()
    changed, _, _ = _augmenter(kind, _INTENSITY[kind][:2])(image, _PRESENT, 5)
    assert torch.equal(changed[:, [_PET, _ADC]], image[:, [_PET, _ADC]])
    for visit in range(2):
        assert not torch.allclose(changed[visit, _T2], image[visit, _T2])
        before, after = (
            (one[visit, _EARLY] - one[visit, _PRE]) / one[visit, _PRE] for one in (image, changed)
        )
        torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", _KINDS)
def test_named_channels_alone_are_changed(kind):
    image = _image()
    changed, _, _ = _augmenter(kind, _INTENSITY[kind][2:])(image, _PRESENT, 5)
    assert torch.equal(changed[:, 1:], image[:, 1:])
    assert not torch.allclose(changed[:, _PET], image[:, _PET])


@pytest.mark.parametrize("kind", _KINDS)
def test_random_numbers_follow_from_the_seed_alone(kind):
    augment = _augmenter(kind, [*_SPACE[kind], *_INTENSITY[kind]])
    image = _image()
    torch.manual_seed(1)
    first = augment(image, _PRESENT, 7)[0]
    state = torch.get_rng_state()
    augment(_image(1), _PRESENT, 8)
    again = augment(image, _PRESENT, 7)[0]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert torch.equal(
        first, _augmenter(kind, [*_SPACE[kind], *_INTENSITY[kind]])(image, _PRESENT, 7)[0]
    )
    assert not torch.allclose(first, augment(image, _PRESENT, 8)[0])
    assert first.dtype == torch.float32


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_absent_is_left_alone_and_nobody_loses_the_last_channel(kind):
    image, present = _image(), torch.zeros(2, 5, dtype=torch.bool)
    image[0, _T2] = torch.nan
    present[1, _ADC] = True
    augment = _augmenter(kind, _SPACE[kind][1:2], channel_dropout=1.0)
    changed, kept, _ = augment(image, present, 3)
    assert torch.equal(kept, present)
    assert torch.equal(changed[0, _PET], image[0, _PET])
    assert not torch.allclose(changed[1, _ADC], image[1, _ADC])


def test_channels_are_hidden_as_often_as_asked():
    augment = _augmenter("monai", [], channel_dropout=0.3)
    image = _image()
    shares = [augment(image, _PRESENT, seed)[1].double().mean() for seed in range(200)]
    assert abs(torch.stack(shares).mean() - 0.7) < 0.05


@pytest.mark.parametrize("name", TorchioName.__args__)
def test_every_torchio_transform_of_the_list_keeps_the_grid(name):
    changed, _, _ = _augmenter("torchio", [{"name": name}])(_image(), _PRESENT, 2)
    assert changed.shape == (2, 5, *_SIZE)
    assert torch.isfinite(changed).all()


_NEEDED = {
    "RandAffine": {"rotate_range": [0.5, 0.5, 0.5], "prob": 1.0},
    "Rand3DElastic": {"sigma_range": [1, 2], "magnitude_range": [1, 3], "prob": 1.0},
    "RandCoarseDropout": {"holes": 2, "spatial_size": 2, "prob": 1.0},
    "RandScaleIntensity": {"factors": 0.1, "prob": 1.0},
    "RandShiftIntensity": {"offsets": 0.1, "prob": 1.0},
    "RandKSpaceSpikeNoise": {"prob": 1.0},
}


@pytest.mark.parametrize("name", MonaiName.__args__)
def test_every_monai_transform_of_the_list_keeps_the_grid(name):
    arguments = _NEEDED.get(name, {"prob": 1.0})
    changed, _, _ = _augmenter("monai", [{"name": name, "arguments": arguments}])(
        _image(), _PRESENT, 2
    )
    assert changed.shape == (2, 5, *_SIZE)
    assert torch.isfinite(changed).all()
    assert not torch.equal(changed, _image())


@pytest.mark.parametrize(
    ("kind", "transform", "reason"),
    [
        ("torchio", {"name": "RandomGamma", "channels": ["pet"]}, "numbers of pet mean"),
        ("torchio", {"name": "RandomGamma", "channels": ["dce_early"]}, "numbers of dce_early"),
        ("torchio", {"name": "RandomMotion", "channels": ["adc"]}, "numbers of adc mean"),
        ("torchio", {"name": "RandomNoise", "channels": ["t1"]}, "no channel t1"),
        ("torchio", {"name": "RandomFlip", "channels": ["t2"]}, "moves all scans"),
        ("torchio", {"name": "RandomNoise", "arguments": {"standard": 1}}, "does not take these"),
        ("torchio", {"name": "RandomAffine", "arguments": {"include": ["x"]}}, "not given include"),
        ("monai", {"name": "RandShiftIntensity", "channels": ["pet"]}, "numbers of pet mean"),
        ("monai", {"name": "RandAffine", "arguments": {"rotate": 1}}, "does not take these"),
        ("monai", {"name": "RandAffine", "arguments": {"device": "cuda"}}, "not given device"),
        ("monai", {"name": "RandAffine", "arguments": {"prob": 5}}, "which is a probability"),
        ("torchio", {"name": "RandomFlip", "arguments": {"p": -0.5}}, "which is a probability"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(kind, transform, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        _augmenter(
            kind, [{"name": "RandFlip"} if kind == "monai" else {"name": "RandomFlip"}, transform]
        )
    assert caught.value.field.startswith("augmentation.transforms[1]")


def test_a_class_that_is_not_on_the_list_is_refused_by_the_configuration():
    with pytest.raises(ConfigError, match=r"augmentation\.transforms"):
        load_experiment(["augmentation={kind: torchio, transforms: [{name: Lambda}]}"])


def test_the_fused_warp_needs_no_library():
    experiment = load_experiment([])
    assert library_augmenter(experiment.augmentation, experiment.data, experiment.imaging) is None
    off = MonaiAugmentation(enabled=False)
    assert library_augmenter(off, experiment.data, experiment.imaging) is None


@pytest.mark.parametrize("kind", ["torchio", "monai"])
def test_a_library_without_transforms_varies_no_image_and_that_is_said(kind):
    config = _KINDS[kind](channel_dropout=0.25)
    image = torch.rand(2, 5, *_SIZE)
    moved, _, _ = LibraryAugmenter(config, _DATA, _IMAGING)(image, _PRESENT, 1)
    assert torch.equal(moved, image)
    said = nothing_varied(config)
    assert said is not None
    assert f"augmentation.kind={kind} varies no image" in said
    assert "25%" in said


def test_images_that_are_varied_or_are_not_to_be_are_not_spoken_of():
    named = {"transforms": [{"name": "RandomNoise"}]}
    assert nothing_varied(TorchioAugmentation.model_validate(named)) is None
    assert nothing_varied(TorchioAugmentation(enabled=False)) is None
    assert nothing_varied(load_experiment([]).augmentation) is None
