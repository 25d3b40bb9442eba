from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from pcrnet import processes
from pcrnet.cohort.table import read_cohort
from pcrnet.config.data import SimulationConfig
from pcrnet.drafts import draft_of
from pcrnet.errors import RunError
from pcrnet.imaging.reader import read_volume
from pcrnet.simulation import trial
from pcrnet.simulation.enrolment import CHANNELS, enrol
from pcrnet.simulation.trial import CELL_NAMES, COVARIATES, make_patient, simulate_trial
from pcrnet.source_code import digest_of_sources

# Coarse MRI keeps it quick; the grids of PET and diffusion are those of the default.
CONFIG = SimulationConfig(patients=12, seed=7, mri_spacing_mm=5.0, missing_scan_fraction=0.15)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return simulate_trial(tmp_path_factory.mktemp("trial") / "simulated", CONFIG).parent


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_cohort_table_keeps_the_contract(folder):
    cohort = read_cohort(
        folder / "cohort.csv",
        timepoints=("baseline", "interim"),
        channels=CHANNELS,
        covariates=COVARIATES,
    )
    assert len(cohort.patients) == CONFIG.patients
    assert cohort.unused_columns == ()
    for patient in cohort.patients:
        assert patient.outcome.yT0yN0 is not None
        assert patient.visits["baseline"].mask is not None
        assert patient.visits["interim"].mask is None
        assert all(float(value) >= 0.0 for value in patient.covariates.values())


def test_the_folder_holds_exactly_what_its_tables_name(folder):
    listed = {
        value
        for row in _rows(folder / "cohort.csv")
        for value in row.values()
        if value.endswith(".nii.gz")
    }
    assert set(_contents(folder)) - listed == {"cohort.csv", "oracle.csv", "simulation.json"}
    assert listed <= set(_contents(folder))


def test_volumes_are_read_in_their_units_and_plausible_ranges(folder):
    for row in _rows(folder / "cohort.csv")[:4]:
        for timepoint in ("baseline", "interim"):
            for channel in CHANNELS:
                if path := row[f"{timepoint}.{channel}"]:
                    volume = read_volume(folder / path, channel)
                    assert volume.array.min() >= 0.0
                    if channel == "pet":
                        assert volume.unit == "SUVbw"
                        assert 1.0 < volume.array.max() < 40.0
                    if channel == "adc":
                        assert volume.unit == "1e-3 mm2/s"
                        assert 1.0 < volume.array.max() <= 3.6


def test_the_mask_lies_on_a_channel_of_its_visit_and_on_the_tumour(folder):
    for row in _rows(folder / "cohort.csv"):
        mask = nib.load(folder / row["baseline.mask"])
        grids = [
            nib.load(folder / row[f"baseline.{channel}"])
            for channel in CHANNELS
            if row[f"baseline.{channel}"]
        ]
        assert any(
            grid.shape == mask.shape and np.allclose(grid.affine, mask.affine) for grid in grids
        )
        pet = nib.load(folder / row["baseline.pet"])
        inside = nib.affines.apply_affine(
            np.linalg.inv(pet.affine) @ mask.affine, np.argwhere(np.asarray(mask.dataobj) > 0)
        )
        suv = ndimage.map_coordinates(pet.get_fdata(), inside.T, order=1)
        assert suv.mean() > 2.0 * np.median(pet.get_fdata()[pet.get_fdata() > 0.3])


def test_everything_says_that_it_is_simulated(folder):
    manifest = json.loads((folder / "simulation.json").read_text())
    assert manifest["simulated"] is True
    assert manifest["config"] == CONFIG.model_dump(mode="json")
    for row in _rows(folder / "cohort.csv"):
        assert row["patient_id"].startswith("SIM-")
        header = nib.load(folder / row["baseline.pet"]).header
        assert b"simulated" in header["descrip"].item()


def test_the_oracle_holds_the_truth_about_the_same_patients(folder):
    cohort, oracle = _rows(folder / "cohort.csv"), _rows(folder / "oracle.csv")
    assert [row["patient_id"] for row in cohort] == [row["patient_id"] for row in oracle]
    for index, row in enumerate(oracle):
        truth = enrol(CONFIG, index).patient
        for visit, prob in (("baseline", truth.baseline_prob), ("interim", truth.interim_prob)):
            found = [float(row[f"{visit}_prob_{cell}"]) for cell in CELL_NAMES]
            assert found == pytest.approx(prob, abs=1e-12)
            assert sum(found) == pytest.approx(1.0)


def test_the_result_does_not_depend_on_the_number_of_processes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "available_cores", lambda: 1)
    again = simulate_trial(tmp_path / "again", CONFIG).parent
    assert _contents(again) == _contents(folder)


