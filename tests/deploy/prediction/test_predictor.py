from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pcrnet.cohort.outcome import HEADS
from pcrnet.decision.calibrators import head_probabilities
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.prediction.predictor import Predictor, load_predictor
from pcrnet.errors import IntegrityError, ProblemListError
from pcrnet.evaluation.tables.predictions import Predictions, read_predictions
from pcrnet.storage import sha256_file

CLI = [sys.executable, "-c", "import sys; from pcrnet.cli import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def predictor(finished_run) -> Predictor:
    return load_predictor(finished_run.bundle)


@pytest.fixture(scope="module")
def rows(tiny_trial) -> list[dict[str, str]]:
    with tiny_trial.cohort.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def whole(predictor: Predictor, tiny_trial) -> Predictions:
    found = predictor.predict_table(tiny_trial.cohort).predictions
    assert found is not None
    return found


def write_cohort(tiny_trial, name: str, rows: list[dict[str, str]]) -> Path:
    """A table beside the images of the tiny trial."""
    path = tiny_trial.cohort.with_name(name)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.slow
def test_a_fresh_process_reproduces_the_golden_cases(finished_run, one_thread, tmp_path) -> None:
    golden = finished_run.bundle / "golden"
    out = tmp_path / "predictions.csv"
    command = [
        *CLI,
        "predict",
        str(finished_run.bundle),
        str(golden / "cohort.csv"),
        "-o",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one_thread)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n"
    found, expected = read_predictions(out), read_predictions(golden / "expected.csv")
    assert found.patient_id == expected.patient_id
    for head in HEADS:
        np.testing.assert_allclose(found.prob[head], expected.prob[head], rtol=0, atol=1e-4)


def test_a_bundle_that_answers_its_golden_cases_otherwise_is_refused(
    finished_run, tmp_path: Path
) -> None:
    import shutil

    bundle = Path(shutil.copytree(finished_run.bundle, tmp_path / "bundle"))
    table = bundle / "golden" / "expected.csv"
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0]["prob_yN0"] = repr(float(rows[0]["prob_yN0"]) + 2e-4)
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    digests = json.loads((bundle / "checksums.json").read_text())
    digests["golden/expected.csv"] = sha256_file(table)
    (bundle / "checksums.json").write_text(json.dumps(digests))
    with pytest.raises(IntegrityError, match="golden"):
        load_predictor(bundle)


def test_predictions_are_the_calibrated_logits_of_the_model(
    predictor: Predictor, tiny_trial, whole: Predictions
) -> None:
    from pcrnet.cohort.table import read_cohort
    from pcrnet.imaging.tensors.cache import TensorCache

    manifest = predictor.bundle.manifest
    patients = {
        patient.patient_id: patient
        for patient in read_cohort(
            tiny_trial.cohort,
            timepoints=manifest.data.timepoints,
            channels=manifest.data.channels,
            covariates=manifest.covariates,
        ).patients
    }
    cache = TensorCache(tiny_trial.cache, manifest.data, manifest.imaging)
    ordered = [patients[name] for name in whole.patient_id]
    logits = predictor.bundle.model.logits(ordered, cache)
    expected = head_probabilities(predictor.bundle.calibrator.cells(logits))
    for head in HEADS:
        np.testing.assert_allclose(whole.prob[head], expected[head], atol=1e-6)
        assert set(whole.threshold[head]) == {manifest.operating_points[head]}


def test_a_patient_with_too_few_scans_is_refused_with_the_reason_and_the_others_predicted(
    predictor: Predictor, tiny_trial
) -> None:
    table = predictor.predict_table(tiny_trial.cohort)
    assert table.predictions is not None
    assert set(table.predictions.patient_id) == set(tiny_trial.patients)
    (reason,) = table.refused
    assert reason.patient == tiny_trial.left_out
    assert "scan" in str(reason)


def test_the_table_says_of_each_patient_where_the_lesion_came_from(
    whole: Predictions, finished_run
) -> None:
    """As the run's own table of the same patients does."""
    with (finished_run.directory / "patients.csv").open(newline="") as stream:
        of_run = {row["patient_id"]: row for row in csv.DictReader(stream)}
    for column in ("lesion", "lesion_quality"):
        assert list(whole.other[column]) == [of_run[name][column] for name in whole.patient_id]


def test_a_damaged_image_refuses_its_patient_alone(predictor: Predictor, tiny_trial, rows) -> None:
    broken = tiny_trial.cohort.with_name("broken.nii.gz")
    broken.write_bytes(b"\x1f\x8b nothing")
    table = predictor.predict_table(
        write_cohort(tiny_trial, "broken.csv", [{**rows[0], "baseline.pet": broken.name}, rows[1]])
    )
    broken.unlink()  # the folder is shared
    assert table.predictions is not None
    assert table.predictions.patient_id == (rows[1]["patient_id"],)
    assert [error.patient for error in table.refused] == [rows[0]["patient_id"]]


def test_nothing_is_written_when_every_patient_is_refused(
    predictor: Predictor, tiny_trial, rows, tmp_path: Path
) -> None:
    table = predictor.predict_table(write_cohort(tiny_trial, "last.csv", rows[-1:]))
    assert table.predictions is None
    with pytest.raises(ProblemListError, match=tiny_trial.left_out):
        table.write(tmp_path / "predictions.csv")
    assert not list(tmp_path.iterdir())


def test_a_table_without_outcomes_is_predicted_the_same(
    predictor: Predictor, tiny_trial, rows, whole: Predictions
) -> None:
    bare = [
        {key: text for key, text in row.items() if not key.startswith("yp")} for row in rows[:6]
    ]
    found = predictor.predict_table(write_cohort(tiny_trial, "bare.csv", bare)).predictions
    assert found is not None
    for head in HEADS:
        assert np.isnan(found.label[head]).all()
        np.testing.assert_array_equal(found.prob[head], whole.prob[head][:6])


def test_neither_order_nor_company_changes_a_prediction(
    predictor: Predictor, tiny_trial, rows, whole: Predictions
) -> None:
    shuffled = [rows[index] for index in (7, 2, 11)]
    found = predictor.predict_table(write_cohort(tiny_trial, "shuffled.csv", shuffled)).predictions
    assert found is not None
    assert found.patient_id == tuple(row["patient_id"] for row in shuffled)
    for head in HEADS:
        np.testing.assert_array_equal(found.prob[head], whole.prob[head][[7, 2, 11]])


def test_predictions_are_coherent_and_name_the_scans_that_were_used(whole: Predictions) -> None:
    for prob in (whole.prob, whole.uncalibrated_prob):
        assert (prob["yT0yN0"] <= np.minimum(prob["yT0"], prob["yN0"])).all()
    assert whole.scans is not None
    assert whole.scans[3] == ("baseline.pet", "baseline.t2", "baseline.adc")
    assert "baseline.pet" not in whole.scans[8]


def test_a_cohort_that_lacks_a_covariate_of_the_bundle_is_refused(
    predictor: Predictor, tiny_trial, rows
) -> None:
    bare = [{key: text for key, text in row.items() if key != "age"} for row in rows]
    with pytest.raises(ProblemListError, match="age"):
        predictor.predict_table(write_cohort(tiny_trial, "ageless.csv", bare))


def test_deployment_knows_nothing_of_training(finished_run) -> None:
    import pcrnet.deploy

    folder = Path(pcrnet.deploy.__file__).parent
    assert not any("pcrnet.training" in path.read_text() for path in folder.rglob("*.py"))
    assert Bundle.read(finished_run.bundle).manifest.data.cohort is None
