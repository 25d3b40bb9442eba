from __future__ import annotations

import numpy as np
import pytest

from pcrnet.imaging.patient_scans import PatientScans
from pcrnet.imaging.registration.rigid import Alignment
from pcrnet.imaging.volume import Volume
from pcrnet.review.measurements import last_mask, measure_visits


def _volume(array: np.ndarray, unit: str, spacing_mm: float = 4.0) -> Volume:
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = -spacing_mm * (np.array(array.shape) - 1) / 2
    return Volume(np.asarray(array, np.float32), affine, unit)


def _box(shape=(20, 20, 20), low=7, high=13) -> np.ndarray:
    box = np.zeros(shape)
    box[low:high, low:high, low:high] = 1
    return box


def _scans(volumes, masks, alignments=None) -> PatientScans:
    return PatientScans(volumes, masks, alignments or {}, np.zeros(3), "mask")


def test_each_scan_is_measured_on_its_own_grid():
    fine_mask = _volume(_box((40, 40, 40), 14, 26), "label", 2.0)
    pet, adc = _volume(1 + 5 * _box(), "SUVbw"), _volume(2 - 0.9 * _box(), "1e-3 mm2/s")
    (found,) = measure_visits(
        _scans({"baseline": {"pet": pet, "adc": adc}}, {"baseline": fine_mask})
    )
    assert found.pet.suv_max == found.pet.suv_mean == 6
    assert found.pet.mtv_fixed_ml == pytest.approx(24**3 / 1000)
    assert found.adc_1e3_mm2_s == pytest.approx(1.1)
    assert found.volume_ml == pytest.approx(24**3 / 1000)
    assert found.mask_of == "baseline"


def test_a_visit_without_a_mask_is_measured_in_the_last_one_before_it():
    mask, pet = _volume(_box(), "label"), _volume(1 + 2 * _box(), "SUVbw")
    found = measure_visits(
        _scans(
            {"baseline": {"pet": pet}, "interim": {"pet": pet}}, {"baseline": mask, "interim": None}
        )
    )
    assert [visit.mask_of for visit in found] == ["baseline", "baseline"]
    assert found[1].pet == found[0].pet
    assert (found[1].volume_ml, found[1].longest_mm) == (None, None)


def test_the_mask_follows_the_body_to_where_it_lay_at_the_later_visit():
    mask, pet = _volume(_box(), "label"), _volume(1 + 5 * _box(), "SUVbw")
    moved = pet.affine.copy()
    moved[:3, 3] += [16.0, 0.0, -8.0]
    transform = np.eye(4)
    transform[:3, 3] = [16.0, 0.0, -8.0]
    alignment = Alignment(transform, 0.1, 1.0, 18.0, 0.0, 0.0)
    found = measure_visits(
        _scans(
            {"baseline": {"pet": pet}, "interim": {"pet": Volume(pet.array, moved, "SUVbw")}},
            {"baseline": mask, "interim": None},
            {"interim": alignment},
        )
    )
    assert found[1].pet == found[0].pet


def test_a_mask_drawn_later_does_not_serve_an_earlier_visit():
    mask = _volume(_box(), "label")
    scans = _scans({}, {"baseline": None, "interim": mask, "presurgical": None})
    assert [last_mask(scans, t) for t in scans.masks] == [None, "interim", "interim"]


def test_what_cannot_be_measured_stays_unknown():
    far = _volume(_box(), "label").affine
    far[0, 3] += 500
    mask = Volume(_box().astype(np.float32), far, "label")
    pet, adc = _volume(np.ones((9, 9, 9)), "SUVbw"), _volume(np.ones((9, 9, 9)), "1e-3 mm2/s")
    (beside,) = measure_visits(_scans({"baseline": {"pet": pet, "adc": adc}}, {"baseline": mask}))
    assert (beside.pet, beside.adc_1e3_mm2_s) == (None, None)
    (without,) = measure_visits(_scans({"baseline": {"pet": pet}}, {"baseline": None}))
    assert (without.mask_of, without.pet, without.volume_ml) == (None, None, None)
