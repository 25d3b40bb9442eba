from __future__ import annotations

import csv
import json
from hashlib import sha256
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from pcrnet.cohort.table import read_cohort
from pcrnet.config.data import SimulationConfig
from pcrnet.imaging.reader import read_volume
from pcrnet.simulation import trial
from pcrnet.simulation.enrolment import CHANNELS, enrol
from pcrnet.simulation.scanner import patient_to_world
from pcrnet.simulation.trial import COVARIATES, make_patient, simulate_trial
from pcrnet.simulation.worlds import WORLDS

FIRST_WORLD = SimulationConfig(patients=10, seed=5, mri_spacing_mm=5.0)
FIRST_WORLD_TABLE = "745f6c97624097251b9ee0e62cbefceb2bfc41b8a67051ed25bce668a2870d9b"
FIRST_WORLD_MEANS = {
    "SIM-0001/baseline_pet.nii.gz": 0.366435,
    "SIM-0001/baseline_dce_early.nii.gz": 251.311,
    "SIM-0001/baseline_adc.nii.gz": 0.260864,
    "SIM-0001/interim_pet.nii.gz": 0.340964,
    "SIM-0001/interim_dce_early.nii.gz": 241.849,
    "SIM-0001/interim_adc.nii.gz": 0.255966,
    "SIM-0002/baseline_pet.nii.gz": 0.324422,
    "SIM-0002/baseline_dce_early.nii.gz": 268.043,
    "SIM-0002/interim_adc.nii.gz": 0.320739,
}
"""Measured before there was a second world."""


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_first_world_is_the_default_and_what_it_was(tmp_path, monkeypatch):
    assert FIRST_WORLD.world == "amount"
    # The table follows from the patients alone; of the images two patients are enough.
    monkeypatch.setattr(trial, "_make_patients", lambda *_: (made for made in ()))
    cohort = simulate_trial(tmp_path / "trial", FIRST_WORLD)
    assert sha256(cohort.read_bytes()).hexdigest() == FIRST_WORLD_TABLE
    for index in (0, 1):
        make_patient(cohort.parent, FIRST_WORLD, index)
    for name, mean in FIRST_WORLD_MEANS.items():
        found = nib.load(cohort.parent / name).get_fdata().mean()
        assert found == pytest.approx(mean, rel=1e-4), name


def test_the_second_world_s_table_keeps_the_contract(pattern_folder, pattern_config):
    cohort = read_cohort(
        pattern_folder / "cohort.csv",
        timepoints=("baseline", "interim"),
        channels=CHANNELS,
        covariates=COVARIATES,
    )
    assert len(cohort.patients) == pattern_config.patients
    assert cohort.unused_columns == ()
    masks = [patient.visits["baseline"].mask is not None for patient in cohort.patients]
    assert any(masks)
    for patient in cohort.patients:
        assert patient.outcome.yT0yN0 is not None
        assert patient.visits["interim"].mask is None


