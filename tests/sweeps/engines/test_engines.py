"""The same sweep on every engine, and workers that are killed."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
