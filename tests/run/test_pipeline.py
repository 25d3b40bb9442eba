from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pcrnet.cohort.outcome import HEADS
from pcrnet.config.layers import load_experiment
from pcrnet.data.splits import Splits, read_splits
from pcrnet.decision.calibrators import calibrator_from_dict, head_probabilities
from pcrnet.errors import (
    CohortError,
    ConfigError,
    InsufficientScansError,
    PredictionsError,
    RunError,
)
from pcrnet.evaluation.tables.predictions import read_predictions
from pcrnet.run import pipeline
from pcrnet.run.directory import RunDirectory
from pcrnet.run.pipeline import cross_validate, train
from pcrnet.training.events import (
    EpochReport,
    FitFinished,
    FitsPlanned,
    Progressed,
    Remark,
    RunEvent,
)
from pcrnet.training.fit import FitJob, read_logits


def columns(path: Path) -> list[str]:
    with path.open(newline="") as stream:
        return next(csv.reader(stream))


def test_answers_that_are_not_there_are_missed_before_the_first_fit(tiny_trial, tmp_path) -> None:
    experiment = tiny_trial.experiment(tmp_path, "evaluation.answers=nowhere.yaml")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        train(experiment)
    assert not experiment.run.directory.exists()


def test_a_run_leaves_every_file_of_the_contract(finished_run) -> None:
    found = {path.relative_to(finished_run.directory) for path in finished_run.directory.rglob("*")}
    assert {
        Path(name)
        for name in (
            "config.yaml",
            "environment.json",
            "splits.json",
            "predictions.csv",
            "patients.csv",
            "flow.json",
            "decisions.json",
            "report/index.html",
            "report/metrics.json",
            "bundle/bundle.json",
            "folds/without-0-1/done.json",
            "folds/without-2/model/network-0.safetensors",
            "folds/with-all/done.json",
            "pictures/pictures.json",
        )
    } <= found
    assert len(list((finished_run.directory / "folds").glob("*/done.json"))) == 7
    assert not [path for path in found if ".partial" in path.name or path.suffix == ".ckpt"]


def test_the_table_of_predictions_has_the_columns_that_others_rely_on(finished_run) -> None:
    names = columns(finished_run.directory / "predictions.csv")
    assert names[:3] == ["patient_id", "site", "fold"]
    assert {*HEADS, *(f"prob_{head}" for head in HEADS), "scans"} <= set(names)


def test_everybody_with_enough_scans_is_predicted_and_the_flow_says_who_is_not(
    finished_run, tiny_trial
) -> None:
    predictions = read_predictions(finished_run.directory / "predictions.csv")
    assert predictions.patient_id == tiny_trial.patients
    flow = json.loads((finished_run.directory / "flow.json").read_text())
    assert [step["n"] for step in flow[:2]] == [20, 19]
    assert flow[1]["reason"] == "fewer than 2 scans"


def test_no_table_of_a_run_holds_an_incoherent_prediction(finished_run) -> None:
    tables = [path for path in finished_run.directory.rglob("*.csv") if "prob_yT0" in columns(path)]
    assert len(tables) >= 2  # the out-of-fold table and the golden answers at least
    for path in tables:
        table = read_predictions(path)
        for prob in filter(None, (table.prob, table.uncalibrated_prob)):
            assert (prob["yT0yN0"] <= prob["yT0"]).all(), path
            assert (prob["yT0yN0"] <= prob["yN0"]).all(), path
            assert (prob["yT0"] + prob["yN0"] - prob["yT0yN0"] <= 1 + 1e-12).all(), path


