"""Declared measurements, and the softened logarithm."""

import math

import pytest

from pcrnet.imaging.quantify import nodes, signal
from pcrnet.imaging.quantify.measures import adc, enhancement, joint, uptake
from pcrnet.imaging.quantify.quantity import ln

_LISTS = {
    "uptake": uptake.QUANTITIES,
    "enhancement": (*enhancement.QUANTITIES, *enhancement.WASHOUT),
    "adc": adc.QUANTITIES,
    "joint": joint.QUANTITIES,
    "signal": signal.QUANTITIES,
    "nodes": nodes.QUANTITIES,
}
_ENDS = ("_ln", "_ml", "_mm", "_suv", "_mm2_s", "_fraction", "_ratio", "_r", "_count", "_bit", "_1")


def test_ln_is_finite_where_nothing_is_left_and_keeps_the_order():
    assert ln(0.0, 0.1) == pytest.approx(math.log(0.1))
    assert ln(-3.0, 0.1) == ln(0.0, 0.1)  # noise below 0 is nothing
    assert ln(1.0, 0.1) < ln(2.0, 0.1)
    assert ln(100.0, 0.1) == pytest.approx(math.log(100.0), abs=1e-3)


@pytest.mark.parametrize("quantities", _LISTS.values(), ids=_LISTS)
def test_a_name_is_one_in_its_list_and_ends_in_its_unit(quantities):
    names = [quantity.name for quantity in quantities]
    assert len(names) == len(set(names))
    assert all(name.endswith(_ENDS) for name in names), names
    assert all(quantity.meaning and quantity.unit for quantity in quantities)


@pytest.mark.parametrize("quantities", _LISTS.values(), ids=_LISTS)
def test_a_logarithm_says_so_in_its_unit(quantities):
    for quantity in quantities:
        assert quantity.unit.startswith("ln ") == ("_ln" in quantity.name), quantity.name
