"""One visit where the lesion lies, and a later one against it."""

import numpy as np
import pytest

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.quantify.place import lay_region, place_mask
from pcrnet.imaging.quantify.specs import Channels, quantity_specs
from pcrnet.imaging.quantify.visit import measure_change, measure_visit, sample_visit

_DATA, _IMAGING = DataConfig(), ImagingConfig()
_CHANNELS = Channels.of(_DATA, _IMAGING)


@pytest.fixture(scope="module")
def place(phantom):
    return place_mask(phantom.ball_mask(12.0, (15.0, 10.0, -5.0)))


@pytest.fixture(scope="module")
def fields(make_visit, place):
    """Makes the fields of a visit, and what was measured of them."""

    def make(alive=1.0, without=()):
        volumes = {n: v for n, v in make_visit(alive).items() if n not in without}
        region = lay_region(place, list(volumes.values()))
        found = sample_visit(volumes, np.eye(4), place, region, _CHANNELS)
        return found, measure_visit(found, place, _CHANNELS)

    return make


@pytest.fixture(scope="module")
def whole(fields):
    return fields()


def test_what_is_measured_is_what_the_list_names_for_the_visit(whole):
    listed = {
        spec.name.removeprefix("baseline.")
        for spec in quantity_specs(_DATA, _IMAGING)
        if spec.name.startswith("baseline.") and spec.name != "baseline.days"
    }
    assert set(whole[1]) == listed


def test_a_scan_that_is_not_there_takes_what_rests_on_it_and_nothing_else(fields, whole):
    without = fields(without=("adc",))[1]
    gone = set(whole[1]) - set(without)
    assert gone
    assert all("adc" in name for name in gone)
    assert {name: whole[1][name] for name in without} == pytest.approx(without, nan_ok=True)


def test_without_an_early_phase_there_is_no_enhancement(fields):
    found, values = fields(without=("dce_early",))
    assert "dce" not in found.excess
    assert not any(name.startswith("dce.") for name in values)


def test_a_visit_against_itself_has_not_changed(whole, place):
    change = measure_change(whole, whole, place, _CHANNELS)
    differences = {n: v for n, v in change.items() if ".change_" in n and not np.isnan(v)}
    assert len(differences) > 20
    assert set(differences.values()) == {0.0}
    assert change["pet.voxel_pattern_r"] == pytest.approx(1.0)


def test_a_lesion_that_cools_and_enhances_less_shows_it(fields, whole, place):
    change = measure_change(whole, fields(0.3), place, _CHANNELS)
    assert change["pet.change_suvpeak_ln_suv"] < -0.5
    assert change["dce.change_pe_ln"] < -0.3
    assert change["adc.change_p50_1e3_mm2_s"] > 0.2
