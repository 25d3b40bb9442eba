"""Every shipped configuration loads, says what it is for, and runs through the real pipeline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pcrnet.config.data import SimulationConfig
from pcrnet.config.layers import load_experiment
from pcrnet.config.plain_yaml import read_yaml
from pcrnet.run.pipeline import train
from pcrnet.simulation.trial import simulate_trial

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml")) + sorted((ROOT / "configs/encoders").glob("*"))
NAMES = [path.relative_to(ROOT / "configs").as_posix() for path in CONFIGS]

# Few steps on few patients; a configuration keeps everything else that it sets.
FEW = [
    "training.max_steps=1",
    "training.parallel_fits=1",
    "evaluation.folds=3",
    "evaluation.bootstrap_draws=200",
    "tracking.wandb=disabled",
]
# Rivals and ablations are the same whatever the encoder is: the files that set neither go without.
ALONE = ["model.networks=1", "evaluation.rivals=[]", "evaluation.variants=false"]
# What is as large as the trial is made smaller, its encoder aside; the smallest stands in for bf16,
# which few CPUs compute quickly, and runs as shipped below.
CHANGED = {
    "trial.yaml": [
        "model.networks=1",
        "imaging.spacing_mm=[6,6,6]",
        "imaging.size=[32,32,32]",
        "training.precision='32'",
        "training.batch_size=2",
        "evaluation.mode=crossfit",
        "imaging.alignment.kind=none",
    ],
    "smoke.yaml": ["training.precision=bf16", *ALONE],
    **{name: ALONE for name in NAMES if name.startswith("encoders/")},
}


def _keys(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


@pytest.fixture(scope="module")
def tiny_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = SimulationConfig(patients=12, sites=2, seed=5, mri_spacing_mm=6.0)
    return simulate_trial(tmp_path_factory.mktemp("trial"), config)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def test_the_simulated_configuration_states_the_default() -> None:
    assert load_experiment([str(ROOT / "configs/simulated.yaml")]) == load_experiment([])


def test_the_simulated_configuration_writes_out_every_key_of_the_kinds_that_it_chooses() -> None:
    written = read_yaml(ROOT / "configs/simulated.yaml")
    assert dict(_keys(written)) == dict(_keys(load_experiment([]).model_dump(mode="json")))


def test_every_configuration_names_its_run_after_its_file() -> None:
    for path in CONFIGS:
        assert load_experiment([str(path)]).run.name == path.stem


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_opens_with_command_run_time_and_what_to_expect(name: str) -> None:
    text = (ROOT / "configs" / name).read_text(encoding="utf-8")
    opening = text[: text.index("\nrun:")]
    assert all(line.startswith("#") for line in opening.splitlines())
    assert "# Command:" in opening
    assert name in opening
    assert "# Run time:" in opening
    assert "# Expect:" in opening


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_trains_reports_and_ships(
    name: str,
    tiny_cohort: Path,
    runs: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)  # where the commands in the files are typed
    cohort = tiny_cohort
    if name == "sts_petmr.yaml":
        cohort = request.getfixturevalue("test_data") / "sts_petmr_cohort" / "cohort.csv"
    where = [f"data.cohort={cohort}", f"run.root={runs}"]
    config = str(ROOT / "configs" / name)
    result = train(load_experiment([config, *FEW, *CHANGED.get(name, []), *where]))
    assert result.report.is_file()
    assert (result.bundle / "bundle.json").is_file()
    assert result.metrics["yT0yN0"]["auc"]["n"] > 0


@pytest.mark.slow
def test_the_smoke_configuration_as_shipped_comes_through_to_its_report(tmp_path: Path) -> None:
    command = [sys.executable, "train.py", "configs/smoke.yaml", f"run.root={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "smoke" / "report" / "index.html").is_file()
    assert (tmp_path / "smoke" / "bundle" / "bundle.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("patients", "seed"), [(24, 11), (40, 2)])
def test_trials_of_other_sizes_and_seeds_come_through_to_their_reports(
    patients: int, seed: int, tmp_path: Path
) -> None:
    size = [f"data.simulation.patients={patients}", "data.simulation.mri_spacing_mm=6.0"]
    seeds = [f"data.simulation.seed={seed}", f"run.seed={seed}"]
    settings = [*FEW, *size, *seeds, f"run.root={tmp_path}"]
    result = train(load_experiment([str(ROOT / "configs/smoke.yaml"), *settings]))
    assert result.report.is_file()
    assert result.metrics["yT0yN0"]["auc"]["n"] > 0
