"""Outcomes by another definition are not taken for the bundle's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.deploy.prediction.outcome_definition import require_same_outcome
from pcrnet.errors import BundleError


def write(tmp_path: Path, columns: str, settings: str | None) -> Path:
    table = tmp_path / "cohort.csv"
    table.write_text(f"patient_id,{columns}\nP1,{','.join('0' * len(columns.split(',')))}\n")
    if settings is not None:
        table.with_suffix(".yaml").write_text(settings)
    return table


OTHER = "outcome:\n  definition: ypT0/is\n"


@pytest.mark.parametrize("columns", ["yT0", "yT0yN0", "yT0,yN0", "ypT,yT0yN0"])
def test_what_somebody_else_judged_by_another_definition_is_refused(
    tmp_path: Path, columns: str
) -> None:
    with pytest.raises(BundleError, match="is ypT0, that of the table is ypT0/is"):
        require_same_outcome(write(tmp_path, columns, OTHER), "ypT0")


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        ("yT0", None),
        ("yT0", "outcome:\n  definition: ypT0\n"),
        ("ypT,ypN", OTHER),  # read by the bundle's own definition
        ("yN0", OTHER),  # the nodes have one definition
        ("yT0", "data:\n  timepoints: [baseline]\n"),
        ("yT0", "outcome: [1]\n"),
        ("yT0", "outcome:\n  definition: [1]\n"),
        ("yT0", "notes: {"),
        ("yT0", "- a list"),
        ("yT0", "\x00"),
    ],
)
def test_the_same_or_an_unknown_definition_is_taken(
    tmp_path: Path, columns: str, settings: str | None
) -> None:
    require_same_outcome(write(tmp_path, columns, settings), "ypT0")


def test_a_table_that_is_not_there_is_somebody_elses_matter(tmp_path: Path) -> None:
    require_same_outcome(tmp_path / "cohort.csv", "ypT0")
