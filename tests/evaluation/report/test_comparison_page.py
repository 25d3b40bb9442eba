"""Runs against each other, in words: numbers that are those of the record, and none made up."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from pcrnet.evaluation.report.comparison_page import (
    COLUMNS,
    console_tables,
    render_comparison,
    rows_of,
    sentences_of,
)
from pcrnet.evaluation.results import ComparedHead
from pcrnet.evaluation.run_comparison import RunComparison, RunOfMany
from pcrnet.evaluation.statistics.comparison.auc_comparison import GlobalComparison
from pcrnet.evaluation.statistics.intervals import Estimate


def estimate(value, spread=0.05):
    return Estimate(value, value - spread, value + spread, 80, "a method")


UNKNOWN = Estimate.undefined("other folds", n=80, method="none")


def compared(difference, p):
    losses = {"log_loss": estimate(-0.012), "brier": estimate(0.004)}
    return ComparedHead(estimate(0.7), difference, p, losses, ())


@pytest.fixture
def found():
    runs = tuple(
        RunOfMany(name, "network", {"yT0": estimate(area)}, {"yT0": estimate(loss)})
        for name, area, loss in (("a", 0.75, 0.55), ("b", 0.7, 0.56), ("<b>c</b>", 0.6, 0.6))
    )
    return RunComparison(
        runs,
        ("yT0",),
        80,
        ({"yT0": compared(estimate(-0.05), 0.0004)}, {"yT0": compared(UNKNOWN, None)}),
        {"yT0": GlobalComparison(4.0, 2, 0.135)},
        ("The runs have other folds.",),
        True,
    )


def test_a_row_holds_a_runs_own_numbers_and_the_first_less_it(found):
    (rows,) = rows_of(found).values()
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert rows[0] == ("a", "0.750 (0.700 to 0.800)", "0.550 (0.500 to 0.600)", *"–––––"[:4])
    assert rows[1][3:] == (
        "−0.050 (−0.100 to +0.000)",
        "< 0.001",
        "−0.012 (−0.062 to +0.038)",
        "+0.004 (−0.046 to +0.054)",
    )
    assert rows[2][3:5] == ("–", "–")  # what is undefined is no number


def test_the_console_shows_the_same_numbers(found):
    out = io.StringIO()
    for table in console_tables(found):
        Console(file=out, width=140).print(table)
    said = out.getvalue()
    for number in ("0.750", "−0.050", "p < 0.001", "−0.012", "n = 80"):
        assert number in said


def test_the_sentences_name_the_first_run_the_test_and_the_remarks(found):
    said = sentences_of(found)
    assert said[0].startswith("Δ: a less the run of the row")
    assert any("p 0.135" in sentence for sentence in said)
    assert said[-1] == "The runs have other folds."


def test_the_page_loads_nothing_and_runs_nothing_that_a_folder_is_called(found):
    page = render_comparison(found)
    seen = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            seen.append(tag)
            seen.extend(value for name, value in attributes if name in ("src", "href"))

    Tags().feed(page)
    assert not {"script", "img", "link", "iframe"} & set(seen)
    assert not [each for each in seen if str(each).startswith("http")]
    assert "<b>c</b>" not in page
    assert "&lt;b&gt;c&lt;/b&gt;" in page
    assert len(re.findall(r"0\.750 \(0\.700 to 0\.800\)", page)) == 1


def test_a_number_without_an_interval_stands_alone(found):
    alone = Estimate(0.7, None, None, 80, "a method", "a class has a single patient")
    runs = (replace(found.runs[0], auc={"yT0": alone}), *found.runs[1:])
    assert rows_of(replace(found, runs=runs))["yT0"][0][1] == "0.700"
