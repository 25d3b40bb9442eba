"""SUV factors against the IBSI-SUV phantoms, real scanners' headers and published formulas."""

from __future__ import annotations

import gzip
import itertools
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom import Dataset
from scipy.integrate import quad
from scipy.optimize import brentq

from pcrnet.config.imaging import DicomConfig
from pcrnet.errors import MissingTagError, TracerError, UnitError
from pcrnet.imaging.dicom.groups import FrameGroups
from pcrnet.imaging.dicom.series import open_series
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.pet.suv import SuvFactor, suv_factor, suvbw_factor
from pcrnet.imaging.pet.suv_tags import SuvTags

MakeSlice = Callable[..., Dataset]
HALF_LIFE_S = 6586.2
RATE = np.log(2) / HALF_LIFE_S
DECAYED = 70e3 / (350e6 * 0.5 ** (3600 / HALF_LIFE_S))
"""Factor of the slices that make_slice builds: 70 kg, 350 MBq, one hour."""


def factor_of(slices: list[Dataset], **settings: Any) -> SuvFactor:
    return suv_factor(SuvTags.from_groups(map(FrameGroups, slices)), DicomConfig(**settings))


def pet(make_slice: MakeSlice, **tags: Any) -> Dataset:
    """A PET slice; tags of the injection carry the prefix ``dose_``."""
    own = {keyword: found for keyword, found in tags.items() if not keyword.startswith("dose_")}
    slice_ = make_slice(0, "PT", **own)
    for keyword, found in tags.items():
        if keyword.startswith("dose_"):
            item = slice_.RadiopharmaceuticalInformationSequence[0]
            name = keyword.removeprefix("dose_")
            if found is None:
                delattr(item, name)
            else:
                setattr(item, name, found)
    return slice_


@pytest.mark.parametrize("name", ["0_0", "1_0", "2_0", "3_0", "3_1", "4_1"])
def test_ibsi_phantoms_have_the_published_suv_inside_the_mask(test_data: Path, name: str) -> None:
    path = test_data / "ibsi_suv_dro" / f"DRO_{name}.zip"
    expected = json.loads((test_data / "reference_values.json").read_text())["ibsi_suv_dro"]
    with zipfile.ZipFile(path) as archive:
        member = next(m for m in archive.namelist() if m.endswith("DRO_mask.nii.gz"))
        mask = nib.Nifti1Image.from_bytes(gzip.decompress(archive.read(member)))
    volume = read_dicom_series(path, "suv").volume
    assert np.allclose(volume.affine, mask.affine)
    inside = volume.array[np.asanyarray(mask.dataobj) > 0]
    found = [inside.min(), np.median(inside), inside.max()]
    wanted = [expected["expected"][key] for key in ("min", "median", "max")]
    assert np.round(found, 2).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["SIEMENS", "GE_MEDICAL_AND_BQML", "PHILIPS_BQML",
                                  "PHILIPS_CNTS_AND_SUV"])  # fmt: skip
def test_headers_of_real_scanners_give_the_published_factor(
    test_data: Path, make_slice: MakeSlice, name: str
) -> None:
    folder = test_data / "calculate_suv_metadata"
    rows = json.loads((folder / f"{name}-instances.json").read_text())
    published = json.loads((folder / "expected_suvbw_factors.json").read_text())
    factor = suvbw_factor(
        SuvTags.from_groups(FrameGroups(_from_json(make_slice, row)) for row in rows)
    )
    assert factor.value == pytest.approx(published["suvbw_factor"][name], rel=1e-6)


