"""CSV that spreadsheets do not run and pcrnet reads back exactly."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcrnet.csv_text import csv_of_records, csv_text, guard, unguard

STARTS = tuple("=+-@\t\r\n")


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "+cmd", "-cmd|x", "@SUM(A1)", "\t=1", "\r=1", "＝1"]
)
def test_a_formula_does_not_begin_its_cell(text):
    assert guard(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+1", "-1e-300", "P-001", "'quoted'", "", "O'Brien"])
def test_numbers_and_plain_text_stay_as_they_are(text):
    assert guard(text) == text


@given(st.text(st.sampled_from("'=+-@\t\r\nP1.e"), max_size=5))
def test_every_text_comes_back_and_no_cell_is_run(text):
    cell = guard(text)
    assert unguard(cell) == text
    if cell.startswith(STARTS):
        float(cell)


def test_records_are_read_back_by_another_library():
    records = [{"id": "a, b", "x": -0.5, "site": 'the "first"'}, {"id": "c", "site": None}]
    table = pd.read_csv(io.StringIO(csv_of_records(["id", "site", "x"], records)))
    assert table["id"].tolist() == ["a, b", "c"]
    assert table["site"].tolist()[0] == 'the "first"'
    assert table["x"].tolist()[0] == -0.5
    assert table.isna().to_numpy().tolist() == [[False] * 3, [False, True, True]]


def test_headers_are_guarded_as_cells_are():
    text = csv_text([["patient_id", "=1+1"], ["P1", "x"]])
    assert next(csv.reader(io.StringIO(text))) == ["patient_id", "'=1+1"]
