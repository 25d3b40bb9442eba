from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.golden import CASES, write_golden_cohort
from pcrnet.imaging.nifti.file import read_nifti
from pcrnet.models.frequencies import Frequencies


@pytest.fixture(scope="module")
def bundle(finished_run) -> Bundle:
    return Bundle.read(finished_run.bundle)


def golden_rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "cohort.csv").open(newline="") as stream:
        return {row["patient_id"]: row for row in csv.DictReader(stream)}


def test_the_same_bundle_gets_the_same_phantoms_byte_for_byte(
    bundle: Bundle, finished_run, tmp_path: Path
) -> None:
    manifest = bundle.manifest
    write_golden_cohort(tmp_path, manifest.data, manifest.imaging, bundle.model)
    written = sorted(path.name for path in tmp_path.iterdir())
    shipped = finished_run.bundle / "golden"
    answers = {"expected.csv", "inputs.json"}
    assert written == sorted({path.name for path in shipped.iterdir()} - answers)
    for name in written:
        assert (tmp_path / name).read_bytes() == (shipped / name).read_bytes(), name


def test_the_cases_show_all_scans_the_first_visit_and_one_channel(finished_run) -> None:
    rows = golden_rows(finished_run.bundle / "golden")
    scans = {
        name: {column for column, cell in row.items() if cell.endswith(".nii.gz")}
        for name, row in rows.items()
    }
    first = {"baseline.pet", "baseline.t2", "baseline.adc"}
    assert list(rows) == [f"golden-{case}" for case in CASES]
    assert scans["golden-complete"] == first | {"interim.pet", "interim.t2", "interim.adc"}
    assert scans["golden-first-visit"] == first
    assert scans["golden-one-channel"] == {"baseline.pet"}


def test_covariates_differ_between_two_cases_and_are_unknown_in_the_third(finished_run) -> None:
    rows = golden_rows(finished_run.bundle / "golden")
    two = [rows["golden-complete"], rows["golden-first-visit"]]
    assert {row["grade"] for row in two} == {"high", "low"}
    assert float(two[0]["age"]) > float(two[1]["age"])
    assert rows["golden-one-channel"]["age"] == rows["golden-one-channel"]["grade"] == ""


def test_phantoms_lie_obliquely_and_hold_values_of_their_units(finished_run) -> None:
    folder = finished_run.bundle / "golden"
    pet, affine = read_nifti(folder / "complete_baseline_pet.nii.gz")
    adc, _ = read_nifti(folder / "complete_baseline_adc.nii.gz")
    assert affine[0, 1] != 0.0
    assert 5.0 < pet.max() < 8.0
    assert 1.0 < adc.max() < 2.5
    assert np.linalg.norm(affine[:3, :3], axis=0) == pytest.approx([6.0] * 3)


def test_a_model_without_covariates_has_golden_cases_too(tmp_path: Path, bundle: Bundle) -> None:
    manifest = bundle.manifest
    model = Frequencies((0.0, 1.0, -1.0))
    path = write_golden_cohort(tmp_path / "new", manifest.data, manifest.imaging, model)
    assert set(golden_rows(path.parent)) == {f"golden-{case}" for case in CASES}
