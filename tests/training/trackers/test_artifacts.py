"""What leaves with a logger names neither patients nor columns."""

from __future__ import annotations

import json
import shutil

import pytest

from pcrnet.run_layout import RunLayout
from pcrnet.training.trackers.artifacts import artifact


@pytest.mark.slow
def test_what_is_shared_of_a_run_names_no_patient_and_no_column(
    finished_run, tiny_trial, tmp_path
) -> None:
    run = RunLayout(finished_run.directory)
    assert artifact("bundle", run, tmp_path) == run.bundle
    metrics = artifact("metrics", run, tmp_path)
    report = artifact("report", run, tmp_path)
    assert metrics is not None
    assert report is not None
    assert json.loads(metrics.read_text())["heads"]["yT0yN0"]["auc"]["n"] > 0
    files = [metrics, *report.iterdir()]
    assert len(files) > 5
    for file in files:
        text = file.read_text()
        assert tiny_trial.canary not in text
        for name in (*tiny_trial.patients, "grade", "centre 1"):
            assert name not in text, file.name


def test_a_run_without_results_shares_nothing(tmp_path) -> None:
    run = RunLayout(tmp_path / "run")
    for name in ("bundle", "metrics", "report"):
        assert artifact(name, run, tmp_path / "shared") is None
    shutil.rmtree(tmp_path / "shared", ignore_errors=True)
