"""``pcrnet simulate`` as it is typed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pcrnet.cli import main
from pcrnet.config.data import SimulationConfig
from pcrnet.simulation import trial


@pytest.mark.parametrize("world", ["amount", "pattern"])
def test_the_options_are_the_settings_of_the_simulation(
    world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, SimulationConfig]] = []

    def simulate(out: Path, config: SimulationConfig, progress: object) -> Path:
        asked.append((out, config))
        return out / "cohort.csv"

    monkeypatch.setattr(trial, "simulate_trial", simulate)
    out = tmp_path / "trial"
    options = ["--world", world, "--patients", "12", "--seed", "5", "--sites", "3"]
    assert main(["simulate", str(out), *options, "--mri-spacing-mm", "6"]) == 0
    assert capsys.readouterr().out == f"{out / 'cohort.csv'}\n"
    expected = SimulationConfig(world=world, patients=12, seed=5, sites=3, mri_spacing_mm=6.0)
    assert asked == [(out, expected)]


@pytest.mark.slow
def test_a_cohort_that_check_calls_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trial"
    assert main(["simulate", str(out), "--patients", "10", "--mri-spacing-mm", "8"]) == 0
    table = Path(capsys.readouterr().out.strip())
    with table.open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 10
    assert main(["check", str(table)]) == 0
    capsys.readouterr()
    # Of the same options it is there already; of others the folder is refused.
    again = ["simulate", str(out), "--patients", "10"]
    assert main([*again, "--mri-spacing-mm", "8"]) == 0
    assert main([*again, "--mri-spacing-mm", "8", "--seed", "9"]) == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--patients", "9"), ("--sites", "0"), ("--mri-spacing-mm", "-1"), ("--seed", "-1")],
)
def test_what_is_no_trial_is_refused_by_the_option_that_was_typed(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(tmp_path / "trial"), option, value]) == 2
    assert option.replace("-", "_").strip("_") in capsys.readouterr().err.replace("-", "_")
    assert not (tmp_path / "trial").exists()
