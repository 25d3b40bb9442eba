"""Enhanced and legacy converted multi-frame objects hold what the classic series holds."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import (
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)
from scipy.integrate import quad

from pcrnet.errors import MissingTagError, PhaseError, TracerError, UnitError
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.scan import Scan

MakeSlice = Callable[..., Dataset]
MakeEnhanced = Callable[..., Dataset]
SaveSeries = Callable[..., Path]

HALF_LIFE_S = 6586.2
DECAYED = 70e3 / (350e6 * 0.5 ** (3600 / HALF_LIFE_S))
"""SUV per Bq/mL of the slices that make_slice builds: 70 kg, 350 MBq, one hour."""


def pet_slices(make_slice: MakeSlice, order: tuple[int, ...] = (2, 0, 3, 1), **tags: Any) -> list:
    """Slices whose scales differ, stored in no order."""
    return [make_slice(k, "PT", RescaleSlope=2.0 + k, **tags) for k in order]


def with_map(enhanced: Dataset, unit: str, slope: float) -> Dataset:
    """A further mapping of stored values, the first of each frame."""
    code = Dataset()
    setattr(code, "CodeValue" if len(unit) <= 16 else "LongCodeValue", unit)
    for group in enhanced.PerFrameFunctionalGroupsSequence:
        further = Dataset()
        further.RealWorldValueSlope, further.RealWorldValueIntercept = slope, 0.0
        further.MeasurementUnitsCodeSequence = [code]
        group.RealWorldValueMappingSequence.insert(0, further)
    return enhanced


def suv_of(folder: Path) -> Scan:
    return read_dicom_series(folder, "suv", channel="pet")


@pytest.mark.parametrize("tags", [{}, {"DecayCorrection": "NONE"}])
def test_an_enhanced_pet_has_the_suv_and_place_of_its_classic_series(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries, tags: dict
) -> None:
    slices = pet_slices(make_slice, **tags)
    classic = suv_of(save_series(slices, "classic")).volume
    enhanced = suv_of(save_series([make_enhanced(slices)], "enhanced")).volume
    assert enhanced.unit == classic.unit == "SUVbw"
    assert np.array_equal(enhanced.affine, classic.affine)
    assert np.allclose(enhanced.array, classic.array, rtol=1e-6)


def test_an_enhanced_pet_has_the_suv_of_the_closed_form(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    read = suv_of(save_series([make_enhanced(pet_slices(make_slice))]))
    stored = np.arange(24).reshape(4, 6).T
    for k in range(4):
        expected = (stored + 100 * k) * (2.0 + k) * DECAYED
        assert np.allclose(read.volume.array[:, :, k], expected, rtol=1e-6), k
    assert read.provenance.reference_time == "DecayCorrectionDateTime"
    assert "RealWorldValueSlope" in read.provenance.formula
    assert dict(read.provenance.numbers)["RadionuclideTotalDose"] == pytest.approx(350e6)


def test_the_stated_moment_is_the_decay_reference_whatever_the_frames_say(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    """Corrected to injection: what classic objects call ADMIN."""
    enhanced = make_enhanced(pet_slices(make_slice), DecayCorrectionDateTime="20240102090000")
    array = suv_of(save_series([enhanced])).volume.array
    assert array[0, 0, 1] == pytest.approx(100 * 3.0 * 70e3 / 350e6)


def test_undecayed_frames_are_corrected_by_their_own_times(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    slices = [
        make_slice(k, "PT", DecayCorrection="NONE", AcquisitionTime=time, pixels=np.full((4, 6), 9))
        for k, time in enumerate(("100000", "101000"))
    ]
    array = suv_of(save_series([make_enhanced(slices)])).volume.array
    rate = np.log(2) / HALF_LIFE_S
    for k, begin in enumerate((3600.0, 4200.0)):
        mean = quad(lambda t: np.exp(-rate * t), begin, begin + 300.0)[0] / 300.0
        assert array[0, 0, k] == pytest.approx(9 * 70e3 / 350e6 / mean, rel=1e-6)


def test_the_stated_moment_of_an_undecayed_frame_is_used(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    enhanced = make_enhanced(pet_slices(make_slice, DecayCorrection="NONE"))
    for group in enhanced.PerFrameFunctionalGroupsSequence:
        (content,) = group.FrameContentSequence
        content.FrameReferenceDateTime = "20240102110000"
        del content.FrameAcquisitionDateTime, content.FrameAcquisitionDuration
    array = suv_of(save_series([enhanced])).volume.array
    expected = 100 * 3.0 * 70e3 / 350e6 * 2 ** (7200 / HALF_LIFE_S)
    assert array[0, 0, 1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("unit", "slope", "expected"),
    [
        ("g/ml{SUVbw}", 0.5, 3.0 * DECAYED),  # the mapping to activity is used
        ("{counts}", 7.0, 3.0 * DECAYED),
    ],
)
def test_of_several_mappings_that_to_activity_is_used(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries,
    unit: str, slope: float, expected: float,
) -> None:  # fmt: skip
    enhanced = with_map(make_enhanced(pet_slices(make_slice)), unit, slope)
    array = suv_of(save_series([enhanced])).volume.array
    assert array[0, 0, 1] == pytest.approx(100 * expected)


@pytest.mark.parametrize(
    ("unit", "per_unit"),
    [
        ("g/ml{SUVbw}", 1.0),
        ("g/ml{SUVlbm(James128)}", 70 / (74.9 - 148 * 0.16)),
        ("cm2/ml{SUVbsa}", 70e3 / (71.84 * 175**0.725 * 70**0.425)),
    ],
)
def test_a_mapping_to_an_suv_is_brought_to_body_weight(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries,
    unit: str, per_unit: float,
) -> None:  # fmt: skip
    enhanced = with_map(make_enhanced(pet_slices(make_slice)), unit, 0.5)
    for group in enhanced.PerFrameFunctionalGroupsSequence:
        del group.RealWorldValueMappingSequence[1]
    array = suv_of(save_series([enhanced])).volume.array
    assert array[0, 0, 1] == pytest.approx(100 * 0.5 * per_unit)


def test_frames_normalised_in_different_ways_are_refused(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    enhanced = with_map(make_enhanced(pet_slices(make_slice)), "g/ml{SUVbw}", 0.5)
    for group in enhanced.PerFrameFunctionalGroupsSequence:
        group.RealWorldValueMappingSequence = [deepcopy(group.RealWorldValueMappingSequence[0])]
    (last,) = enhanced.PerFrameFunctionalGroupsSequence[-1].RealWorldValueMappingSequence
    last.MeasurementUnitsCodeSequence[0].CodeValue = "g/ml{SUVlbm}"
    with pytest.raises(UnitError, match="differ in Units"):
        suv_of(save_series([enhanced]))


def test_of_several_tracers_the_one_that_the_frames_used_counts(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    enhanced = make_enhanced(pet_slices(make_slice))
    (used,) = enhanced.RadiopharmaceuticalInformationSequence
    other = deepcopy(used)
    other.RadiopharmaceuticalAgentNumber, other.RadionuclideTotalDose = 2, 100.0
    enhanced.RadiopharmaceuticalInformationSequence = [other, used]
    with pytest.raises(UnitError, match="2 injections"):
        suv_of(save_series([enhanced], "unsaid"))
    usage = Dataset()
    usage.RadiopharmaceuticalAgentNumber = 1
    (shared,) = enhanced.SharedFunctionalGroupsSequence
    shared.RadiopharmaceuticalUsageSequence = [usage]
    array = suv_of(save_series([enhanced], "said")).volume.array
    assert array[0, 0, 1] == pytest.approx(100 * 3.0 * DECAYED)


def test_a_dose_in_becquerel_where_the_standard_has_megabecquerel_is_named(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    enhanced = make_enhanced(pet_slices(make_slice))
    enhanced.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 350e6
    read = suv_of(save_series([enhanced]))
    assert read.volume.array[0, 0, 1] == pytest.approx(100 * 3.0 * DECAYED)
    assert any("Bq instead of MBq" in warning for warning in read.provenance.warnings)


@pytest.mark.parametrize(
    ("tags", "error", "field"),
    [
        ({"DecayCorrectionDateTime": None}, MissingTagError, "DecayCorrectionDateTime"),
        ({"DecayCorrected": None}, MissingTagError, "DecayCorrection"),
        ({"AttenuationCorrected": None}, MissingTagError, "CorrectedImage"),
        ({"AttenuationCorrected": "NO"}, UnitError, "CorrectedImage"),
        ({"PatientWeight": None}, MissingTagError, "PatientWeight"),
        ({"RadiopharmaceuticalInformationSequence": None}, MissingTagError,
         "RadiopharmaceuticalInformationSequence"),
        ({"DecayCorrectionDateTime": "20240103120000"}, UnitError,
         "RadiopharmaceuticalStartDateTime"),
    ],
)  # fmt: skip
def test_an_enhanced_pet_without_what_an_suv_needs_is_refused(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries,
    tags: dict[str, Any], error: type[Exception], field: str,
) -> None:  # fmt: skip
    folder = save_series([make_enhanced(pet_slices(make_slice), **tags)])
    with pytest.raises(error) as caught:
        suv_of(folder)
    assert caught.value.field == field


def test_an_enhanced_pet_of_another_tracer_is_refused(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    enhanced = make_enhanced(pet_slices(make_slice))
    (dose,) = enhanced.RadiopharmaceuticalInformationSequence
    dose.RadiopharmaceuticalCodeSequence[0].CodeValue = "456995000"
    dose.RadiopharmaceuticalCodeSequence[0].CodeMeaning = "Florbetapir F^18^"
    with pytest.raises(TracerError, match="F-18"):
        suv_of(save_series([enhanced]))


def test_a_legacy_converted_pet_has_the_suv_of_the_slices_it_was_made_of(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    """Tags of the slices lie in unassigned attributes, shared or by frame; the dose is in Bq."""
    slices = pet_slices(make_slice)
    converted = make_enhanced(slices)
    for keyword in ("DecayCorrected", "DecayCorrectionDateTime", "AttenuationCorrected",
                    "RadiopharmaceuticalInformationSequence"):  # fmt: skip
        delattr(converted, keyword)
    converted.SOPClassUID = LegacyConvertedEnhancedPETImageStorage
    converted.file_meta.MediaStorageSOPClassUID = LegacyConvertedEnhancedPETImageStorage
    unassigned = Dataset()
    for keyword in ("Units", "DecayCorrection", "CorrectedImage", "SeriesDate", "SeriesTime",
                    "AcquisitionDate", "RadiopharmaceuticalInformationSequence"):  # fmt: skip
        setattr(unassigned, keyword, slices[0][keyword].value)
    (shared,) = converted.SharedFunctionalGroupsSequence
    shared.UnassignedSharedConvertedAttributesSequence = [unassigned]
    groups = converted.PerFrameFunctionalGroupsSequence
    for group, slice_ in zip(groups, slices, strict=True):
        del group.RealWorldValueMappingSequence, group.FrameContentSequence
        group.PixelValueTransformationSequence[0].RescaleSlope = slice_.RescaleSlope
        own = Dataset()
        own.AcquisitionTime = slice_.AcquisitionTime
        group.UnassignedPerFrameConvertedAttributesSequence = [own]
    read = suv_of(save_series([converted], "converted"))
    classic = suv_of(save_series(slices, "classic"))
    assert np.array_equal(read.volume.array, classic.volume.array)
    assert read.provenance.reference_time == classic.provenance.reference_time == "SeriesTime"


def dynamic_slices(make_slice: MakeSlice) -> list[Dataset]:
    """Six phases 90 s apart, two slices each; the third is the first enhanced one."""
    brightness = (100, 100, 300, 280, 260, 240)
    return [
        make_slice(
            k,
            AcquisitionTime=("100000", "100130", "100300", "100430", "100600", "100730")[phase],
            pixels=np.full((4, 6), 10 * bright + k) + np.eye(4, 6),
        )
        for phase, bright in enumerate(brightness)
        for k in range(2)
    ]


@pytest.mark.parametrize("channel", ["dce_pre", "dce_early", "dce_late"])
@pytest.mark.parametrize("seed", [0, 1])
def test_phases_of_an_enhanced_series_do_not_depend_on_the_order_of_its_frames(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries,
    channel: str, seed: int,
) -> None:  # fmt: skip
    slices = dynamic_slices(make_slice)
    order = np.random.default_rng(seed).permutation(len(slices))
    enhanced = make_enhanced([slices[n] for n in order])
    for number, slice_ in enumerate(slices):
        slice_.SOPInstanceUID = f"1.2.3.{number}"
    found = read_dicom_series(save_series([enhanced], "enhanced"), "dce", channel=channel)
    wanted = read_dicom_series(save_series(slices, "classic"), "dce", channel=channel)
    assert np.array_equal(found.volume.array, wanted.volume.array)
    assert found.provenance.numbers == wanted.provenance.numbers


def test_phases_of_a_legacy_converted_series_are_those_of_its_slices(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    """The times lie in attributes that the conversion left unassigned, by frame."""
    slices = dynamic_slices(make_slice)[::-1]
    converted = make_enhanced(slices)
    converted.SOPClassUID = LegacyConvertedEnhancedMRImageStorage
    converted.file_meta.MediaStorageSOPClassUID = LegacyConvertedEnhancedMRImageStorage
    groups = converted.PerFrameFunctionalGroupsSequence
    for number, (group, slice_) in enumerate(zip(groups, slices, strict=True)):
        del group.FrameContentSequence
        own = Dataset()
        own.AcquisitionDate, own.AcquisitionTime = slice_.AcquisitionDate, slice_.AcquisitionTime
        group.UnassignedPerFrameConvertedAttributesSequence = [own]
        slice_.SOPInstanceUID = f"1.2.3.{number}"
    found = read_dicom_series(save_series([converted], "one"), "dce", channel="dce_late")
    wanted = read_dicom_series(save_series(slices, "many"), "dce", channel="dce_late")
    assert np.array_equal(found.volume.array, wanted.volume.array)
    assert found.provenance.numbers == wanted.provenance.numbers


def test_the_bolus_of_an_enhanced_series_is_read_from_its_profile(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    profile, agent = Dataset(), Dataset()
    profile.ContrastBolusStartTime = "100300"
    agent.ContrastAdministrationProfileSequence = [profile]
    enhanced = make_enhanced(dynamic_slices(make_slice), ContrastBolusAgentSequence=[agent])
    read = read_dicom_series(save_series([enhanced]), "dce", channel="dce_early")
    assert dict(read.provenance.numbers)["seconds after injection"] == 90.0
    assert read.provenance.warnings == ()


@pytest.mark.parametrize("told_by", ["offset", "index"])
def test_temporal_positions_tell_frames_of_one_acquisition_time_apart(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries, told_by: str
) -> None:
    slices = dynamic_slices(make_slice)
    enhanced = make_enhanced(slices)
    groups = enhanced.PerFrameFunctionalGroupsSequence
    for n, group in enumerate(groups):
        content = group.FrameContentSequence[0]
        content.FrameAcquisitionDateTime = "20240102100000"
        content.TemporalPositionIndex = n // 2 + 1
        if told_by == "offset":
            position = Dataset()
            position.TemporalPositionTimeOffset = 90.0 * (n // 2)
            group.TemporalPositionSequence = [position]
    folder = save_series([enhanced])
    if told_by == "index":
        with pytest.raises(PhaseError, match="times are not recorded"):
            read_dicom_series(folder, "dce", channel="dce_early")
        return
    read = read_dicom_series(folder, "dce", channel="dce_early")
    assert read.volume.array[0, 0, 0] == 2801  # phase 4 starts 90 s after the first enhanced one


def test_a_b_value_of_an_enhanced_series_is_picked_by_name(
    make_slice: MakeSlice, make_enhanced: MakeEnhanced, save_series: SaveSeries
) -> None:
    slices = [
        make_slice(k, DiffusionBValue=b, pixels=np.full((4, 6), 2000 - b) + np.eye(4, 6))
        for k, b in ((1, 800.0), (0, 0.0), (0, 800.0), (1, 0.0))
    ]
    folder = save_series([make_enhanced(slices)])
    weighted = read_dicom_series(folder, "zscore", channel="dwi_b800").volume
    assert weighted.array[1, 0].tolist() == [1200.0, 1200.0]
    assert dict(
        read_dicom_series(folder, "zscore", channel="dwi_b0").provenance.numbers
    )["DiffusionBValue"] == 0.0  # fmt: skip
