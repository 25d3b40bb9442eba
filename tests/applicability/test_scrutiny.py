"""A trained bundle knows its patients: they are alike, and what is done to a scan is noticed."""

import csv

import numpy as np
import pytest

from pcrnet.applicability.scrutiny import Applicability
from pcrnet.deploy.bundle import APPLICABILITY_FOLDER
from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.errors import UnlikeError
from pcrnet.imaging.nifti.file import read_nifti, write_nifti
from pcrnet.imaging.units import write_sidecar_unit
from pcrnet.imaging.volume import Volume

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def predictor(finished_run):
    return load_predictor(finished_run.bundle)


@pytest.fixture(scope="module")
def strange(tiny_trial):
    """The first two patients; the PET of the second is three times as bright, in random order."""
    with tiny_trial.cohort.open(newline="") as stream:
        rows = list(csv.DictReader(stream))[:2]
    name = rows[1]["baseline.pet"]
    array, affine = read_nifti(tiny_trial.cohort.parent / name)
    array = np.random.default_rng(0).permutation(array.ravel()).reshape(array.shape) * 3
    path = tiny_trial.cohort.parent / "strange_pet.nii.gz"
    write_nifti(Volume(array.astype(np.float32), affine, "SUVbw"), path)
    write_sidecar_unit(path, "SUVbw")
    rows[1]["baseline.pet"] = path.name
    table = tiny_trial.cohort.with_name("strange.csv")
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table, [row["patient_id"] for row in rows]


def test_training_patients_are_like_themselves(predictor, tiny_trial):
    table = predictor.predict(tiny_trial.cohort)
    unlike = [name for name, one in table.scrutinies.items() if one.likeness.doubts]
    assert len(unlike) <= 1


def test_the_strange_scan_is_named_in_the_table_and_the_probability_still_there(predictor, strange):
    cohort, (_, odd) = strange
    table = predictor.predict(cohort)
    row = table.predictions.patient_id.index(odd)
    assert "baseline.pet" in table.predictions.other["unlike_training"][row]
    assert "baseline.pet" in {doubt.where for doubt in table.scrutinies[odd].likeness.doubts}


def test_it_is_refused_where_that_is_asked_for(finished_run, strange):
    cohort, (plain, odd) = strange
    table = load_predictor(finished_run.bundle, refuse_unlike=True).predict(cohort)
    assert table.predictions.patient_id == (plain,)
    (reason,) = table.refused
    assert isinstance(reason, UnlikeError)
    assert reason.patient == odd


def test_every_probability_lies_in_its_interval(predictor, tiny_trial):
    table = predictor.predict(tiny_trial.cohort)
    for head, prob in table.predictions.prob.items():
        for name, own in zip(table.predictions.patient_id, prob, strict=True):
            interval = table.scrutinies[name].intervals[head]
            assert interval.low - 0.02 <= own <= interval.high + 0.02


def test_what_a_bundle_carries_reads_back(predictor, finished_run):
    again = Applicability.read(finished_run.bundle / APPLICABILITY_FOLDER, predictor.bundle.model)
    assert again.baseline.to_dict() == predictor.bundle.applicability.baseline.to_dict()
    assert again.certainty.calibrators == predictor.bundle.applicability.certainty.calibrators