def test_each_prediction_follows_from_the_records_of_the_run_alone(finished_run) -> None:
    """Anybody can recompute the table from the logits on disk and the recorded calibrators."""
    directory = finished_run.directory
    predictions = read_predictions(directory / "predictions.csv")
    fold_of = read_splits(directory / "splits.json").fold_of
    decisions = json.loads((directory / "decisions.json").read_text())["outer_folds"]
    logits = {
        path.name: read_logits(path) for path in (directory / "folds").iterdir() if path.is_dir()
    }
    for row, name in enumerate(predictions.patient_id):
        outer = fold_of[name]
        own = logits[f"without-{outer}"][name]
        calibrator = calibrator_from_dict(decisions[outer]["calibrator"])
        expected = head_probabilities(calibrator.cells(own[None]))
        for head in HEADS:
            assert predictions.prob[head][row] == pytest.approx(expected[head][0], rel=1e-12)
            assert predictions.threshold[head][row] == decisions[outer]["thresholds"][head]


def test_no_name_path_or_note_of_the_hospital_leaves_the_machine(finished_run, tiny_trial) -> None:
    directory = finished_run.directory
    public = [directory / name for name in ("predictions.csv", "patients.csv", "splits.json")]
    public += [*(directory / "report").rglob("*"), *(directory / "bundle").rglob("*")]
    tracked = [path for path in (directory / "wandb").rglob("*") if path.is_file()]
    assert tracked, "wandb was to write its offline folder"
    canary, folder = tiny_trial.canary, str(tiny_trial.cohort.parent)
    assert canary not in finished_run.output
    for path in [*public, *tracked]:
        if path.is_file():
            content = path.read_bytes()
            assert canary.encode() not in content, path
            assert folder.encode() not in content, path


def test_losses_reach_wandb_and_nothing_about_a_patient(finished_run, tiny_trial) -> None:
    tracked = [path for path in (finished_run.directory / "wandb").rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in tracked)
    for word in (*tiny_trial.patients, "centre 1", "grade"):
        assert word.encode() not in content, word
    assert b"without-0-1/loss" in content


def test_a_finished_run_is_not_trained_again(finished_run, tiny_trial, tmp_path: Path) -> None:
    shutil.copytree(finished_run.directory, tmp_path / "tiny")
    before = (tmp_path / "tiny" / "predictions.csv").read_bytes()
    events: list[RunEvent] = []
    train(tiny_trial.experiment(tmp_path), events.append)
    fits = [event for event in events if isinstance(event, FitFinished)]
    assert len(fits) == 7 + 2 * 6  # those of the run, and of two rivals
    assert not any(fit.trained for fit in fits)
    assert (tmp_path / "tiny" / "predictions.csv").read_bytes() == before


def test_labels_that_changed_since_are_refused(finished_run, tiny_trial, tmp_path: Path) -> None:
    shutil.copytree(finished_run.directory, tmp_path / "tiny")
    text = tiny_trial.cohort.read_text()
    changed = tiny_trial.cohort.with_name("changed.csv")
    first = next(line for line in text.splitlines() if line.startswith("QX00-00"))
    assert ",0,0," in first
    changed.write_text(text.replace(first, first.replace(",0,0,", ",3,2,")))
    before = (tmp_path / "tiny" / "predictions.csv").read_bytes()
    experiment = tiny_trial.experiment(tmp_path, f"data.cohort={changed}")
    with pytest.raises(RunError):
        train(experiment)
    assert (tmp_path / "tiny" / "predictions.csv").read_bytes() == before


def test_a_cohort_of_which_nobody_has_enough_scans_is_refused(tiny_trial, tmp_path: Path) -> None:
    lines = tiny_trial.cohort.read_text().splitlines()
    lonely = tiny_trial.cohort.with_name("lonely.csv")
    lonely.write_text("\n".join([lines[0], lines[-1]]) + "\n")
    with pytest.raises(InsufficientScansError, match=r"data\.minimum_scans"):
        train(tiny_trial.experiment(tmp_path, f"data.cohort={lonely}"))


def test_isotonic_calibration_of_a_small_trial_is_refused_before_anything_is_trained(
    tiny_trial, tmp_path: Path
) -> None:
    events: list[RunEvent] = []
    with pytest.raises(PredictionsError, match=r"at least 500 patients[\s\S]*kind=chain"):
        train(
            tiny_trial.experiment(tmp_path, "evaluation.calibration.kind=isotonic"), events.append
        )
    assert not any(isinstance(event, FitsPlanned) for event in events)


