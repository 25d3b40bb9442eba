from __future__ import annotations

import json

import numpy as np

from pcrnet.evaluation.one_outcome import failure_cases
from pcrnet.evaluation.tables.predictions import Predictions, read_predictions
from pcrnet.run.example_pictures import choose_examples


def table(
    prob: list[float], label: list[float], threshold: list[float] | None = None
) -> Predictions:
    return Predictions(
        patient_id=tuple(f"P{index}" for index in range(len(prob))),
        prob={"yT0yN0": np.array(prob)},
        label={"yT0yN0": np.array(label)},
        threshold={} if threshold is None else {"yT0yN0": np.array(threshold)},
    )


def test_a_clear_right_call_of_each_kind_comes_before_the_failures() -> None:
    predictions = table([0.9, 0.7, 0.2, 0.1, 0.8, 0.6, 0.3, 0.4], [1, 1, 0, 0, 0, 0, 1, 1])
    assert list(choose_examples(predictions)) == [
        ("Response, predicted", 0),
        ("Residual disease, predicted", 3),
        ("Residual disease missed", 4),
        ("Residual disease missed", 5),
        ("Response not recognised", 6),
        ("Response not recognised", 7),
    ]


def test_every_failure_case_of_the_report_has_its_picture(finished_run) -> None:
    predictions = read_predictions(finished_run.directory / "predictions.csv")
    listed = json.loads((finished_run.directory / "pictures" / "pictures.json").read_text())
    shown = {entry["patient_id"] for entry in listed}
    cases = failure_cases(predictions, "yT0yN0")
    assert cases
    assert {case.patient_id for case in cases} <= shown


def test_right_and_wrong_are_judged_at_each_patients_locked_threshold() -> None:
    chosen = dict(choose_examples(table([0.4, 0.4], [1, 1], [0.3, 0.6])))
    assert chosen == {"Response, predicted": 0, "Response not recognised": 1}


def test_without_a_locked_threshold_one_half_judges() -> None:
    assert dict(choose_examples(table([0.6], [1], [float("nan")]))) == {"Response, predicted": 0}


def test_a_probability_on_the_threshold_is_no_call_of_response() -> None:
    assert dict(choose_examples(table([0.5], [0], [0.5]))) == {"Residual disease, predicted": 0}


def test_patients_of_unknown_outcome_are_not_shown() -> None:
    predictions = table([0.1, 0.9, 0.8], [float("nan"), float("nan"), 0])
    assert list(choose_examples(predictions)) == [("Residual disease missed", 2)]


def test_a_run_shows_its_examples_with_what_was_predicted(finished_run) -> None:
    folder = finished_run.directory / "pictures"
    listed = json.loads((folder / "pictures.json").read_text())
    predictions = read_predictions(finished_run.directory / "predictions.csv")
    assert [entry["title"] for entry in listed] == [
        kind for kind, _ in choose_examples(predictions)
    ]
    for entry, (_, row) in zip(listed, choose_examples(predictions), strict=True):
        assert entry["patient_id"] == predictions.patient_id[row]
        assert f"{predictions.prob['yT0yN0'][row]:.2f}" in entry["caption"]
        assert (folder / entry["file"]).read_bytes().startswith(b"\x89PNG")
