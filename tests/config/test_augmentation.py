"""Settings of augmentation: names that their library knows, ranges, and numbers that stay."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from pcrnet.config.augmentation import (
    AnyAugmentation,
    AugmentationConfig,
    MonaiAugmentation,
    MonaiName,
    MonaiTransform,
    TorchioAugmentation,
    TorchioName,
)


@pytest.mark.parametrize("name", get_args(TorchioName))
def test_torchio_has_every_transform_that_is_offered(name):
    import torchio

    assert issubclass(getattr(torchio, name), torchio.transforms.augmentation.RandomTransform)


@pytest.mark.parametrize("name", get_args(MonaiName))
def test_monai_has_every_transform_that_is_offered_and_it_is_random(name):
    from monai import transforms

    assert issubclass(getattr(transforms, name), transforms.RandomizableTransform)


@pytest.mark.parametrize(
    ("kind", "of"),
    [("fused", AugmentationConfig), ("torchio", TorchioAugmentation), ("monai", MonaiAugmentation)],
)
def test_the_kind_says_which_settings_are_meant_and_they_are_read_back(kind, of):
    reader = TypeAdapter(AnyAugmentation)
    found = reader.validate_python({"kind": kind})
    assert type(found) is of
    assert reader.validate_python(found.model_dump(mode="json")) == found


def test_a_setting_of_another_kind_is_refused():
    with pytest.raises(ValidationError, match="rotation_degrees"):
        TypeAdapter(AnyAugmentation).validate_python({"kind": "monai", "rotation_degrees": 5.0})


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip_probability": 1.01},
        {"rotation_degrees": -1.0},
        {"scale_fraction": 0.5},
        {"coarsening": 0.9},
        {"gibbs": 1.0},
        {"noise": float("nan")},
    ],
)
def test_what_no_image_could_stand_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AugmentationConfig(**wrong)


def test_arguments_of_a_transform_stay_the_plain_data_that_they_are():
    arguments = {"prob": 0.5, "range_x": [[-0.1, 0.1], 0.2], "mode": "nearest", "lazy": False}
    found = MonaiTransform(name="RandAffine", arguments=arguments).arguments
    assert found == {**arguments, "range_x": ((-0.1, 0.1), 0.2)}
    assert type(found["lazy"]) is bool
    with pytest.raises(ValidationError, match="arguments"):
        MonaiTransform(name="RandAffine", arguments={"prob": {"a": 1}})
    with pytest.raises(ValidationError, match="name"):
        MonaiTransform(name="RandCropByPosNegLabel")