def _from_json(make_slice: MakeSlice, row: dict[str, Any]) -> Dataset:
    philips = row.pop("PhilipsPETPrivateGroup")
    of_dose = {
        keyword: str(row.pop(keyword, "")).strip()
        for keyword in (
            "RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime",
            "RadiopharmaceuticalStartDateTime",
        )
    }  # fmt: skip
    slice_ = make_slice(0, "PT", **{"PatientSize": None, **row})
    for keyword, found in of_dose.items():
        setattr(slice_.RadiopharmaceuticalInformationSequence[0], keyword, found)
    block = slice_.private_block(0x7053, "Philips PET Private Group", create=True)
    for key, element in (("SUVScaleFactor", 0x00), ("ActivityConcentrationScaleFactor", 0x09)):
        if key in philips:
            block.add_new(element, "DS", philips[key].strip())
    return slice_


@pytest.fixture(scope="module")
def sts_tumour(test_data: Path) -> np.ndarray:
    """SUVbw of IBSI's tumour in STS_001, read from the scanner's own files."""
    folder = test_data / "sts001_petmr"
    mask = nib.load(folder / "ibsi_PET_mask.nii.gz")
    volume = read_dicom_series(folder / "STS_001_FDG_PET_raw_dicom.zip", "suv").volume
    into = np.linalg.inv(volume.affine) @ mask.affine
    voxels = np.argwhere(np.asanyarray(mask.dataobj) > 0) @ into[:3, :3].T + into[:3, 3]
    assert np.abs(voxels - np.round(voxels)).max() < 1e-3
    return volume.array[tuple(np.round(voxels).astype(int).T)].astype(np.float64)


@pytest.mark.slow
def test_real_ge_scan_matches_the_consensus_of_ibsi(
    test_data: Path, sts_tumour: np.ndarray
) -> None:
    reference = json.loads((test_data / "reference_values.json").read_text())["sts001_pet"]
    consensus = reference["ibsi_consensus_native_grid_GTV"]
    assert sts_tumour.size == consensus["voxels"]
    assert sts_tumour.mean() == pytest.approx(consensus["mean"], rel=1e-4)
    assert sts_tumour.max() == pytest.approx(consensus["max"], rel=1e-4)


@pytest.mark.slow
def test_other_norms_lie_within_the_bounds_that_mirp_publishes(
    test_data: Path, sts_tumour: np.ndarray
) -> None:
    reference = json.loads((test_data / "reference_values.json").read_text())["sts001_pet"]
    with open_series(test_data / "sts001_petmr" / "STS_001_FDG_PET_raw_dicom.zip") as series:
        tags = SuvTags.from_groups(FrameGroups(of.header) for of in series.objects[:3])
    bw = suvbw_factor(tags).value
    assert bw == pytest.approx(reference["suvbw_factor_at_SeriesTime"], rel=1e-9)
    for suv, key, unit in (
        ("lbm-james", "suv_lbm_max", 1.0),
        ("lbm-janmahasatian", "suv_lbm_bmi_max", 1.0),
        ("bsa", "suv_bsa_max", 10.0),  # theirs is in 1000 m²/mL, ours in cm²/mL
    ):
        low, high = reference["mirp_test_bounds"][key]
        share = suv_factor(tags, DicomConfig(suv=suv)).value / bw
        assert low <= sts_tumour.max() * share / unit <= high, suv


def test_start_admin_and_none_describe_the_same_activity(make_slice: MakeSlice) -> None:
    """One lesion of SUV 4, decaying; each scanner corrects it in its own way."""
    at_injection = 4.0 * 350e6 / 70e3
    begin, end = 3600.0, 3900.0
    measured = quad(lambda t: at_injection * np.exp(-RATE * t), begin, end)[0] / (end - begin)
    at_start = at_injection * np.exp(-RATE * begin)
    for correction, activity in (("ADMIN", at_injection), ("START", at_start), ("NONE", measured)):
        factor = factor_of([pet(make_slice, DecayCorrection=correction)])
        assert activity * factor.value == pytest.approx(4.0, rel=1e-9), correction


def test_undecayed_slices_are_corrected_each_by_its_own_time(make_slice: MakeSlice) -> None:
    slices = [
        pet(make_slice, DecayCorrection="NONE", AcquisitionTime=time)
        for time in ("100000", "100500")
    ]
    first, second = factor_of(slices).values
    assert second / first == pytest.approx(2 ** (300 / HALF_LIFE_S))


