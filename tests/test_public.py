"""The door in Python: light to open, the same rooms behind it as behind the command line."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pcrnet
from pcrnet import public
from pcrnet.evaluation.tables.predictions import read_predictions

ROOT = Path(__file__).parents[1]


def test_importing_is_quick_and_imports_no_network() -> None:
    program = (
        "import sys, pcrnet\n"
        "heavy = {'torch', 'pytorch_lightning', 'monai', 'numpy', 'scipy', 'pydantic', 'yaml'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "pcrnet.load_experiment, pcrnet.train, pcrnet.load_bundle, pcrnet.read_volume\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True, cwd=ROOT)
        bare = time.perf_counter() - start
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import pcrnet"], check=True, cwd=ROOT)
        spent.append(time.perf_counter() - start - bare)
    assert min(spent) < 0.3


def test_every_name_is_there_documented_and_typed() -> None:
    for name in pcrnet.__all__:
        found = getattr(pcrnet, name)
        if inspect.isfunction(found):
            assert found.__doc__
            assert inspect.signature(found).return_annotation is not inspect.Signature.empty
    assert set(public.__all__) < set(pcrnet.__all__) <= set(dir(pcrnet))
    with pytest.raises(AttributeError, match="no attribute 'tranes'"):
        _ = pcrnet.tranes


def test_a_cohort_is_read_by_the_defaults_or_as_asked(tiny_trial) -> None:
    cohort = pcrnet.read_cohort(
        str(tiny_trial.cohort), channels=["pet", "t2", "adc"], covariates=["age"]
    )
    assert {patient.patient_id for patient in cohort.patients} >= set(tiny_trial.patients)
    with pytest.raises(pcrnet.PcrnetError, match="dce_early"):
        pcrnet.read_cohort(tiny_trial.cohort)


def test_a_volume_has_millimetres_and_a_unit(tiny_trial) -> None:
    path = next(tiny_trial.cohort.parent.glob("*baseline_pet*"))
    volume = pcrnet.read_volume(str(path), "pet")
    assert volume.array.ndim == 3
    assert volume.affine.shape == (4, 4)
    assert volume.unit == "SUVbw"


def test_a_bundle_predicts_as_the_command_does(finished_run, tiny_trial) -> None:
    from pcrnet.cli import main

    table = pcrnet.load_bundle(str(finished_run.bundle)).predict(str(tiny_trial.cohort))
    out = finished_run.directory.parent / "by_command.csv"
    assert main(["predict", str(finished_run.bundle), str(tiny_trial.cohort), "-o", str(out)]) == 0
    by_command = read_predictions(out)
    assert table.predictions is not None
    assert table.predictions.patient_id == by_command.patient_id
    np.testing.assert_array_equal(table.predictions.prob["yT0"], by_command.prob["yT0"])


def test_a_run_and_a_table_are_evaluated_alike(finished_run, tmp_path: Path) -> None:
    from pcrnet.config.evaluation import EvaluationConfig

    table = finished_run.directory / "predictions.csv"
    config = EvaluationConfig(bootstrap_draws=200)
    report = pcrnet.evaluate(str(table), str(tmp_path / "out"), config=config)
    assert report == tmp_path / "out" / "index.html"
    for wrong in ([table], [finished_run.directory, tmp_path / "out"]):
        with pytest.raises(pcrnet.PcrnetError):
            pcrnet.evaluate(*wrong)
