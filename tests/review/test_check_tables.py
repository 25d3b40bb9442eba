"""The answer of ``pcrnet check`` as a person sees it."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from pcrnet.errors import UnitError
from pcrnet.review.check_tables import render_report
from pcrnet.review.checks import CohortReport, HeadCounts, ScanWarning, UnsureLesion


@pytest.fixture
def report():
    counts = HeadCounts(responders=3, residual=2, unknown=1)
    return CohortReport(
        table="cohort.csv",
        patients=6,
        too_few_scans=1,
        sites={"": 2, "Ulm": 4},
        timepoints=("baseline", "interim"),
        channels=("pet", "t2"),
        scans={
            ("baseline", "pet"): 6,
            ("baseline", "t2"): 5,
            ("interim", "pet"): 2,
            ("interim", "t2"): 2,
        },
        masks={"baseline": 3, "interim": 0},
        days={"baseline": 0, "interim": 0},
        missing=((("interim.pet", "interim.t2"), 4), (("baseline.t2",), 1)),
        outcomes={"yT0": counts, "yN0": counts, "yT0yN0": counts},
        cells=(1, 2, 1, 1),
        covariates={"grade": 5},
        unused_columns=("Frau Mustermann",),
        warnings=tuple(
            ScanWarning(f"P{n}", column, "the dose can only be in MBq")
            for n in range(7)
            for column in ("baseline.pet", "interim.pet")
        ),
        problems=(UnitError("no unit", patient="P1", field="baseline.pet"),),
    )


def rendered(report):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render_report(report))
    return console.export_text()


def test_the_rendered_report_holds_everything(report):
    text = rendered(report)
    for words in (
        "6 patients", "1 have too few scans", "Scans present", "all of interim", "baseline.t2",
        "Outcomes", "Ulm", "unknown", "grade", "data.covariates names: 1", "1 problem\n", "no unit",
    ):  # fmt: skip
        assert words in text


def test_a_warning_is_told_once_with_the_first_patients(report):
    text = rendered(report)
    assert text.count("the dose can only be in MBq") == 1
    assert "7: P0, P1, P2, P3, P4, …" in text
    assert "baseline.pet, interim.pet" in text


def test_headers_of_columns_left_aside_are_not_shown(report):
    assert "Mustermann" not in rendered(report)


def test_a_faultless_cohort_says_so(report):
    text = rendered(replace(report, problems=(), warnings=(), unused_columns=()))
    assert "No problems found" in text
    assert "Worth knowing" not in text
    assert "names: " not in text


def test_lesions_that_were_not_surely_found_are_listed(report):
    assert "without a mask" not in rendered(report)
    sure = rendered(replace(report, without_mask=3))
    assert "whose lesion is looked for: 3" in sure
    assert "not surely" not in sure
    unsure = (UnsureLesion("P4", None), UnsureLesion("P2", 0.314))
    text = rendered(replace(report, without_mask=3, unsure=unsure))
    assert "in 2 of them not surely" in text
    assert text.index("P4: none found") < text.index("P2: quality 0.31")
