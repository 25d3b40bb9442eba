"""Predictions of two days go into a log, and the log is watched."""

import json

import numpy as np
import pytest

from pcrnet.applicability.baseline import Baseline
from pcrnet.cli import main
from pcrnet.monitoring.log import Prediction, append, baseline_record, prediction_record, read_log


@pytest.fixture
def baseline():
    half = dict.fromkeys(("yT0", "yN0", "yT0yN0"), 0.4)
    return Baseline(("prob_yT0yN0",), np.array([0.4]), np.array([0.2]), np.eye(1), 240, half)


WORDS = "patient_id,ypT,ypN\nP0001,is,0\n"


@pytest.mark.parametrize(
    ("definition", "given", "responds"),
    [
        ("ypT0/is", [], 1.0),
        ("ypT0/is", ["--definition", "ypT0/is"], 1.0),
        ("ypT0", [], 0.0),
    ],
)
def test_outcomes_are_read_by_the_definition_of_the_bundle(
    definition, given, responds, baseline, tmp_path
):
    log, table = _log(tmp_path, baseline, definition), tmp_path / "outcomes.csv"
    table.write_text(WORDS)
    command = ["monitor", str(log), "--out", str(tmp_path / "watch"), "--outcomes", str(table)]
    assert main([*command, *given]) == 0
    labels = {one.patient: one.label for one in read_log(log).predictions}
    assert labels["P0001"]["yT0"] == responds


@pytest.mark.parametrize(("definitions", "given"), [(["ypT0/is"], ["ypT0"]), (["a", "b"], [])])
def test_a_definition_that_is_not_the_bundle_s_is_refused(
    definitions, given, baseline, tmp_path, capsys
):
    log, table = _log(tmp_path, baseline, *definitions), tmp_path / "outcomes.csv"
    table.write_text(WORDS)
    before = log.read_text()
    command = ["monitor", str(log), "--out", str(tmp_path / "watch"), "--outcomes", str(table)]
    assert main([*command, *(word for each in given for word in ("--definition", each))]) == 2
    assert "field --definition: the bundles of the log define" in capsys.readouterr().err
    assert log.read_text() == before


def _log(folder, baseline, *definitions):
    path = folder / "use.jsonl"
    one = Prediction("2026-01-01T00:00:00+00:00", "0" * 64, "P0001", "", {"prob_yT0yN0": 0.4})
    records = [
        baseline_record(str(number) * 64, baseline, definition)
        for number, definition in enumerate(definitions)
    ]
    append(path, [*records, prediction_record(one)])
    return path


@pytest.mark.slow
def test_predict_writes_the_log_that_monitor_reads(finished_run, tiny_trial, tmp_path, capsys):
    log, out = tmp_path / "use.jsonl", tmp_path / "watch"
    bundle, cohort = str(finished_run.bundle), str(tiny_trial.cohort)
    for day in ("monday", "tuesday"):
        table = tmp_path / f"{day}.csv"
        assert main(["predict", bundle, cohort, "-o", str(table), "--log", str(log)]) == 0
    assert main(["monitor", str(log), "--out", str(out), "--outcomes", cohort]) == 0
    record = json.loads((out / "monitor.json").read_text())
    assert record["patients"] == len(tiny_trial.patients)  # nobody counts twice
    assert record["outcomes"] > 0
    assert tiny_trial.canary not in log.read_text()
    assert tiny_trial.canary not in (out / "index.html").read_text()
    capsys.readouterr()


@pytest.mark.slow
def test_what_is_no_log_is_refused_before_anything_is_predicted(
    finished_run, tiny_trial, tmp_path, capsys
):
    log = tmp_path / "use.jsonl"
    log.write_text("a diary\n")
    table = tmp_path / "out.csv"
    arguments = [str(finished_run.bundle), str(tiny_trial.cohort), "-o", str(table)]
    assert main(["predict", *arguments, "--log", str(log)]) == 2
    assert "line 1" in capsys.readouterr().err
    assert not table.exists()
    assert log.read_text() == "a diary\n"
    assert main(["monitor", str(log), "--out", str(tmp_path / "watch")]) == 2
    assert not (tmp_path / "watch").exists()
