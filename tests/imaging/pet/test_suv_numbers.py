"""Units mistaken by a factor that leaves no doubt are corrected and noted, others refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydicom import Dataset

from pcrnet.errors import MissingTagError, UnitError
from pcrnet.imaging.dicom.groups import FrameGroups
from pcrnet.imaging.pet.suv_numbers import (
    positive,
    read_dose_bq,
    read_half_life_s,
    read_height_m,
    read_weight_kg,
)
from pcrnet.imaging.pet.suv_tags import SuvTags


@pytest.fixture
def tags(make_slice: Callable[..., Dataset]) -> SuvTags:
    return SuvTags.from_groups([FrameGroups(make_slice(0, "PT"))])


@pytest.mark.parametrize(("dose", "bq"), [(368.08, 368.08e6), (3.68e8, 3.68e8), (30.0, 30e6)])
def test_doses_are_in_bq_or_surely_in_mbq(tags: SuvTags, dose: float, bq: float) -> None:
    quantity = read_dose_bq(replace(tags, dose=dose))
    assert quantity.value == pytest.approx(bq)
    assert bool(quantity.note) == (dose != bq)


@pytest.mark.parametrize("dose", [10.0, 29.9, 6_000.0, 368_080.0, 1e12, -3.0])
def test_doses_that_could_be_mci_or_kbq_are_refused(tags: SuvTags, dose: float) -> None:
    with pytest.raises(UnitError) as caught:
        read_dose_bq(replace(tags, dose=dose))
    assert caught.value.field == "RadionuclideTotalDose"


@pytest.mark.parametrize(
    ("dose", "bq"), [(25.0, 25e6), (368.08, 368.08e6), (1.1e4, 1.1e10), (3.68e8, 3.68e8)]
)
def test_doses_of_enhanced_objects_are_in_mbq_or_surely_in_bq(
    tags: SuvTags, dose: float, bq: float
) -> None:
    quantity = read_dose_bq(replace(tags, dose=dose, dose_unit="MBq"))
    assert quantity.value == pytest.approx(bq)
    assert bool(quantity.note) == (dose == bq)


@pytest.mark.parametrize("dose", [0.3, 368_080.0, 1e12])
def test_doses_of_enhanced_objects_in_any_other_unit_are_refused(
    tags: SuvTags, dose: float
) -> None:
    with pytest.raises(UnitError, match="MBq"):
        read_dose_bq(replace(tags, dose=dose, dose_unit="MBq"))


def test_weight_in_grams_and_height_in_centimetres_are_noted(tags: SuvTags) -> None:
    weight = read_weight_kg(replace(tags, weight=64_500.0))
    height = read_height_m(replace(tags, size=172.0))
    assert (weight.value, height.value) == (64.5, 1.72)
    assert "grams" in weight.note
    assert "centimetres" in height.note


@pytest.mark.parametrize(
    ("weight", "noted"), [(7.0, True), (24.9, True), (25.0, False), (160.0, False)]
)
def test_a_weight_that_no_adult_has_is_noted(tags: SuvTags, weight: float, noted: bool) -> None:
    """A digit that is lost makes every SUV ten times too low, and looks like a cold scan."""
    read = read_weight_kg(replace(tags, weight=weight))
    assert read.value == weight
    assert ("no adult" in read.note) == noted


@pytest.mark.parametrize(("weight", "size"), [(0.5, 9.0), (850.0, 2.9)])
def test_impossible_bodies_are_refused(tags: SuvTags, weight: float, size: float) -> None:
    impossible = replace(tags, weight=weight, size=size)
    with pytest.raises(UnitError, match="PatientWeight"):
        read_weight_kg(impossible)
    with pytest.raises(UnitError, match="PatientSize"):
        read_height_m(impossible)


def test_a_number_that_is_absent_is_named(tags: SuvTags) -> None:
    with pytest.raises(MissingTagError, match="RadionuclideHalfLife"):
        read_half_life_s(replace(tags, half_life_s=None))
    with pytest.raises(UnitError, match="positive"):
        positive(0.0, "ActualFrameDuration")