def test_a_series_made_anew_is_referred_to_the_start_of_its_scan(make_slice: MakeSlice) -> None:
    """SeriesTime is hours late; two beds of 5 min, cut off the start of a scan at 10:00."""
    mean = quad(lambda t: np.exp(-RATE * t), 0, 300)[0] / 300
    middle = brentq(lambda t: np.exp(-RATE * t) - mean, 0, 300)
    beds = [
        pet(make_slice, SeriesTime="150000", AcquisitionTime=f"10{minute:02d}00",
            FrameReferenceTime=f"{(minute * 60 + middle) * 1000:.3f}")
        for minute in (5, 10)
    ]  # fmt: skip
    factor = factor_of(beds)
    assert factor.value == pytest.approx(DECAYED, rel=1e-6)
    assert any("SeriesTime is later" in warning for warning in factor.warnings)


def test_ge_scan_time_is_the_reference_where_it_is_stated(make_slice: MakeSlice) -> None:
    slice_ = pet(make_slice, SeriesTime="150000", AcquisitionTime="150000")
    block = slice_.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x0D, "DT", "20240102100000.00")
    assert factor_of([slice_]).value == pytest.approx(DECAYED)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ({"dose_RadionuclideTotalDose": 350.0}, DECAYED),
        ({"dose_RadiopharmaceuticalStartTime": None}, DECAYED),
        ({"dose_RadiopharmaceuticalStartDateTime": None}, DECAYED),
        ({"PatientWeight": 70_000.0}, DECAYED),
        ({"Units": "GML"}, 1.0),
        ({"Units": "GML", "SUVType": "BW"}, 1.0),
        ({"Units": "GML", "SUVType": "LBM", "PatientSex": "M"}, 70 / (77 - 120 * 0.16)),
        ({"Units": "GML", "SUVType": "LBMJAMES128", "PatientSex": "M"}, 70 / (77 - 128 * 0.16)),
        ({"Units": "GML", "SUVType": "LBMJAMES128"}, 70 / (74.9 - 148 * 0.16)),
        ({"Units": "GML", "SUVType": "IBW", "PatientSex": "O"},
         70 / ((48 + 1.06 * 23 + 45.5 + 0.91 * 23) / 2)),
        ({"Units": "CM2ML", "SUVType": "BSA"}, 70e3 / (71.84 * 175**0.725 * 70**0.425)),
    ],
)  # fmt: skip
def test_every_way_to_state_the_same_scan_gives_the_same_factor(
    make_slice: MakeSlice, edits: dict[str, Any], expected: float
) -> None:
    assert factor_of([pet(make_slice, **edits)]).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("creator", ["Philips PET Private Group", None])
@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({0x00: "0.002"}, 0.002),
        ({0x00: "0", 0x09: "1.5"}, 1.5 * DECAYED),
        ({0x09: "1.5"}, 1.5 * DECAYED),
        ({0x00: "0.002", 0x09: "1.5"}, 0.002),
    ],
)
def test_philips_counts_are_scaled_by_their_private_factors(
    make_slice: MakeSlice, creator: str | None, factors: dict[int, str], expected: float
) -> None:
    slice_ = pet(make_slice, Units="CNTS")
    for element, text in factors.items():
        if creator:
            block = slice_.private_block(0x7053, creator, create=True)
            block.add_new(element, "UN", text.encode())
        else:
            slice_.add_new((0x7053, 0x1000 + element), "UN", text.encode())
    assert factor_of([slice_]).value == pytest.approx(expected)


