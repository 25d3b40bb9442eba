"""A patient's quantities as a whole: names, presence, invariances, registration."""

import dataclasses

import numpy as np
import pytest

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig, NoAlignment, RigidAlignment
from pcrnet.imaging.patient_scans import PatientScans
from pcrnet.imaging.quantify.measure import measure_scans
from pcrnet.imaging.quantify.record import Quantities
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.volume import Volume

_DATA, _IMAGING = DataConfig(), ImagingConfig(alignment=NoAlignment())
_SHIFT_MM = (5.0, -4.0, 3.0)
_LESION_MM = (15.0, 10.0, -5.0)


def _measure(volumes, masks, data=_DATA, imaging=_IMAGING):
    visits = {t: Visit(t, {}, days=7.0 * n) for n, t in enumerate(data.timepoints)}
    patient = Patient("P1", 2, None, visits, Outcome(), {})
    scans = PatientScans(volumes, masks, {}, np.array(_LESION_MM), "mask")
    return measure_scans(scans, patient, data, imaging)


@pytest.fixture(scope="module")
def mask(phantom):
    return phantom.ball_mask(12.0, _LESION_MM)


@pytest.fixture(scope="module")
def volumes(make_visit):
    return {
        "baseline": make_visit(1.0, node=3.0),
        "interim": make_visit(0.4, shift_mm=_SHIFT_MM, node=1.0),
    }


@pytest.fixture(scope="module")
def measured(volumes, mask):
    return _measure(volumes, {"baseline": mask, "interim": None})


def _with(volumes, timepoint, channel, change):
    """The volumes with one of them changed."""
    visit = volumes[timepoint] | {channel: change(volumes[timepoint][channel])}
    return volumes | {timepoint: visit}


def _without(volumes, timepoint, channel):
    visit = {name: volume for name, volume in volumes[timepoint].items() if name != channel}
    return volumes | {timepoint: visit}


def _missing(quantities):
    return {name for name, value in quantities.values.items() if np.isnan(value)}


def test_every_specified_quantity_of_a_complete_patient_is_a_finite_number(measured):
    names = [spec.name for spec in quantity_specs(_DATA, _IMAGING)]
    assert list(measured.values) == names
    assert len(set(names)) == len(names)
    assert not _missing(measured)
    assert measured.flags.lesion == "mask"


def test_the_visits_are_registered_and_the_change_is_what_was_put_in(measured):
    registration = measured.flags.registrations["interim"]
    assert registration.accepted
    assert registration.similarity_after > registration.similarity_before
    assert registration.shift_mm == pytest.approx(np.linalg.norm(_SHIFT_MM), abs=0.7)
    change = {
        name.removeprefix("interim_vs_baseline."): value
        for name, value in measured.values.items()
        if "_vs_" in name
    }
    # Uptake of the lesion is 7 above 0.5 to 0.9, then 2.8; ADC 0.9, then 1.44.
    assert change["pet.change_suvpeak_ln_suv"] == pytest.approx(np.log(3.5 / 7.7), abs=0.1)
    assert change["adc.change_p10_1e3_mm2_s"] == pytest.approx(0.54, abs=0.08)
    assert change["pet.voxel_p50_ln"] < -0.5
    assert change["pet.residue_ln_fraction"] < -1.0
    assert change["pet.node_tracked_ln_ratio"] < -0.5


@pytest.mark.parametrize(
    ("timepoint", "channel"),
    [
        ("baseline", "pet"),
        ("interim", "pet"),
        ("interim", "dce_early"),
        ("baseline", "dce_late"),
        ("interim", "adc"),
        ("interim", "t2"),
    ],
)
def test_hiding_a_scan_hides_exactly_what_rests_on_it(volumes, mask, measured, timepoint, channel):
    hidden = _measure(_without(volumes, timepoint, channel), {"baseline": mask})
    expected = {
        spec.name
        for spec in quantity_specs(_DATA, _IMAGING)
        if f"{timepoint}.{channel}" in spec.scans
    }
    assert expected
    assert _missing(hidden) == expected
    kept = set(hidden.values) - expected
    for name in kept:
        assert hidden.values[name] == pytest.approx(measured.values[name], rel=1e-6), name


