"""The record of what was measured survives JSON, NaN included."""

import json
import math

import pytest

from pcrnet.imaging.quantify.record import (
    Quantities,
    QuantityFlags,
    VisitRegistration,
    lesion_cells,
)

_REGISTRATION = VisitRegistration(False, math.nan, 0.4, 3.0, 1.5, "looks like another body")
_FLAGS = QuantityFlags("found", "baseline", 0.7, {"interim": _REGISTRATION}, ("baseline.pet",))


def _same(one, other):
    return repr(one) == repr(other)  # NaN is not equal to itself


def test_what_is_written_reads_back_equal_and_in_order():
    quantities = Quantities({"b": 1.5, "a": math.nan, "c": -0.25}, _FLAGS)
    text = json.dumps(quantities.to_json(), allow_nan=False)
    again = Quantities.from_json(json.loads(text))
    assert _same(again, quantities)
    assert list(again.values) == ["b", "a", "c"]


def test_a_patient_without_a_lesion_has_a_record(nothing_measured):
    again = Quantities.from_json(json.loads(json.dumps(nothing_measured.to_json())))
    assert _same(again, nothing_measured)


@pytest.mark.parametrize("lost", ["values", "flags"])
def test_a_record_without_a_part_is_no_record(lost):
    plain = Quantities({"a": 1.0}, _FLAGS).to_json()
    del plain[lost]
    with pytest.raises(KeyError):
        Quantities.from_json(plain)


def test_a_table_says_where_the_lesion_was_taken_from(nothing_measured):
    assert lesion_cells(_FLAGS) == {"lesion": "found", "lesion_quality": "0.70"}
    assert lesion_cells(nothing_measured.flags) == {"lesion": "none", "lesion_quality": ""}