def test_an_injection_before_midnight_is_that_of_the_day_before(make_slice: MakeSlice) -> None:
    slice_ = pet(
        make_slice, SeriesTime="003000", AcquisitionTime="003000",
        dose_RadiopharmaceuticalStartTime="233000", dose_RadiopharmaceuticalStartDateTime=None,
    )  # fmt: skip
    assert factor_of([slice_]).value == pytest.approx(DECAYED)


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientWeight", "dose_RadionuclideTotalDose", "dose_RadionuclideHalfLife", "SeriesTime",
        "AcquisitionTime", "DecayCorrection", "Units", "CorrectedImage",
        "RadiopharmaceuticalInformationSequence",
    ],
)  # fmt: skip
def test_a_missing_tag_is_named_and_nothing_stands_in_for_it(
    make_slice: MakeSlice, keyword: str
) -> None:
    for empty in (None, ""):
        if empty == "" and keyword in ("RadiopharmaceuticalInformationSequence", "Units"):
            continue
        with pytest.raises(MissingTagError) as caught:
            factor_of([pet(make_slice, **{keyword: empty})])
        assert keyword.removeprefix("dose_") in str(caught.value)


def test_without_any_injection_time_there_is_no_suv(make_slice: MakeSlice) -> None:
    slice_ = pet(
        make_slice, dose_RadiopharmaceuticalStartTime=None,
        dose_RadiopharmaceuticalStartDateTime=None,
    )  # fmt: skip
    with pytest.raises(MissingTagError, match="RadiopharmaceuticalStartTime"):
        factor_of([slice_])


@pytest.mark.parametrize(
    ("suv", "keyword"),
    [
        ("lbm-james", "PatientSize"),
        ("lbm-james", "PatientSex"),
        ("lbm-janmahasatian", "PatientSize"),
        ("lbm-janmahasatian", "PatientSex"),
        ("bsa", "PatientSize"),
    ],
)
def test_other_norms_need_height_and_sex(make_slice: MakeSlice, suv: str, keyword: str) -> None:
    with pytest.raises(MissingTagError, match=keyword):
        factor_of([pet(make_slice, **{keyword: None})], suv=suv)


@pytest.mark.parametrize(
    ("edits", "field"),
    [
        ({"Units": "PROPCNTS"}, "Units"),
        ({"Units": "CPS"}, "Units"),
        ({"CorrectedImage": ["DECY", "SCAT"]}, "CorrectedImage"),
        ({"DecayCorrection": "OTHER"}, "DecayCorrection"),
        ({"PatientWeight": 0.0}, "PatientWeight"),
        ({"dose_RadionuclideTotalDose": 9.5}, "RadionuclideTotalDose"),
        ({"dose_RadionuclideTotalDose": 350e3}, "RadionuclideTotalDose"),
        ({"dose_RadionuclideHalfLife": 109.8}, "RadionuclideHalfLife"),
        ({"dose_RadiopharmaceuticalStartDateTime": "20240103090000"},
         "RadiopharmaceuticalStartDateTime"),
        ({"dose_RadiopharmaceuticalStartDateTime": "20230102090000"},
         "RadiopharmaceuticalStartDateTime"),
        ({"Units": "GML", "SUVType": "OTHER"}, "SUVType"),
    ],
)  # fmt: skip
def test_what_is_no_activity_or_contradicts_itself_is_refused(
    make_slice: MakeSlice, edits: dict[str, Any], field: str
) -> None:
    with pytest.raises(UnitError) as caught:
        factor_of([pet(make_slice, **edits)])
    assert caught.value.field == field


def test_counts_without_philips_factors_are_refused(make_slice: MakeSlice) -> None:
    with pytest.raises(MissingTagError, match="7053"):
        factor_of([pet(make_slice, Units="CNTS")])


ZONES = ("+0100", "-0800", "+0530", "+0000")