def test_a_visit_or_a_mask_that_is_missing_leaves_the_rest(volumes, mask, measured):
    first_alone = _measure({"baseline": volumes["baseline"]}, {"baseline": mask})
    assert all(
        ("interim" in name) == np.isnan(v)
        for name, v in first_alone.values.items()
        if "days" not in name
    )
    later_alone = _measure({"interim": volumes["interim"]}, {"baseline": None})
    assert later_alone.flags.lesion == "found"
    assert later_alone.flags.lesion_of == "interim"
    assert np.isfinite(later_alone.values["interim.pet.suvpeak_suv"])
    assert np.isnan(later_alone.values["interim_vs_baseline.pet.change_suvpeak_ln_suv"])


def test_without_a_mask_the_lesion_is_found_and_measured_alike(volumes, measured):
    found = _measure(volumes, {"baseline": None, "interim": None})
    assert found.flags.lesion == "found"
    assert 0.5 < found.flags.lesion_quality <= 1.0
    assert _missing(found) == {"lesion.volume_ln_ml"}
    for name, abs_ in (("baseline.pet.suvpeak_ln_suv", 0.05), ("baseline.adc.p50_1e3_mm2_s", 0.1)):
        assert found.values[name] == pytest.approx(measured.values[name], abs=abs_)


def test_gain_of_a_scan_changes_no_relative_quantity(volumes, mask, measured):
    def louder(volume):
        return dataclasses.replace(volume, array=volume.array * np.float32(1.7))

    loud = _with(volumes, "interim", "pet", louder)
    for channel in ("dce_pre", "dce_early", "dce_late", "t2"):
        loud = _with(loud, "interim", channel, louder)
    other = _measure(loud, {"baseline": mask})
    absolute = {"suvpeak_suv", "suvmax_suv", "suvpeak_ln_suv", "suvmean_ln_suv"}
    for name, value in measured.values.items():
        quantity = name.rpartition(".")[2].removeprefix("change_")
        if quantity not in absolute:
            assert other.values[name] == pytest.approx(value, abs=0.03), name
    raw = "interim.pet.suvpeak_suv"
    assert other.values[raw] == pytest.approx(1.7 * measured.values[raw], rel=0.01)


def test_moving_the_whole_patient_changes_nothing(volumes, mask, measured):
    shift = np.eye(4)
    shift[:3, 3] = (37.0, -11.0, 123.0)

    def moved(volume):
        return dataclasses.replace(volume, affine=shift @ volume.affine)

    there = {t: {c: moved(v) for c, v in visit.items()} for t, visit in volumes.items()}
    other = _measure(there, {"baseline": moved(mask)})
    for name, value in measured.values.items():
        assert other.values[name] == pytest.approx(value, abs=0.02), name


def test_scans_stored_in_another_order_of_axes_are_measured_alike(volumes, mask, measured):
    def turned(volume):
        array = volume.array.transpose(2, 0, 1)[::-1]
        affine = volume.affine[:, [2, 0, 1, 3]].copy()
        affine[:3, 3] += affine[:3, 0] * (array.shape[0] - 1)
        affine[:3, 0] *= -1
        return Volume(np.ascontiguousarray(array), affine, volume.unit)

    there = {t: {c: turned(v) for c, v in visit.items()} for t, visit in volumes.items()}
    other = _measure(there, {"baseline": turned(mask)})
    for name, value in measured.values.items():
        assert other.values[name] == pytest.approx(value, abs=0.02), name


def test_visits_that_cannot_be_registered_are_measured_as_they_lie(volumes, mask):
    pair = {
        "baseline": {"adc": volumes["baseline"]["adc"]},
        "interim": {"adc": volumes["interim"]["adc"]},
    }
    found = _measure(pair, {"baseline": mask})
    registration = found.flags.registrations["interim"]
    assert not registration.accepted
    assert "ADC" in registration.problem
    assert np.isfinite(found.values["interim_vs_baseline.adc.change_mean_1e3_mm2_s"])


