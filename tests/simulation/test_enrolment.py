from __future__ import annotations

import numpy as np
import pytest

from pcrnet.config.data import SimulationConfig
from pcrnet.simulation.enrolment import CHANNELS, Stream, enrol, patient_rng


def _enrolments(count: int, **options: object):
    config = SimulationConfig(patients=count, **options)
    return [enrol(config, index) for index in range(count)]


def test_each_scan_is_missing_as_often_as_configured_and_the_first_pet_never():
    enrolments = _enrolments(1500, missing_scan_fraction=0.2)
    for timepoint in ("baseline", "interim"):
        for channel in CHANNELS:
            present = np.mean([(timepoint, channel) in each.scans for each in enrolments])
            expected = 1.0 if (timepoint, channel) == ("baseline", "pet") else 0.8
            assert present == pytest.approx(expected, abs=0.04)


def test_some_visits_lack_the_whole_mri():
    def mri(enrolment, timepoint):
        return any((timepoint, channel) in enrolment.scans for channel in CHANNELS[1:])

    enrolments = _enrolments(400, missing_scan_fraction=0.2)
    lacking = np.mean([not mri(each, "interim") for each in enrolments])
    assert lacking == pytest.approx(0.1, abs=0.05)


def test_nothing_is_missing_at_a_fraction_of_zero():
    for each in _enrolments(50, missing_scan_fraction=0.0):
        assert len(each.scans) == 2 * len(CHANNELS)
        assert each.mask_channel == "dce_early"


def test_only_the_first_pet_is_left_at_a_fraction_of_one():
    for each in _enrolments(20, missing_scan_fraction=1.0):
        assert each.scans == {("baseline", "pet")}
        assert each.mask_channel == "pet"


def test_the_interim_visit_has_no_mask():
    for each in _enrolments(20):
        assert "baseline.mask" in each.files
        assert "interim.mask" not in each.files


def test_a_patient_does_not_depend_on_the_number_of_patients():
    few, many = _enrolments(12), _enrolments(40)
    assert few == many[:12]


def test_all_sites_enrol():
    assert {each.site for each in _enrolments(60, sites=4)} == {f"site-{k}" for k in (1, 2, 3, 4)}


def test_identifiers_are_unique_and_marked_as_simulated():
    identifiers = [each.patient_id for each in _enrolments(30)]
    assert len(set(identifiers)) == 30
    assert identifiers[0] == "SIM-0001"


def test_random_streams_differ_between_patients_subjects_and_seeds():
    config, other = SimulationConfig(seed=1), SimulationConfig(seed=2)
    draws = {
        float(patient_rng(each, index, stream, part).random())
        for each in (config, other)
        for index in (0, 1)
        for stream in Stream
        for part in (0, 1)
    }
    assert len(draws) == 2 * 2 * len(Stream) * 2