@pytest.mark.parametrize("scan_h", [10, 0.25], ids=["by day", "after midnight"])
@pytest.mark.parametrize("where", ["data set", "item", "DateTime"])
@pytest.mark.parametrize(("here", "there"), list(itertools.product(ZONES, ZONES)))
def test_the_suv_does_not_depend_on_the_zones_in_which_its_times_are_stated(
    make_slice: MakeSlice, here: str, there: str, where: str, scan_h: float
) -> None:
    """The scan is stated in one zone, the injection an hour before it in another."""
    scanned = datetime(2024, 1, 2, tzinfo=UTC) + timedelta(hours=scan_h)
    scan, injected = (
        moment.astimezone(datetime.strptime(zone, "%z").tzinfo)
        for moment, zone in ((scanned, here), (scanned - timedelta(hours=1), there))
    )
    if where == "data set":
        injected = injected.astimezone(scan.tzinfo)
    slice_ = pet(
        make_slice, TimezoneOffsetFromUTC=here,
        SeriesDate=f"{scan:%Y%m%d}", AcquisitionDate=f"{scan:%Y%m%d}",
        SeriesTime=f"{scan:%H%M%S}", AcquisitionTime=f"{scan:%H%M%S}",
        dose_RadiopharmaceuticalStartTime=None,
        dose_RadiopharmaceuticalStartDateTime=f"{injected:%Y%m%d%H%M%S}"
        + (there if where == "DateTime" else ""),
    )  # fmt: skip
    if where == "item":
        slice_.RadiopharmaceuticalInformationSequence[0].TimezoneOffsetFromUTC = there
    factor = factor_of([slice_])
    assert factor.value == pytest.approx(DECAYED)
    assert factor.warnings == ()


def test_a_zone_that_the_injection_alone_states_is_noted_or_told_by_its_time(
    make_slice: MakeSlice,
) -> None:
    alone = pet(
        make_slice, dose_RadiopharmaceuticalStartDateTime="20240102090000+0100",
        dose_RadiopharmaceuticalStartTime=None,
    )  # fmt: skip
    factor = factor_of([alone])
    assert factor.value == pytest.approx(DECAYED)
    assert any("TimezoneOffsetFromUTC is missing" in note for note in factor.warnings)
    universal = pet(make_slice, dose_RadiopharmaceuticalStartDateTime="20240102080000+0000")
    factor = factor_of([universal])  # RadiopharmaceuticalStartTime is 09:00 at the scanner
    assert factor.value == pytest.approx(DECAYED)
    assert any("another time zone" in note for note in factor.warnings)


def test_slices_in_two_zones_are_refused(make_slice: MakeSlice) -> None:
    slices = [pet(make_slice, TimezoneOffsetFromUTC=zone) for zone in ("+0100", "+0200")]
    with pytest.raises(UnitError, match="TimezoneOffsetFromUTC"):
        factor_of(slices)


@pytest.mark.parametrize(
    "removed",
    [
        {"SeriesDate": None},
        {"AcquisitionDate": None},
        {"SeriesDate": None, "AcquisitionDate": None},
        {"SeriesDate": None, "AcquisitionDate": None,
         "dose_RadiopharmaceuticalStartDateTime": None},
    ],
)  # fmt: skip
@pytest.mark.parametrize("scan", ["100000", "003000"])
def test_times_suffice_within_a_day_where_dates_were_removed(
    make_slice: MakeSlice, removed: dict[str, Any], scan: str
) -> None:
    start = {"100000": "20240102090000", "003000": "20240101233000"}[scan]
    edits = {
        "dose_RadiopharmaceuticalStartTime": start[8:],
        "dose_RadiopharmaceuticalStartDateTime": start,
        "SeriesTime": scan,
        "AcquisitionTime": scan,
    }
    factor = factor_of([pet(make_slice, **{**edits, **removed})])
    assert factor.value == pytest.approx(DECAYED)
    assert any("Date is missing" in note for note in factor.warnings)


