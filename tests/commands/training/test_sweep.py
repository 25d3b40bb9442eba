"""``pcrnet sweep`` as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pcrnet.cli import main
from pcrnet.sweeps import running
from pcrnet.sweeps.folder.layout import SweepLayout


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "widths.yaml"
    path.write_text("sweep: {search: grid, space: {model.width: [16, 32, 64]}}\n")
    return path


@pytest.fixture
def finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lets a sweep end with an outcome instead of searching."""

    def end(found: dict[str, Any]) -> SweepLayout:
        layout = SweepLayout(tmp_path / "sweeps" / "widths")
        monkeypatch.setattr(running, "run_sweep", lambda *_: (layout, found))
        return layout

    return end


def test_the_list_says_what_would_be_searched_and_trains_nothing(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep", str(file), "--list", f"run.root={tmp_path / 'runs'}"]
    assert main([*command, "sweep.budget.trials=2"]) == 0
    said = capsys.readouterr().out
    assert "sweep widths: grid search, 2 trials" in said
    assert "the grid has 3 points" in said
    assert "model.width: 16, 32, 64" in said
    assert not (tmp_path / "runs").exists()


def test_a_file_whose_name_is_none_says_what_to_set(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = file.rename(file.with_name("all widths.yaml"))
    assert main(["sweep", str(renamed), "--list"]) == 2
    assert "set sweep.name" in capsys.readouterr().err
    assert main(["sweep", str(renamed), "--list", "sweep.name=widths"]) == 0
    assert "sweep widths: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [("nested", 0.61234, "by nested selection: 0.6123"), ("fresh", None, "by fresh repeats: und")],
)
def test_the_winner_is_told_with_both_of_its_numbers(
    file: Path, finish, capsys: pytest.CaptureFixture[str], kind: str, value, shown: str
) -> None:
    layout = finish({"winner": "0a1b", "kind": kind, "value": value, "won_with": 0.5})
    assert main(["sweep", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{layout.report}\n"
    assert "winner: 0a1b" in said.err
    assert shown in said.err
    assert "it won with 0.5000, which is optimistic" in said.err


def test_where_no_trial_was_completed_the_report_says_why(
    file: Path, finish, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = finish({"winner": None})
    assert main(["sweep", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{layout.report}\n"
    assert "no trial was completed" in said.err
