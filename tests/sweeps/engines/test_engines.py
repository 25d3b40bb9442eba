"""The same sweep on every engine, and workers that are killed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pcrnet.config.sweep import LocalEngine, SweepConfig
from pcrnet.config.training import TrainingConfig
from pcrnet.errors import RunError
from pcrnet.sweeps.engines.command import work_command
from pcrnet.sweeps.engines.local import run_local, workers_here
from pcrnet.sweeps.engines.on_ray import _check_resources
from pcrnet.sweeps.folder.layout import SweepLayout
from pcrnet.sweeps.joining import begin, join
from pcrnet.sweeps.plan.settings import load_sweep

ROOT = Path(__file__).resolve().parents[3]
SECTION = {
    "search": {"kind": "tpe", "startup": 2},
    "batch": 2,
    "budget": {"trials": 4},
    "space": {
        "data.covariates": [["age"], ["grade"], ["age", "grade"]],
        "model.kind": {"quantitative": {}, "clinical": {}},
    },
}
ENGINES = {
    "local": {"kind": "local", "workers": 2},
    "ray": {"kind": "ray", "workers": 2},
    "slurm": {"kind": "slurm", "workers": 2, "cluster": "local", "cpus": 1},
}


def settings(folder, tiny_trial, name, **more):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"sweep": SECTION | {"name": name} | more}))
    return path, tiny_trial.settings(folder)


def numbers(layout: SweepLayout):
    """What no engine may change."""
    rows = list(csv.DictReader(layout.table.open(newline="")))
    estimate = json.loads(layout.estimate.read_text())
    estimate["fits"].pop("made")
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows], estimate


@pytest.fixture(scope="module")
def alone(tiny_trial, tmp_path_factory):
    """The sweep by this process alone."""
    folder = tmp_path_factory.mktemp("alone")
    path, rest = settings(folder, tiny_trial, "alone")
    layout = begin(load_sweep(path, rest))
    join(layout.path)
    return numbers(layout)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_finds_what_one_worker_finds(engine, alone, tiny_trial, tmp_path, one_thread):
    path, rest = settings(tmp_path, tiny_trial, engine, engine=ENGINES[engine])
    done = subprocess.run(
        [sys.executable, "-m", "pcrnet.cli", "sweep", str(path), *rest],
        env=one_thread | {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_USAGE_STATS_ENABLED": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    layout = SweepLayout(tmp_path / "sweeps" / engine)
    assert done.stdout.strip() == str(layout.report)
    assert "which is optimistic" in done.stderr
    assert numbers(layout) == alone
    assert list((layout.path / "logs").rglob("*"))


@pytest.mark.slow
def test_kills_change_no_number_and_no_fit_is_made_twice(tmp_path, one_thread):
    """The short form of the benchmark: three small trials, a worker killed every four fits."""
    out = tmp_path / "sweep.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "sweep.py"), "kills", "--fits", "4"]
    command += ["--folder", str(tmp_path), "--out", str(out), "sweep.budget.trials=3"]
    command += ["data.simulation.patients=18", "data.simulation.mri_spacing_mm=6.0"]
    command += ["imaging.size=[8,8,8]", "imaging.spacing_mm=[12,12,12]"]
    command += ["sweep.space={model.width: [8, 16], training.learning_rate: [0.001, 0.003]}"]
    command += [
        "sweep.search=grid",
        "sweep.pruning=false",
        "model.encoder.widths=[8]",
        "model.encoder.blocks=[0]",
    ]
    command += ["model.encoder.stem_width=4", "model.networks=1", "model.fusion.heads=2"]
    done = subprocess.run(
        command, env=one_thread, capture_output=True, text=True, check=False, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())["kills"]
    assert found["kills"] >= 2
    assert found["trials"] == 3
    assert found["made_again"] == []
    assert found["said_twice"] == 0
    for same in ("same_trials", "same_estimate", "same_predictions"):
        assert found[same], same


def test_a_worker_that_finds_a_fault_ends_the_sweep_with_its_words(tmp_path, begun):
    _, layout = begun()
    layout.begun.write_text('{"code": "another"}')
    with pytest.raises(RunError, match="another version of pcrnet"):
        run_local(layout, 1, tmp_path / "logs", lambda: 0)


def test_a_worker_ends_with_who_started_it(begun):
    """Its standard input is the rope: cut it and it goes, whatever it is at."""
    _, layout = begun()
    process = subprocess.Popen(
        work_command(layout.path, attached=True), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    process.stdin.close()
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() not in (None, 0)


def test_auto_means_what_cores_and_threads_allow():
    config = SweepConfig(name="a", space={"model.width": (1, 2)}, threads=1_000)
    training = TrainingConfig(accelerator="cpu")
    assert workers_here(LocalEngine(), config, training) == 1
    assert workers_here(LocalEngine(workers=5), config, training) == 5
    assert (
        1
        <= workers_here(LocalEngine(), config.model_copy(update={"threads": 1}), training)
        <= len(os.sched_getaffinity(0))
    )


def test_what_a_cluster_could_never_give_is_refused_instead_of_waited_for():
    from pcrnet.config.sweep import RayEngine

    with pytest.raises(RunError, match="the whole cluster has 0"):
        _check_resources({"CPU": 2.0}, RayEngine(gpus=1.0))
    _check_resources({"CPU": 2.0}, RayEngine(cpus=2.0))