def test_late_frames_of_a_dynamic_scan_are_corrected_to_a_start_before_the_injection(
    make_slice: MakeSlice,
) -> None:
    """Started at 10:00:00, injected at 10:00:30, this frame at 10:50."""
    for edits in (
        {"dose_RadiopharmaceuticalStartDateTime": "20240102100030",
         "dose_RadiopharmaceuticalStartTime": "100030"},
        {"dose_RadiopharmaceuticalStartDateTime": None,
         "dose_RadiopharmaceuticalStartTime": "100030"},
    ):  # fmt: skip
        factor = factor_of([pet(make_slice, AcquisitionTime="105000", **edits)])
        assert factor.value == pytest.approx(70e3 / 350e6 * 2 ** (-30 / HALF_LIFE_S))
        assert any("30 s after the start" in note for note in factor.warnings)
        with pytest.raises(UnitError, match="after the injection"):
            factor_of([pet(make_slice, AcquisitionTime="100010", **edits)])


def philips(make_slice: MakeSlice, factors: dict[int, str], **tags: Any) -> Dataset:
    slice_ = pet(make_slice, Units="CNTS", **tags)
    block = slice_.private_block(0x7053, "Philips PET Private Group", create=True)
    for element, text in factors.items():
        block.add_new(element, "UN", text.encode())
    return slice_


def test_philips_suv_factor_presumes_decay_correction_to_the_start(make_slice: MakeSlice) -> None:
    beds = [
        philips(make_slice, {0x00: "0.002", 0x09: "1.5"}, DecayCorrection="NONE",
                AcquisitionTime=time)
        for time in ("100000", "110000")
    ]  # fmt: skip
    factor = factor_of(beds)
    assert factor.values[1] / factor.values[0] == pytest.approx(2 ** (3600 / HALF_LIFE_S))
    plain = factor_of([pet(make_slice, DecayCorrection="NONE")])
    assert factor.values[0] == pytest.approx(1.5 * plain.value)
    assert any("DecayCorrection is NONE" in note for note in factor.warnings)
    for edits in ({"DecayCorrection": "NONE"}, {"DecayCorrection": "ADMIN"}):
        with pytest.raises(UnitError, match="presumes") as caught:
            factor_of([philips(make_slice, {0x00: "0.002"}, **edits)])
        assert caught.value.field == "DecayCorrection"
    with pytest.raises(UnitError, match="presumes"):
        factor_of([pet(make_slice, Units="GML", DecayCorrection="NONE")])


@pytest.mark.parametrize(
    ("stated", "corrections"),
    [("START", ["ATTN"]), ("ADMIN", ["ATTN"]), ("NONE", ["DECY", "ATTN"])],
)
def test_decay_corrections_that_contradict_each_other_are_named(
    make_slice: MakeSlice, stated: str, corrections: list[str]
) -> None:
    contradicting = pet(make_slice, DecayCorrection=stated, CorrectedImage=corrections)
    assert any("contradict" in note for note in factor_of([contradicting]).warnings)


def test_an_intercept_in_pet_is_noted(make_slice: MakeSlice) -> None:
    assert factor_of([pet(make_slice)]).warnings == ()
    (note,) = factor_of([pet(make_slice, RescaleIntercept=-3.0)]).warnings
    assert "RescaleIntercept" in note


def test_another_tracer_is_let_in_only_by_name(make_slice: MakeSlice) -> None:
    nuclide = Dataset()
    nuclide.CodeValue, nuclide.CodeMeaning = "C-131A3", "^68^Gallium"
    gallium = {"dose_RadionuclideHalfLife": 4057.0, "dose_RadionuclideCodeSequence": [nuclide]}
    with pytest.raises(TracerError, match="Ga-68"):
        factor_of([pet(make_slice, **gallium)])
    factor = factor_of([pet(make_slice, **gallium)], tracers=("Ga-68",))
    assert factor.value == pytest.approx(70e3 / 350e6 * 2 ** (3600 / 4057))


def test_the_mistaken_unit_of_the_dose_is_named(make_slice: MakeSlice) -> None:
    factor = factor_of([pet(make_slice, dose_RadionuclideTotalDose=350.0)])
    assert any("MBq" in warning for warning in factor.warnings)


def test_one_factor_is_refused_where_slices_differ() -> None:
    with pytest.raises(ValueError, match="differ"):
        _ = SuvFactor((1.0, 2.0), "SUVbw", "").value
