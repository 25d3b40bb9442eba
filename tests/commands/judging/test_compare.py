"""``pcrnet compare`` as it is typed, on what a run has left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pcrnet.cli import main


@pytest.fixture
def twins(finished_run, tmp_path: Path) -> list[str]:
    """A run, and the same under another name."""
    names = ("config.yaml", "predictions.csv", "splits.json")
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        for name in names:
            shutil.copy(finished_run.directory / name, tmp_path / place)
    return [str(tmp_path / "one"), str(tmp_path / "other")]


def test_a_run_differs_from_its_twin_by_nothing(
    twins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["compare", *twins, "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out / "index.html")
    numbers = json.loads((out / "comparison.json").read_text())
    for head in numbers["first_less_other"][0]["heads"].values():
        assert head["auc"]["value"] == 0.0
    assert sorted(path.name for path in out.iterdir()) == ["comparison.json", "index.html"]


def test_without_a_folder_it_is_said_and_nothing_is_written(
    twins: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main(["compare", *twins]) == 0
    assert "AUC" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_cannot_be_written_is_told_before_the_runs_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    absent = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["compare", *absent, "--out", str(tmp_path / "file" / "out")]) == 2
    assert "a file stands where a folder is needed" in capsys.readouterr().err
    assert main(["compare", *absent]) == 2
    assert "error:" in capsys.readouterr().err
