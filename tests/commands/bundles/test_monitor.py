"""Predictions of two days go into a log, and the log is watched."""

import json

import pytest

from pcrnet.cli import main

pytestmark = pytest.mark.slow


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
