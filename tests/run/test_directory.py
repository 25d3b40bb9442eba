from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.errors import RunError
from pcrnet.imaging.quantify.record import QuantityFlags
from pcrnet.run.directory import RunDirectory
from pcrnet.storage import read_json

HOLD = """
import sys, time
from pathlib import Path
from pcrnet.config.layers import load_experiment
from pcrnet.run.directory import RunDirectory
with RunDirectory(Path(sys.argv[1])).opened(load_experiment([])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_new_run_begins_with_its_resolved_configuration(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    experiment = load_experiment(["training.max_epochs=5"])
    with run.opened(experiment):
        assert load_experiment([str(run.config)]) == experiment


def test_a_second_process_is_refused_and_let_in_once_the_first_was_killed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    command = [sys.executable, "-c", HOLD, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another process"), run.opened(load_experiment([])):
            pass
        first.kill()
        first.wait()
    with run.opened(load_experiment([])):
        pass


def test_a_run_that_was_refused_before_its_folds_takes_other_settings(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.opened(load_experiment(["data.cohort=typo.csv"])):
        pass
    mended = load_experiment(["data.cohort=cohort.csv"])
    with run.opened(mended):
        assert load_experiment([str(run.config)]) == mended


def test_another_configuration_under_the_same_name_is_refused_with_its_keys(
    tmp_path: Path,
) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.opened(load_experiment([])):
        run.splits.touch()
    other = load_experiment(["training.max_epochs=5", "imaging.size=[16, 16, 16]"])
    with pytest.raises(RunError) as caught, run.opened(other):
        pass
    assert "imaging.size" in str(caught.value)
    assert "training.max_epochs" in str(caught.value)
    assert "training.batch_size" not in str(caught.value)
    assert load_experiment([str(run.config)]) == load_experiment([])


@pytest.mark.parametrize(
    "setting",
    [
        "run.root=elsewhere",
        "data.cache=elsewhere",
        "data.workers=2",
        "training.parallel_fits=2",
        "tracking.wandb=disabled",
        "evaluation.bootstrap_draws=500",
        "evaluation.seed=7",
        "evaluation.protocol=protocol.yaml",
        "evaluation.answers=answers.yaml",
    ],
)
def test_what_decides_no_fit_may_change(tmp_path: Path, setting: str) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.opened(load_experiment([])):
        run.splits.touch()
    with run.opened(load_experiment([setting])):
        assert load_experiment([str(run.config)]) == load_experiment([setting])


def test_the_environment_names_versions_seed_and_configuration(tmp_path: Path) -> None:
    first, second, third = (RunDirectory(tmp_path / name) for name in "abc")
    first.write_environment(load_experiment([]), simulated=True)
    second.write_environment(load_experiment(["run.root=x"]), simulated=True)
    third.write_environment(load_experiment(["run.seed=2"]), simulated=True)
    found = [read_json(run.environment) for run in (first, second, third)]
    assert found[0] == found[1]
    assert found[0]["config_sha256"] != found[2]["config_sha256"]
    assert found[0]["simulated"] is True
    assert found[2]["seed"] == 2
    assert {"torch", "monai", "numpy"} <= set(found[0]["libraries"])


def test_the_table_of_patients_says_where_each_lesion_was_taken_from(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    visits = {"baseline": SimpleNamespace(days=0.0)}
    patients = [
        SimpleNamespace(patient_id=name, site="Ulm", covariates={"age": 50.0}, visits=visits)
        for name in ("P1", "P2", "P3")
    ]
    flags = {
        "P1": QuantityFlags("mask", "baseline", math.nan, {}, ()),
        "P2": QuantityFlags("found", "baseline", 0.4321, {}, ()),
        "P3": QuantityFlags("none", None, math.nan, {}, ()),
    }
    run.write_patients(patients, ("age",), flags)
    with run.patients.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    said = [(row["patient_id"], row["lesion"], row["lesion_quality"]) for row in rows]
    assert said == [("P1", "mask", ""), ("P2", "found", "0.43"), ("P3", "none", "")]
    assert {row["age"] for row in rows} == {"50.0"}


def test_files_and_folders_that_a_killed_process_half_wrote_go_with_the_next_start(
    tmp_path: Path,
) -> None:
    run = RunDirectory(tmp_path / "run")
    code = (
        "import os, sys, pathlib; from pcrnet.drafts import draft_of\n"
        "run = pathlib.Path(sys.argv[1]); (run / 'folds').mkdir(parents=True)\n"
        "draft_of(run / 'bundle').mkdir(); draft_of(run / 'folds' / 'a.json').touch()\n"
        "os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.path)], check=False)
    assert done.returncode == 9
    assert len(list(run.path.rglob(".*.partial.*"))) == 2
    with run.opened(load_experiment([])):
        assert not list(run.path.rglob(".*.partial.*"))