def test_an_alignment_made_for_the_tensors_is_used_as_it_is(volumes, mask):
    imaging = ImagingConfig(alignment=RigidAlignment(on_failure="keep"))
    found = _measure(volumes, {"baseline": mask}, imaging=imaging)
    assert found.flags.registrations == {}


@pytest.mark.parametrize(
    ("timepoints", "branches"),
    [
        (("visit1",), {"pet": ("pet",)}),
        (("a", "b", "c"), {"pet": ("pet_fdg", "pet_late"), "mri": ("t1", "dce_1", "dce_2")}),
        (("a", "b"), {"mri": ("adc", "dce_pre")}),
    ],
)
def test_any_visits_and_channels_have_specifications_of_their_own(timepoints, branches):
    data = DataConfig(timepoints=timepoints, branches=branches)
    specs = quantity_specs(data, _IMAGING)
    assert len({spec.name for spec in specs}) == len(specs)
    possible = {f"{t}.{c}" for t in timepoints for c in (*data.channels, "mask")}
    for spec in specs:
        assert spec.scans <= possible
        assert spec.scans or spec.unit == "days"
        assert spec.meaning
        assert spec.unit
    assert not any("dce" in spec.name for spec in specs) or "dce_1" in data.channels


def test_three_visits_are_each_compared_with_the_first(make_visit, mask):
    data = DataConfig(timepoints=("a", "b", "c"), branches={"pet": ("pet",)})
    volumes = {
        t: make_visit(alive, channels=("pet",))
        for t, alive in zip("abc", (1.0, 0.6, 0.2), strict=True)
    }
    values = _measure(volumes, {"a": mask}, data).values
    first, second = (values[f"{t}_vs_a.pet.change_suvpeak_ln_suv"] for t in "bc")
    assert second < first < -0.3


def test_quantities_survive_json(measured):
    import json

    text = json.dumps(measured.to_json(), allow_nan=False)
    again = Quantities.from_json(json.loads(text))
    assert again.values == measured.values
    assert again.flags.registrations == measured.flags.registrations
    assert np.isnan(again.flags.lesion_quality)


def _as_ct(volume):
    """The same body in Hounsfield units: air at −1000, fat and glands about water."""
    tissue = volume.array / np.float32(np.percentile(volume.array, 99))
    return Volume((tissue * 1000.0 - 1000.0).astype(np.float32), volume.affine, "HU")


def test_a_ct_beside_a_pet_registers_and_finds_with_it_and_is_measured_by_nothing(volumes, mask):
    data = DataConfig(branches={"pet": ("pet",), "ct": ("ct",)})
    alone = DataConfig(branches={"pet": ("pet",)})
    both = {t: {"pet": visit["pet"], "ct": _as_ct(visit["t2"])} for t, visit in volumes.items()}
    pets = {t: {"pet": visit["pet"]} for t, visit in volumes.items()}
    masks = {"baseline": mask, "interim": None}
    with_ct, without = _measure(both, masks, data), _measure(pets, masks, alone)
    assert list(with_ct.values) == list(without.values)
    assert not _missing(with_ct)
    at_baseline = [name for name in without.values if name.startswith("baseline.")]
    assert {name: with_ct.values[name] for name in at_baseline} == pytest.approx(
        {name: without.values[name] for name in at_baseline}, rel=1e-9
    )
    registration = with_ct.flags.registrations["interim"]
    assert registration.accepted
    assert registration.shift_mm == pytest.approx(np.linalg.norm(_SHIFT_MM), abs=0.7)

    found = _measure(both, {"baseline": None, "interim": None}, data)
    assert found.flags.lesion == "found"
    name = "baseline.pet.suvpeak_suv"
    assert found.values[name] == pytest.approx(without.values[name], rel=0.02)
    only_ct = {t: {"ct": visit["ct"]} for t, visit in both.items()}
    blind = _measure(only_ct, dict.fromkeys(only_ct), data)
    assert blind.flags.lesion == "none"
    assert set(_missing(blind)) == set(without.values) - {"baseline.days", "interim.days"}