def test_outcomes_under_another_name_are_refused_before_an_image_is_read(
    tiny_trial, tmp_path: Path
) -> None:
    table = tiny_trial.cohort.with_name("renamed.csv")
    text = tiny_trial.cohort.read_text()
    table.write_text(text.replace(",ypT,", ",pCR,", 1).replace(",ypN,", ",other,", 1))
    events: list[RunEvent] = []
    with pytest.raises(CohortError, match="no patient has a known outcome") as caught:
        train(tiny_trial.experiment(tmp_path, f"data.cohort={table}"), events.append)
    assert "rename pCR to yT0yN0" in caught.value.remedy
    assert tiny_trial.canary not in str(caught.value)
    assert not any(isinstance(event, Progressed) for event in events)


def test_outcomes_are_counted_by_fold_and_variables_that_would_steer_are_named(
    tiny_trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PL_TRAINER_FAST_DEV_RUN", "1")
    experiment = tiny_trial.experiment(
        tmp_path, "evaluation.mode=crossfit", "evaluation.variants=false"
    )
    events: list[RunEvent] = []
    train(experiment, events.append)
    remarks = [event.text for event in events if isinstance(event, Remark)]
    counts = [text for text in remarks if text.startswith("yT0yN0: ")]
    assert len(counts) == 1
    assert "by fold" in counts[0]
    assert any("PL_TRAINER_FAST_DEV_RUN: ignored" in text for text in remarks)
    epochs = [event for event in events if isinstance(event, EpochReport)]
    assert len(epochs) == (3 + 1) * 2


def test_a_gpu_that_is_asked_for_and_absent_ends_the_run_at_once(
    tiny_trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="a GPU is asked for"):
        train(tiny_trial.experiment(tmp_path, "training.accelerator=gpu"))
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize(("kind", "said"), [("network", 1), ("quantitative", 0)])
def test_images_that_nothing_varies_are_named_before_the_first_is_read(
    tiny_trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, said: int
) -> None:
    class ReadError(Exception):
        """The table is about to be read."""

    def read(*_: object) -> None:
        raise ReadError

    monkeypatch.setattr(pipeline, "prepare", read)
    settings = [item for item in tiny_trial.settings(tmp_path) if not item.startswith("model.")]
    experiment = load_experiment([*settings, "augmentation={kind: monai}", f"model.kind={kind}"])
    events: list[RunEvent] = []
    with pytest.raises(ReadError):
        train(experiment, events.append)
    remarks = [event.text for event in events if isinstance(event, Remark)]
    assert sum("varies no image" in text for text in remarks) == said


def test_crossfit_says_that_it_is_optimistic_when_a_run_ends(tiny_trial, tmp_path: Path) -> None:
    experiment = tiny_trial.experiment(
        tmp_path, "evaluation.mode=crossfit", "evaluation.variants=false", "training.max_steps=2"
    )
    events: list[RunEvent] = []
    result = train(experiment, events.append)
    remarks = [event.text for event in events if isinstance(event, Remark)]
    assert remarks[-1] == experiment.evaluation.caution
    assert remarks.count(experiment.evaluation.caution) == 1
    steps = [event.unit for event in events if isinstance(event, Progressed)]
    assert list(dict.fromkeys(steps))[:2] == ["files hashed", "patients hashed"]
    parts = ["describing the training patients", "drawing the figures", "writing the report"]
    assert [text for text in remarks if text in parts] == parts
    assert "Cross-fitting is optimistic" in result.report.read_text()


@pytest.fixture(scope="module")
def repeated_run(finished_run, tiny_trial, tmp_path_factory) -> tuple[Path, list[RunEvent]]:
    """The finished run, continued with a second repeat."""
    root = tmp_path_factory.mktemp("repeated")
    shutil.copytree(finished_run.directory, root / "tiny")
    events: list[RunEvent] = []
    train(tiny_trial.experiment(root, "evaluation.repeats=2"), events.append)
    return root / "tiny", events


def test_a_repeat_continues_a_run_and_trains_only_the_fits_that_are_judged(repeated_run) -> None:
    directory, events = repeated_run
    fits = {event.fit: event.trained for event in events if isinstance(event, FitFinished)}
    assert {name for name, trained in fits.items() if trained} == {
        f"repeat-2-without-{folds}" for folds in ("0-1", "0-2", "1-2", "0", "1", "2")
    }
    assert not (directory / "repeats" / "2" / "bundle").exists()


def test_a_repeat_has_other_folds_and_changes_nothing_of_the_first(
    repeated_run, finished_run
) -> None:
    directory, _ = repeated_run
    first, second = (read_splits(directory / n) for n in ("splits.json", "repeats/2/splits.json"))
    assert first.fold_of.keys() == second.fold_of.keys()
    assert first.fold_of != second.fold_of
    for name in ("predictions.csv", "splits.json", "decisions.json", "bundle/bundle.json"):
        assert (directory / name).read_bytes() == (finished_run.directory / name).read_bytes(), name


def test_the_report_averages_metrics_over_repeats_and_never_predictions(
    repeated_run, finished_run
) -> None:
    directory, _ = repeated_run
    metrics = json.loads((directory / "report" / "metrics.json").read_text())
    before = json.loads((finished_run.directory / "report" / "metrics.json").read_text())
    assert (metrics["repeats"], before["repeats"]) == (2, 1)
    values = metrics["spread_over_repeats"]["yT0"]["brier"]["values"]
    assert values[0] == before["heads"]["yT0"]["brier"]["value"]
    second = read_predictions(directory / "repeats" / "2" / "predictions.csv")
    known = np.isfinite(second.label["yT0"])
    by_hand = np.mean((second.prob["yT0"][known] - second.label["yT0"][known]) ** 2)
    assert values[1] == pytest.approx(by_hand, rel=1e-12)
    assert metrics["heads"]["yT0"]["brier"]["value"] == pytest.approx(np.mean(values), rel=1e-12)


def test_cross_validation_alone_gives_the_same_estimate_and_leaves_no_report_and_no_bundle(
    finished_run, tiny_trial, tmp_path: Path
) -> None:
    shutil.copytree(finished_run.directory / "folds", tmp_path / "tiny" / "folds")
    events: list[RunEvent] = []
    found = cross_validate(tiny_trial.experiment(tmp_path), events.append)
    assert not any(event.trained for event in events if isinstance(event, FitFinished))
    assert not (tmp_path / "tiny" / "report").exists()
    assert not (tmp_path / "tiny" / "bundle").exists()
    of_train = read_predictions(finished_run.directory / "predictions.csv")
    assert found.predictions.patient_id == of_train.patient_id
    for head, prob in of_train.prob.items():
        np.testing.assert_array_equal(found.predictions.prob[head], prob)
    metrics = json.loads((finished_run.directory / "report" / "metrics.json").read_text())
    assert found.metrics == metrics["heads"]


def test_a_rival_settles_its_own_precision(
    tiny_trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found of the run's network says nothing of MONAI's."""
    experiment = tiny_trial.experiment(tmp_path, "evaluation.rivals=[monai]")
    job = FitJob(experiment, (), (), Splits(3, {}), tmp_path, precision="bf16")
    asked: list[tuple[str, object, Path]] = []
    trained: list[object] = []

    def settle(job: FitJob, record: Path, listen: object) -> str:
        asked.append((job.experiment.model.kind, job.precision, record))
        return "32"

    monkeypatch.setattr(pipeline, "settle_precision", settle)
    monkeypatch.setattr(pipeline, "_fit", lambda job, *_: trained.append(job.precision))
    monkeypatch.setattr(pipeline, "judge", lambda *_: SimpleNamespace(predictions=None))
    monkeypatch.setattr(pipeline, "write_predictions", lambda *_: None)
    run = RunDirectory(tmp_path)
    pipeline._judge_rivals(run, job, {}, lambda event: None)
    assert asked == [("monai", None, run.rivals / "monai" / "precision.json")]
    assert asked[0][2] != run.precision
    assert trained == ["32"]