def test_both_worlds_tables_have_the_same_columns(pattern_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_make_patients", lambda *_: (made for made in ()))
    first = simulate_trial(tmp_path / "trial", FIRST_WORLD).parent
    assert list(_rows(first)[0]) == list(_rows(pattern_folder)[0])


def test_the_second_world_says_that_it_is_simulated_and_which_it_is(pattern_folder):
    manifest = json.loads((pattern_folder / "simulation.json").read_text())
    assert manifest["simulated"] is True
    assert manifest["config"]["world"] == "pattern"
    row = _rows(pattern_folder)[0]
    assert row["patient_id"].startswith("SIM-")
    assert b"simulated" in nib.load(pattern_folder / row["baseline.pet"]).header["descrip"].item()


def test_the_same_seed_makes_the_same_bytes(pattern_folder, pattern_config, tmp_path):
    make_patient(tmp_path, pattern_config, 3)
    written = sorted(tmp_path.rglob("*.nii.gz"))
    assert written
    for path in written:
        assert path.read_bytes() == (pattern_folder / path.relative_to(tmp_path)).read_bytes()


def test_volumes_are_read_in_their_units_and_plausible_ranges(pattern_folder):
    for row in _rows(pattern_folder)[:4]:
        for timepoint in ("baseline", "interim"):
            for channel in CHANNELS:
                if path := row[f"{timepoint}.{channel}"]:
                    volume = read_volume(pattern_folder / path, channel)
                    body = volume.array[volume.array > 0.15]
                    if channel == "pet":
                        assert volume.unit == "SUVbw"
                        assert 0.3 < np.median(body) < 1.5
                        assert 1.0 < volume.array.max() < 40.0
                    if channel == "adc":
                        assert volume.unit == "1e-3 mm2/s"
                        assert 0.4 < np.median(body) < 2.5
                        assert volume.array.max() <= 3.6


def test_a_share_of_the_lesions_is_outlined_and_the_outline_lies_on_uptake(pattern_folder):
    enrolments = [enrol(SimulationConfig(world="pattern"), index) for index in range(600)]
    assert np.mean([each.outlined for each in enrolments]) == pytest.approx(0.8, abs=0.06)
    for row in _rows(pattern_folder):
        if not row["baseline.mask"]:
            continue
        mask = nib.load(pattern_folder / row["baseline.mask"])
        pet = nib.load(pattern_folder / row["baseline.pet"])
        to_pet = np.linalg.inv(pet.affine) @ mask.affine
        inside = nib.affines.apply_affine(to_pet, np.argwhere(np.asarray(mask.dataobj) > 0))
        suv = ndimage.map_coordinates(pet.get_fdata(), inside.T, order=1)
        assert suv.mean() > 2.0 * np.median(pet.get_fdata()[pet.get_fdata() > 0.3])


def _hot_centre_mm(image: np.ndarray, affine: np.ndarray, near_mm: np.ndarray) -> np.ndarray:
    """Centre of what is above half of the peak within 25 mm of a point."""
    points_mm = nib.affines.apply_affine(affine, np.argwhere(np.ones(image.shape)))
    values = np.where(np.linalg.norm(points_mm - near_mm, axis=1) < 25.0, image.ravel(), 0.0)
    return points_mm[values > 0.5 * np.percentile(values[values > 0.0], 99)].mean(axis=0)


def test_pet_and_mri_of_one_visit_show_the_tumour_at_the_same_place(pattern_folder):
    distances_mm = []
    for row in _rows(pattern_folder):
        names = [f"baseline.{name}" for name in ("mask", "pet", "dce_pre", "dce_early")]
        if not all(row[name] for name in names):
            continue
        mask, pet, pre, early = (nib.load(pattern_folder / row[name]) for name in names)
        inside = np.argwhere(np.asarray(mask.dataobj) > 0)
        near_mm = nib.affines.apply_affine(mask.affine, inside).mean(axis=0)
        enhanced = early.get_fdata() - pre.get_fdata()
        on_pet = _hot_centre_mm(pet.get_fdata(), pet.affine, near_mm)
        distances_mm.append(
            np.linalg.norm(on_pet - _hot_centre_mm(enhanced, early.affine, near_mm))
        )
    assert len(distances_mm) >= 5
    assert np.median(distances_mm) < 3.0
    assert max(distances_mm) < 8.0


def test_visits_lie_several_millimetres_and_degrees_apart():
    world = WORLDS["pattern"]
    shifts, angles = [], []
    for seed in range(200):
        first, second = (
            patient_to_world(
                np.random.default_rng((seed, visit)),
                right=True,
                visit_mm=world.visit_mm,
                visit_degrees=world.visit_degrees,
            )
            for visit in (0, 1)
        )
        between = second @ np.linalg.inv(first)
        shifts.append(np.linalg.norm(second[:3, 3] - first[:3, 3]))
        cosine = (np.trace(between[:3, :3]) - 1.0) / 2.0
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
    assert 6.0 < np.median(shifts) < 12.0
    assert 4.0 < np.median(angles) < 10.0


def test_worlds_with_the_same_seed_are_different_patients():
    first, second = (enrol(SimulationConfig(world=world, seed=3), 0) for world in WORLDS)
    assert first.patient.disease != second.patient.disease
