from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pcrnet.cohort.outcome import HEADS
from pcrnet.cohort.table import read_cohort
from pcrnet.data.splits import make_splits
from pcrnet.decision.calibrators import head_probabilities
from pcrnet.decision.nested import FittedDecision, fit_decision, nested_estimate
from pcrnet.decision.training_size import brought_to_scale, steeper_in_all
from pcrnet.run.judging import decisions_record, judge, ship
from pcrnet.training.fit import LOGITS_FILE, FitJob
from pcrnet.training.plan import plan_fits

FOLDS = 5
COLUMNS = ("patient_id", "logit_yT0", "logit_yN0_given_yT0", "logit_yN0_given_residual")


@pytest.fixture
def job(tiny_trial, tmp_path: Path) -> FitJob:
    """Five folds of the tiny trial, with logits on disk that know the outcome a little."""
    experiment = tiny_trial.experiment(tmp_path, f"evaluation.folds={FOLDS}")
    cohort = read_cohort(
        tiny_trial.cohort,
        timepoints=experiment.data.timepoints,
        channels=experiment.data.channels,
        covariates=("age", "grade"),
    )
    patients = tuple(p for p in cohort.patients if p.patient_id != tiny_trial.left_out)
    splits = make_splits(patients, FOLDS, 1, "patient")
    made = FitJob(experiment, ("age", "grade"), patients, splits, tmp_path / "folds")
    generator = np.random.default_rng(5)
    for plan in plan_fits(FOLDS, "nested"):
        folder = made.directory / plan.name
        folder.mkdir(parents=True)
        with (folder / LOGITS_FILE).open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for patient in patients:
                if splits.fold_of[patient.patient_id] in plan.left_out:
                    centre = 1.0 if patient.outcome.yT0 else -1.0
                    writer.writerow([patient.patient_id, *(centre + generator.normal(0, 1, 3))])
    return made


def logits_on_disk(job: FitJob) -> dict[tuple[int, ...], np.ndarray]:
    found = {}
    for folder in job.directory.iterdir():
        left_out = tuple(int(part) for part in folder.name.split("-")[1:] if part != "all")
        rows = {row["patient_id"]: row for row in csv.DictReader((folder / LOGITS_FILE).open())}
        found[left_out] = np.array(
            [
                [
                    float(rows[p.patient_id][c]) if p.patient_id in rows else np.nan
                    for c in COLUMNS[1:]
                ]
                for p in job.patients
            ]
        )
    return found


def arrays(job: FitJob) -> tuple[np.ndarray, np.ndarray]:
    fold = np.array([job.splits.fold_of[p.patient_id] for p in job.patients])
    return fold, np.array([p.outcome.allowed_cells for p in job.patients])


def record(decision: FittedDecision) -> object:
    return decisions_record([], decision)["final"]


def test_what_ships_is_calibrated_on_what_single_fits_left_out(job: FitJob) -> None:
    fold, allowed = arrays(job)
    logits, config = logits_on_disk(job), job.experiment.judging
    own = np.stack([logits[(of,)][row] for row, of in enumerate(fold.tolist())])
    scaled = brought_to_scale(own, steeper_in_all(logits, fold))
    assert record(ship(job)) == record(fit_decision(scaled, allowed, config))


def test_the_table_is_the_nested_estimate_of_the_logits_on_disk(job: FitJob) -> None:
    fold, allowed = arrays(job)
    estimate = nested_estimate(fold, allowed, logits_on_disk(job), job.experiment.judging)
    scans = {p.patient_id: ("baseline.pet",) for p in job.patients}
    judged = judge(job, scans)
    assert judged.predictions.patient_id == tuple(p.patient_id for p in job.patients)
    assert list(map(record, judged.decisions)) == list(map(record, estimate.decisions))
    for head in HEADS:
        np.testing.assert_array_equal(judged.predictions.prob[head], estimate.probabilities[head])


def test_decisions_are_recorded_as_plain_numbers(job: FitJob) -> None:
    decision = ship(job)
    record = decisions_record([decision], decision)
    assert record["final"]["thresholds"] == decision.thresholds
    assert record["outer_folds"][0]["calibrator"] == decision.calibrator.to_dict()
    assert head_probabilities(decision.calibrator.cells(np.zeros((1, 3)))).keys() == set(HEADS)
