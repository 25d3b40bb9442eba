"""One patient's files become one tensor."""

import dataclasses
import struct

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit, read_cohort
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig, NoAlignment
from pcrnet.errors import GeometryError, ImageError, InsufficientScansError, UnitError
from pcrnet.imaging import patient_scans
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.registration.rigid import Alignment
from pcrnet.imaging.tensors.preprocess import preprocess_patient
from pcrnet.imaging.volume import Volume, canonical

_LESION_MM = np.array([22.0, -14.0, 9.0])
_LEVELS = {"pet": (1.0, 8.0), "adc": (1.8, 0.9), "dce_pre": (100.0, 110.0)}
"""Body and lesion; other channels as below."""
_GRIDS = {"pet": (4.0, 4.0, 4.0), "adc": (2.0, 2.0, 5.0)}


def _phantom(channel, *, shift_mm=(0.0, 0.0, 0.0), gain=1.0):
    """An ellipsoid with a lesion off its centre, on a grid of the channel's own, LPS oriented."""
    spacing = np.array(_GRIDS.get(channel, (2.0, 2.0, 3.0)))
    shape = tuple((np.array([160.0, 140.0, 120.0]) / spacing).astype(int))
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    place = index @ affine[:3, :3].T + affine[:3, 3] - np.array(shift_mm)
    inside = ((place / [70.0, 60.0, 55.0]) ** 2).sum(-1) < 1
    lesion = ((place - _LESION_MM) ** 2).sum(-1) < 12.0**2
    if channel == "mask":
        return Volume(lesion.astype(np.float32), affine, "label")
    body, focus = _LEVELS.get(channel, (100.0, 220.0))
    texture = 1 + 0.05 * np.sin(place[..., 0] / 5.0)
    array = gain * np.where(lesion, focus, body) * inside * texture
    return Volume(array.astype(np.float32), affine, "arbitrary")


@pytest.fixture
def make_patient(tmp_path):
    """``make_patient({"baseline": {"pet": volume, "mask": volume}}, days={"baseline": 0.0})``."""

    def make(visits, *, days=None, name="P1", row=2):
        records = {}
        for timepoint, volumes in visits.items():
            paths = {}
            for column, volume in volumes.items():
                paths[column] = tmp_path / f"{name}_{timepoint}_{column}.nii.gz"
                write_nifti(volume, paths[column])
            mask = paths.pop("mask", None)
            records[timepoint] = Visit(
                timepoint, scans=paths, mask=mask, days=(days or {}).get(timepoint)
            )
        return Patient(name, row, None, records, Outcome(), {})

    return make


_DATA = DataConfig(branches={"pet": ("pet",), "mri": ("dce_pre", "dce_early", "t2", "adc")})
_IMAGING = ImagingConfig(size=(20, 18, 16), spacing_mm=(4.0, 4.0, 4.0))
_CHANNELS = _DATA.channels


def _visit(*channels, **options):
    return {channel: _phantom(channel, **options) for channel in channels}


def _with_mask(*channels, **options):
    """A visit whose mask lies on the grid of its MR (2 × 2 × 3 mm)."""
    return _visit(*channels, **options) | {"mask": _phantom("mask", **options)}


def _run(patient, data=_DATA, imaging=_IMAGING):
    return preprocess_patient(patient, data, imaging)


def _channel(tensor, name, timepoint=0):
    return tensor.image[timepoint, _CHANNELS.index(name)].astype(np.float32)


def test_axes_are_timepoint_channel_and_ras(make_patient):
    patient = make_patient(
        {"baseline": _with_mask("pet", "t2"), "interim": _visit("adc")}, days={"interim": 21.0}
    )
    tensor = _run(patient)
    assert tensor.image.shape == (2, 5, 20, 18, 16)
    assert tensor.image.dtype == np.float16
    np.testing.assert_array_equal(tensor.present, [[1, 0, 0, 1, 0], [0, 0, 0, 0, 1]])
    assert np.isnan(tensor.days[0])
    assert tensor.days[1] == 21.0
    assert not tensor.image[~tensor.present].any()


