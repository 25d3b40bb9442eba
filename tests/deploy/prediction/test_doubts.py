"""What stands beside a prediction: in the table, on the console, or in a refusal."""

import math

import pytest

from pcrnet.applicability.certainty import ProbInterval
from pcrnet.applicability.judgement import Doubt, Likeness
from pcrnet.applicability.scrutiny import Scrutiny
from pcrnet.deploy.prediction.doubts import (
    doubt_columns,
    lesion_columns,
    require_alike,
    say_doubts,
)
from pcrnet.errors import UnlikeError
from pcrnet.imaging.quantify.record import QuantityFlags

INTERVALS = {head: ProbInterval(0.25, 0.5) for head in ("yT0", "yN0", "yT0yN0")}
ALIKE = Scrutiny(Likeness(0.6, ()), INTERVALS, (), {})
DOUBTS = tuple(Doubt(f"a.scan{n}", f"reason {n}", 3.0 - n / 10) for n in range(5))
UNLIKE = Scrutiny(Likeness(3.0, DOUBTS), INTERVALS, ("yT0",), {})


def test_columns_say_it_in_the_order_of_the_patients():
    columns = doubt_columns(["x", "y"], {"y": UNLIKE, "x": ALIKE})
    assert columns["low_yT0"] == ("0.2500", "0.2500")
    assert columns["near_threshold"] == ("", "yT0")
    assert columns["unlike_training"][0] == ""
    assert columns["unlike_training"][1].startswith("a.scan0: reason 0; ")
    assert columns["unlike_training"][1].endswith("and 2 more")


def test_a_bundle_that_cannot_say_adds_no_column():
    assert doubt_columns(["x"], {}) == {}


def test_columns_say_where_the_lesion_came_from_of_whom_scans_were_looked_at():
    found = QuantityFlags("found", "baseline", 0.456, {}, ())
    drawn = QuantityFlags("mask", "baseline", math.nan, {}, ())
    assert lesion_columns([found, None, drawn]) == {
        "lesion": ("found", "", "mask"),
        "lesion_quality": ("0.46", "", ""),
    }
    assert lesion_columns([None, None]) == {}


def test_the_console_names_patient_and_reason_and_counts_who_is_near():
    near = Scrutiny(ALIKE.likeness, INTERVALS, ("yT0", "yN0"), {})
    lines = say_doubts({"x": ALIKE, "y": UNLIKE, "z": near})
    assert len(lines) == 2
    assert "y is unlike" in lines[0]
    assert "a.scan0" in lines[0]
    assert "2 of 3 patients" in lines[1]
    assert "near_threshold" in lines[1]
    assert say_doubts({"x": ALIKE}) == []


def test_a_refusal_names_scan_reason_and_remedy():
    require_alike(ALIKE)
    with pytest.raises(UnlikeError) as caught:
        require_alike(UNLIKE)
    assert caught.value.field == "a.scan0"
    assert "reason 0" in str(caught.value)
    assert "refuse-unlike" in caught.value.remedy
