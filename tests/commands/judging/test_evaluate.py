"""``pcrnet evaluate`` as it is typed: a bundle with a cohort, and tables of repeats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pcrnet.cli import main
from pcrnet.evaluation.tables.predictions import read_predictions
from pcrnet.imaging.nifti.file import read_nifti, write_nifti
from pcrnet.imaging.volume import Volume


@pytest.fixture
def other_patients(tiny_trial, tmp_path: Path) -> Path:
    """A cohort like the tiny trial's, whose scans are a little brighter: other patients."""
    folder = tmp_path / "others"
    folder.mkdir()
    for path in tiny_trial.cohort.parent.glob("*.nii.gz"):
        array, affine = read_nifti(path)
        write_nifti(Volume(1.01 * array, affine, "arbitrary"), folder / path.name)
    return Path(shutil.copy(tiny_trial.cohort, folder))


def test_patients_of_the_training_are_no_external_validation(
    finished_run, tiny_trial, other_patients: Path, tmp_path: Path, capsys
) -> None:
    """One known scan is enough, whatever the patient and the file are called."""
    others = pd.read_csv(other_patients, dtype=str, keep_default_na=False)
    trained = pd.read_csv(tiny_trial.cohort, dtype=str, keep_default_na=False)
    shutil.copy(
        tiny_trial.cohort.parent / trained["baseline.t2"][0], tmp_path / "others" / "new.nii.gz"
    )
    others.loc[1, "baseline.t2"] = "new.nii.gz"
    others["patient_id"] = [f"other-{i}" for i in range(len(others))]
    others.to_csv(other_patients, index=False)
    out = tmp_path / "external"
    options = ["--bundle", str(finished_run.bundle), "--cohort", str(other_patients)]
    assert main(["evaluate", *options, "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert "1 of the patients took part in training this bundle: other-1" in told
    assert not out.exists()


def test_a_bundle_and_a_cohort_make_an_external_validation(
    finished_run, other_patients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "external"
    bundle, cohort = str(finished_run.bundle), str(other_patients)
    options = ["--bundle", bundle, "--cohort", cohort, "--out", str(out)]
    assert main(["evaluate", *options, "evaluation.bootstrap_draws=200"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == f"report: {out / 'index.html'}"
    assert main(["predict", bundle, cohort, "-o", str(tmp_path / "p.csv")]) == 0
    assert (tmp_path / "p.csv").read_bytes() == (out / "predictions.csv").read_bytes()
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["folds"] is None
    assert metrics["bundle"]["definition"] == "ypT0"
    assert len(metrics["bundle"]["sha256"]) == 64
    # One patient has too few scans and is in no figure: the report says so.
    assert 'id="flow"' in (out / "index.html").read_text()
    assert (out / "figures" / "flow.svg").is_file()
    mix = {row["label"]: row for row in metrics["validation"]["case_mix"]}
    assert int(mix["patients"]["validation"]) == len(read_predictions(out / "predictions.csv"))
    predictions = read_predictions(out / "predictions.csv")
    for head, found in metrics["heads"].items():
        known = np.isfinite(predictions.label[head])
        label, prob = predictions.label[head][known], predictions.prob[head][known]
        assert found["auc"]["value"] == pytest.approx(roc_auc_score(label, prob))
        assert found["sensitivity"]["n"] == label.sum()


def test_a_cohort_without_outcomes_is_refused_before_anything_is_predicted(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = small_bundle / "golden" / "cohort.csv"
    options = ["--bundle", str(small_bundle), "--cohort", str(table)]
    assert main(["evaluate", *options, "--out", str(tmp_path / "out")]) == 2
    assert "no outcome of its patients is known" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_tables_of_repeats_are_judged_together(
    finished_run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = str(finished_run.directory / "predictions.csv")
    again = tmp_path / "again.csv"
    again.write_bytes(Path(table).read_bytes())
    options = ["--predictions", table, "--predictions", str(again), "--out", str(tmp_path / "out")]
    assert main(["evaluate", *options, "evaluation.bootstrap_draws=200"]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["repeats"] == 2
    capsys.readouterr()