def test_an_interrupted_simulation_continues_to_the_same_result(folder, tmp_path, monkeypatch):
    made: list[int] = []

    def make_and_count(directory: Path, config: SimulationConfig, index: int) -> int:
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(index)
        return make_patient(directory, config, index)

    monkeypatch.setattr(processes, "available_cores", lambda: 1)
    monkeypatch.setattr(trial, "make_patient", make_and_count)
    with pytest.raises(KeyboardInterrupt):
        simulate_trial(tmp_path / "cut", CONFIG)
    assert not (tmp_path / "cut" / "cohort.csv").exists()
    # A patient whose files are not all there is made again; a killed writer leaves a temporary.
    (tmp_path / "cut" / "SIM-0002" / "baseline_pet.nii.gz").unlink()
    half = draft_of(tmp_path / "cut" / "SIM-0003" / "baseline_pet.nii.gz")
    dead = half.with_name(half.name.replace(f"-{os.getpid()}-", f"-{_ended_process()}-"))
    dead.write_bytes(b"half")

    monkeypatch.setattr(trial, "make_patient", make_patient)
    reports: list[tuple[int, int]] = []
    simulate_trial(tmp_path / "cut", CONFIG, progress=lambda *done: reports.append(done))
    assert reports[0] == (4, 12)
    assert reports[-1] == (12, 12)
    assert _contents(tmp_path / "cut") == _contents(folder)


def test_what_another_run_is_writing_in_the_same_folder_stays(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "cut")
    (tmp_path / "cut" / "simulation.json").rename(tmp_path / "cut" / "simulation.unfinished.json")
    half = draft_of(tmp_path / "cut" / "SIM-0003" / "baseline_pet.nii.gz")
    half.write_bytes(b"half")
    simulate_trial(tmp_path / "cut", CONFIG)
    assert half.read_bytes() == b"half"


def _ended_process() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_a_complete_simulation_is_used_as_it_is(folder, monkeypatch):
    def refuse(*_: object) -> int:
        raise AssertionError("made again")

    monkeypatch.setattr(trial, "_make_patients", refuse)
    assert simulate_trial(folder, CONFIG) == folder / "cohort.csv"


def test_another_simulation_s_folder_is_refused(folder):
    other = CONFIG.model_copy(update={"seed": 8})
    with pytest.raises(RunError, match="another configuration") as caught:
        simulate_trial(folder, other)
    assert caught.value.remedy


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "cohort.csv").write_text("patient_id\n")
    with pytest.raises(RunError, match="other files"):
        simulate_trial(tmp_path, CONFIG)
    assert (tmp_path / "cohort.csv").read_text() == "patient_id\n"


def test_all_of_the_simulation_and_the_kinetics_it_takes_decide_its_images():
    sources = trial.simulation_sources()
    inside = set(Path(trial.__file__).parent.rglob("*.py"))
    assert {path.stem for path in inside - sources} == {"__init__"}
    borrowed = {path.stem for path in sources if "simulation" not in path.parts}
    assert borrowed == {"kinetics", "tofts"}
    assert trial.code_digest() == digest_of_sources(sources)


def test_worker_processes_do_not_load_torch():
    code = "import sys, pcrnet.simulation.trial; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fine_grids_show_the_same_patient(folder, tmp_path):
    fine = CONFIG.model_copy(update={"mri_spacing_mm": 1.5})
    index = next(k for k in range(12) if enrol(CONFIG, k).mask_channel == "dce_early")
    make_patient(tmp_path, fine, index)
    name = enrol(CONFIG, index).files["baseline.mask"]
    coarse_mask, fine_mask = nib.load(folder / name), nib.load(tmp_path / name)
    assert nib.affines.voxel_sizes(fine_mask.affine) == pytest.approx((1.5, 1.5, 3.0), rel=1e-4)
    volumes_mm3 = [
        np.asarray(mask.dataobj).sum() * np.prod(nib.affines.voxel_sizes(mask.affine))
        for mask in (coarse_mask, fine_mask)
    ]
    assert volumes_mm3[0] == pytest.approx(volumes_mm3[1], rel=0.15)


def _log_suv_change(folder: Path, row: dict[str, str]) -> float:
    """Log ratio of SUVmax at interim to baseline near the baseline mask, from the files alone."""
    mask = nib.load(folder / row["baseline.mask"])
    points = nib.affines.apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj) > 0))
    peaks = []
    for timepoint in ("baseline", "interim"):
        pet = nib.load(folder / row[f"{timepoint}.pet"])
        index = np.rint(nib.affines.apply_affine(np.linalg.inv(pet.affine), points)).astype(int)
        index = np.clip(index, 0, np.array(pet.shape) - 1)
        near = np.zeros(pet.shape, dtype=bool)
        near[tuple(index.T)] = True
        near = ndimage.binary_dilation(near, iterations=2)
        peaks.append(np.sort(pet.get_fdata()[near])[-5:].mean())
    return float(np.log(peaks[1] / peaks[0]))


def test_the_sensitivity_to_therapy_is_in_the_images(tmp_path):
    config = SimulationConfig(patients=24, seed=3, mri_spacing_mm=6.0, missing_scan_fraction=0.0)
    folder = simulate_trial(tmp_path / "evidence", config).parent
    change = [_log_suv_change(folder, row) for row in _rows(folder / "cohort.csv")]
    oracle = _rows(folder / "oracle.csv")
    sensitivity = np.array([float(row["tumour_sensitivity"]) for row in oracle])
    assert np.corrcoef(change, sensitivity)[0, 1] < -0.7
    likely = [float(row["interim_prob_yT0_yN0"]) > 0.5 for row in oracle]
    assert roc_auc_score(likely, -np.array(change)) > 0.75