def test_the_crop_is_centred_on_the_mask_and_shows_the_lesion_there(make_patient):
    tensor = _run(make_patient({"baseline": _with_mask("pet", "t2"), "interim": {}}))
    assert tensor.crop == "mask"
    np.testing.assert_allclose(tensor.centre_mm, _LESION_MM, atol=0.5)
    middle = (slice(8, 12), slice(7, 11), slice(6, 10))
    assert _channel(tensor, "pet")[middle].mean() > 7.0
    assert _channel(tensor, "pet")[:4, :4, :4].mean() < 1.2


def test_absolute_units_survive(make_patient):
    channels = ("pet", "adc", "t2")
    tensor = _run(make_patient({"baseline": _with_mask(*channels), "interim": {}}))
    centre = (slice(9, 11), slice(8, 10), slice(7, 9))
    assert _channel(tensor, "pet")[centre].mean() == pytest.approx(8.0, rel=0.06)
    assert _channel(tensor, "adc")[centre].mean() == pytest.approx(0.9, rel=0.06)


def test_left_is_left(make_patient):
    """The lesion lies right, back and up of the body's middle: away from it the body ends."""
    imaging = ImagingConfig(size=(50, 44, 40), spacing_mm=(4.0, 4.0, 4.0))
    patient = make_patient({"baseline": _with_mask("pet", "t2"), "interim": {}})
    tissue = _run(patient, imaging=imaging).image[0, 0] > 0.5
    first, last = (
        np.array([f(np.flatnonzero(tissue.any(axis=axes))) for axes in ((1, 2), (0, 2), (0, 1))])
        for f in (np.min, np.max)
    )
    middle_mm = ((first + last) / 2 - (np.array(imaging.size) - 1) / 2) * 4.0
    np.testing.assert_allclose(middle_mm, -_LESION_MM, atol=4.0)


def test_the_orientation_of_the_files_does_not_matter(make_patient):
    lps = _with_mask("pet", "t2", "dce_pre")
    ras = {name: canonical(volume) for name, volume in lps.items()}
    one, other = (
        _run(make_patient({"baseline": visit, "interim": {}}, name=name))
        for name, visit in (("A", lps), ("B", ras))
    )
    np.testing.assert_allclose(
        one.image.astype(np.float32), other.image.astype(np.float32), atol=2e-3
    )


def test_all_visits_share_the_frame_of_the_first_mask(make_patient):
    patient = make_patient(
        {"baseline": _visit("pet", "t2"), "interim": _with_mask("pet", "t2", shift_mm=(8.0, 0, 0))}
    )
    tensor = _run(patient, imaging=_IMAGING.model_copy(update={"alignment": NoAlignment()}))
    np.testing.assert_allclose(tensor.centre_mm, _LESION_MM + np.array([8.0, 0, 0]), atol=0.5)
    before, after = (_channel(tensor, "pet", t) for t in (0, 1))
    np.testing.assert_allclose(before[:-2], after[2:], atol=0.15)


def test_an_alignment_moves_the_later_visit_onto_the_first(make_patient, monkeypatch):
    shift = np.eye(4)
    shift[:3, 3] = [8.0, -4.0, 0.0]
    found = Alignment(
        transform=shift,
        similarity_before=0.1,
        similarity_after=1.0,
        shift_mm=9.0,
        rotation_degrees=0.0,
        front_mm=0.0,
    )
    monkeypatch.setattr(patient_scans, "align_visits", lambda *_: {"interim": found})
    moved = _with_mask("pet", "t2", shift_mm=(8.0, -4.0, 0.0))
    for visits in (
        {"baseline": _with_mask("pet", "t2"), "interim": moved},
        {"baseline": _visit("pet", "t2"), "interim": moved},
    ):
        tensor = _run(make_patient(visits))
        np.testing.assert_allclose(tensor.centre_mm, _LESION_MM, atol=0.5)
        np.testing.assert_allclose(
            _channel(tensor, "pet", 0), _channel(tensor, "pet", 1), atol=0.15
        )


