"""The page stands alone, says what the maps are, and lies beside maps on the native grids."""

import re

import pytest

from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.explain.page import write_explanation
from pcrnet.explain.patient import explain_patient
from pcrnet.imaging.nifti.file import read_nifti, read_nifti_header

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(finished_run, tiny_trial, tmp_path_factory):
    predictor = load_predictor(finished_run.bundle)
    patient = predictor.read_patients(tiny_trial.cohort)[0]
    found = explain_patient(predictor.bundle, patient, block_mm=60.0)
    out = tmp_path_factory.mktemp("page")
    return write_explanation(found, predictor.bundle, out), found, patient


def test_the_page_loads_nothing_and_names_no_path(written, tiny_trial):
    page, _, patient = written
    text = page.read_text()
    assert patient.patient_id in text
    assert tiny_trial.canary not in text
    assert not re.search(r'(src|href)="(?!data:)', text)


def test_each_map_lies_on_the_grid_of_its_scan(written):
    page, found, patient = written
    for one in found.occlusion:
        path = page.parent / "maps" / f"{one.timepoint}_{one.channel}_occlusion.nii.gz"
        array, affine = read_nifti(path)
        scan = read_nifti_header(patient.visits[one.timepoint].scans[one.channel])
        assert array.shape == scan.shape
        assert affine == pytest.approx(scan.affine, abs=1e-4)
