"""``pcrnet check`` as it is typed."""

from __future__ import annotations

import shlex

import pandas as pd
import pytest

from pcrnet.cli import main


def test_every_problem_of_a_table_is_listed_and_no_path_of_a_cell(
    tiny_trial, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tiny_trial.cohort.read_text().splitlines()
    faulty = tiny_trial.cohort.with_name("faulty.csv")
    gone = lines[1].replace(f"{tiny_trial.canary}_0_baseline_pet", f"{tiny_trial.canary}_gone")
    faulty.write_text("\n".join([lines[0], gone, lines[2], lines[2]]) + "\n")
    options = ["data.branches={pet: [pet], mri: [t2, adc]}"]
    assert main(["check", str(faulty), *options]) == 2
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert "row 2" in text
    assert "row 4" in text
    assert f"{tiny_trial.canary}_" not in text  # what a cell holds; columns left aside are named
    assert str(tiny_trial.cohort.parent) not in text


def test_a_sound_table_passes_the_check(tiny_trial, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["data.branches={pet: [pet], mri: [t2, adc]}", "data.covariates=[age, grade]"]
    assert main(["check", str(tiny_trial.cohort), *options]) == 0
    shown = capsys.readouterr()
    assert "20" in shown.out
    assert tiny_trial.canary not in shown.err


def test_the_check_of_other_visits_ends_with_settings_that_can_be_pasted(
    tiny_trial, capsys: pytest.CaptureFixture[str]
) -> None:
    """On one line: the table above it is wrapped to the width of the terminal."""
    table = pd.read_csv(tiny_trial.cohort, dtype=str, keep_default_na=False)
    one_visit = tiny_trial.cohort.with_name("one_visit.csv")
    table[[name for name in table if not name.startswith("interim")]].to_csv(one_visit, index=False)
    assert main(["check", str(one_visit)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    settings = shlex.split(last.partition("these settings fit the table: ")[2])
    assert main(["check", str(one_visit), *settings]) == 0
    capsys.readouterr()
