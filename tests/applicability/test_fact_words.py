"""Every fact can be told, and none is told with a hole in the sentence."""

import math

import pytest

from pcrnet.applicability.fact_words import describe, family_of, least_spread, leeway_of
from pcrnet.imaging.facts.patient import fact_names

NAMES = fact_names(("pet", "dce_pre", "adc"))


@pytest.mark.parametrize("fact", NAMES)
def test_every_fact_has_a_sentence(fact):
    words = describe(fact, 0.4, 0.1, 0.2, "SUVbw")
    assert words
    assert "{" not in words
    assert least_spread(fact) > 0
    assert leeway_of(fact) >= 1


def test_logarithms_are_told_as_what_they_are_of():
    words = describe("level_ln", math.log(2.4), math.log(0.4), math.log(0.9), "SUVbw")
    assert "2.4 SUVbw" in words
    assert "0.4 to 0.9 SUVbw" in words


def test_a_ratio_names_the_other_channel_and_an_axis_its_direction():
    assert "nats with pet" in describe("agrees_pet_nat", 0.1, 0.4, 0.9, "")
    assert "dce_pre" in describe("level_to_dce_pre_ln", 0.1, 0.4, 0.9, "")
    assert "foot to head" in describe("spacing_z_ln_mm", 0.1, 0.4, 0.9, "")


def test_the_first_visit_is_no_channel():
    assert family_of("level_to_first_visit_ln") is not family_of("level_to_pet_ln")
    assert family_of("agrees_first_visit_nat") is not family_of("agrees_pet_nat")