def test_without_masks_the_lesion_sets_the_frame(make_patient):
    tensor = _run(make_patient({"baseline": _visit("pet", "t2"), "interim": {}}))
    assert tensor.crop == "lesion"
    np.testing.assert_allclose(tensor.centre_mm, _LESION_MM, atol=4.0)
    tensor = _run(make_patient({"baseline": _visit("t2"), "interim": {}}))
    assert tensor.crop == "body"
    np.testing.assert_allclose(tensor.centre_mm, 0.0, atol=4.0)


def test_a_patient_may_begin_with_a_later_visit(make_patient):
    tensor = _run(make_patient({"baseline": {}, "interim": _visit("pet")}))
    np.testing.assert_array_equal(tensor.present.any(axis=1), [False, True])


def test_phases_share_one_scale_a_visit_whatever_the_gain(make_patient):
    channels = ("dce_pre", "dce_early")
    patient = make_patient(
        {"baseline": _with_mask(*channels), "interim": _visit(*channels, gain=7.0)}
    )
    tensor = _run(patient)
    np.testing.assert_allclose(
        tensor.image[0].astype(np.float32), tensor.image[1].astype(np.float32), atol=5e-3
    )
    pre, early = (_channel(tensor, channel)[8:12, 7:11, 6:10] for channel in channels)
    assert np.median((early - pre) / pre) == pytest.approx(1.0, abs=0.02)  # 110 to 220


def test_what_a_scan_does_not_cover_is_background(make_patient):
    cut = _phantom("t2")
    cut = Volume(cut.array[:, :, :25], cut.affine, cut.unit)
    visit = _visit("pet", "dce_pre") | {"t2": cut, "mask": _phantom("mask")}
    tensor = _run(make_patient({"baseline": visit, "interim": {}}))
    above = _channel(tensor, "t2")[:, :, -2:]
    assert np.ptp(above) == 0.0
    assert above.max() < -3.0  # air, which is far below tissue
    imaging = ImagingConfig(size=(60, 60, 60), spacing_mm=(4.0, 4.0, 4.0))
    assert (
        _run(make_patient({"baseline": visit, "interim": {}}), imaging=imaging).image[0, 0, 0].max()
        == 0.0
    )


def test_too_few_scans_are_a_typed_refusal(make_patient):
    patient = make_patient({"baseline": _visit("pet"), "interim": {}}, row=7)
    with pytest.raises(InsufficientScansError, match="has 1 of the scans") as caught:
        _run(patient, data=_DATA.model_copy(update={"minimum_scans": 2}))
    assert (caught.value.patient, caught.value.file) == ("P1", "cohort.csv row 7")


def _refused(patient, kind, field):
    with pytest.raises(kind) as caught:
        _run(patient)
    error = caught.value
    assert (error.patient, error.file, error.field) == ("P1", "cohort.csv row 2", field)
    assert error.remedy
    return error


def test_a_scan_beside_the_crop_is_refused(make_patient):
    away = _phantom("t2")
    away.affine[:3, 3] += 400.0
    visit = _with_mask("dce_pre") | {"t2": away}
    _refused(make_patient({"baseline": visit, "interim": {}}), GeometryError, "baseline.t2")


def test_scans_of_a_visit_that_do_not_overlap_are_refused(make_patient):
    away = _phantom("t2")
    away.affine[:3, 3] += 400.0
    visit = _visit("pet") | {"t2": away}
    with pytest.raises(GeometryError, match="do not overlap"):
        _run(make_patient({"baseline": visit, "interim": {}}))


