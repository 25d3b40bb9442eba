"""What the command line says of a table."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from pcrnet.cli import main
from pcrnet.errors import PredictionsError
from pcrnet.evaluation.tables.column_map import ColumnMap
from pcrnet.evaluation.tables.command import add_table_options, columns_of


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--predictions", action="append")
    add_table_options(parser)
    return parser.parse_args(words)


def test_every_option_reaches_the_columns() -> None:
    words = "--id case --prob p --prob yT0=q --label pCR --positive yes --threshold 40"
    found = columns_of(options("--predictions", "t.csv", *words.split(), "--scale", "percent"))
    assert found == ColumnMap(
        identifier="case",
        prob={"yT0yN0": "p", "yT0": "q"},
        label={"yT0yN0": "pCR"},
        threshold={"yT0yN0": 40.0},
        positive="yes",
        scale="percent",
    )


def test_columns_without_a_table_are_refused() -> None:
    with pytest.raises(PredictionsError, match="only a table of predictions"):
        columns_of(options("--prob", "p"))
    assert columns_of(options()) == ColumnMap()


def test_the_help_lists_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    text = capsys.readouterr().out
    for name in ("patient_id", "prob_<head>", "yT0yN0", "threshold_<head>", "fold", "scans"):
        assert name in text


def test_a_table_of_others_is_judged_and_what_is_missing_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"M{i};{'no' if i % 3 else 'yes'};{i % 7 + 1}0,5\n" for i in range(20))
    table = tmp_path / "theirs.csv"
    table.write_bytes(("# export\nID;pCR;score\n" + rows).encode("utf-16"))
    words = "--id ID --prob score --label pCR --positive yes --scale percent"
    mapped = words.split()
    few = "evaluation.bootstrap_draws=200"
    command = ["evaluate", "--predictions", str(table), "--out", str(tmp_path / "out"), few]
    assert main([*command, *mapped]) == 0
    assert "--threshold yT0yN0=NUMBER" in capsys.readouterr().err
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "decimal commas were read" in page
    assert main([*command, *mapped, "--threshold", "50"]) == 0
    assert "--threshold" not in capsys.readouterr().err
    assert main(command) == 2