def test_a_mask_on_no_grid_of_its_timepoint_is_refused(make_patient):
    patient = make_patient({"baseline": _with_mask("pet"), "interim": _visit("t2")})
    _refused(patient, GeometryError, "baseline.mask")


def test_a_mask_may_lie_on_a_scan_that_is_not_used(make_patient, tmp_path):
    patient = make_patient({"baseline": _with_mask("pet", "t2"), "interim": {}})
    visit = patient.visits["baseline"]
    unused = dataclasses.replace(
        visit,
        scans={"pet": visit.scans["pet"]},
        other_scans={"t2": visit.scans["t2"], "gone": tmp_path / "nowhere.nii"},
    )
    tensor = _run(dataclasses.replace(patient, visits=patient.visits | {"baseline": unused}))
    assert tensor.crop == "mask"
    assert tensor.present.sum() == 1


def test_every_mask_is_checked_not_only_the_first(make_patient):
    empty = _phantom("mask")
    empty.array[:] = 0
    visits = {"baseline": _with_mask("t2"), "interim": _visit("t2") | {"mask": empty}}
    _refused(make_patient(visits), GeometryError, "interim.mask")


def test_a_wrong_unit_names_the_cell(make_patient):
    visit = _with_mask("pet", "t2") | {"adc": _phantom("adc", gain=1000.0)}
    _refused(make_patient({"baseline": visit, "interim": {}}), UnitError, "baseline.adc")


def test_a_damaged_file_names_the_cell_and_the_header_field(make_patient):
    patient = make_patient({"baseline": _with_mask("pet", "t2"), "interim": {}})
    path = patient.visits["baseline"].scans["pet"]
    path.write_bytes(path.read_bytes()[:500])
    _refused(patient, ImageError, "baseline.pet")
    path.write_bytes(struct.pack("<i340s4s", 348, b"", b"n+1") + bytes(200))
    assert "datatype" in _refused(patient, ImageError, "baseline.pet").problem


def test_values_beyond_half_precision_are_refused(make_patient):
    wild = _phantom("t2")
    wild.array[40, 35, 20] = 1e30
    visit = _with_mask("dce_pre") | {"dce_early": wild}
    _refused(make_patient({"baseline": visit, "interim": {}}), ImageError, "baseline.dce_early")


def test_an_image_without_contrast_names_the_cell(make_patient):
    flat = _phantom("t2")
    flat.array[:] = 0.0
    flat.array[0, 0, 0] = 1.0
    visit = _with_mask("dce_pre") | {"t2": flat}
    _refused(make_patient({"baseline": visit, "interim": {}}), ImageError, "baseline.t2")


def test_the_real_cohort_goes_through(test_data):
    data = DataConfig(timepoints=("baseline",), branches={"pet": ("pet",), "mri": ("t1",)})
    cohort = read_cohort(
        test_data / "sts_petmr_cohort" / "cohort.csv",
        timepoints=data.timepoints,
        channels=data.channels,
    )
    for patient in cohort.patients:
        tensor = preprocess_patient(patient, data, ImagingConfig())
        assert tensor.crop == "mask"
        assert tensor.present.all()
        pet, t1 = tensor.image[0].astype(np.float32)
        assert 1.0 < pet.max() < 26.0
        assert pet[12:20, 12:20, 9:15].mean() > pet[:, :, [0, -1]].mean()
        assert -5.0 < t1.min() < 0.0 < t1.max() < 10.0


def test_a_picture_needs_no_measurement_and_shows_the_same(make_patient):
    patient = make_patient({"baseline": _visit("pet", "t2")}, days={"baseline": 3.0})
    data = DataConfig(timepoints=("baseline",), branches=_DATA.branches)
    whole = preprocess_patient(patient, data, _IMAGING)
    shown = preprocess_patient(patient, data, _IMAGING, measured=False)
    for name in ("image", "present", "days", "centre_mm"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(whole, name))
    assert whole.facts.size
    assert whole.quantities.values
    assert not shown.facts.size
    assert not shown.quantities.values
