"""What the training patients had, in ranges and words that point at nobody."""

import json

import pytest

from pcrnet.applicability.covariate_ranges import CovariateRange, read_range

AGES = [str(30 + number) for number in range(50)]


@pytest.mark.parametrize(
    ("text", "unlike"), [("55", False), ("20", False), ("130", True), ("-4", True), (None, False)]
)
def test_a_number_far_outside_is_unlike(text, unlike):
    assert (CovariateRange.fit("age", AGES).strangeness(text) > 1) is unlike


@pytest.mark.parametrize(("text", "unlike"), [("0", False), ("1", False), ("7", True)])
def test_of_a_flag_only_the_flags_are_usual(text, unlike):
    flags = CovariateRange.fit("hr", ["0", "1"] * 20)
    assert (flags.strangeness(text) > 1) is unlike


def test_a_word_that_hardly_anybody_had_is_unlike_and_is_not_kept():
    found = CovariateRange.fit("grade", ["low"] * 10 + ["high"] * 10 + ["rare"] * 4)
    assert found.words == ("high", "low")
    assert found.strangeness("low") == 0
    assert found.strangeness("rare") > 1
    assert "rare" not in found.reason("rare")


def test_the_extremes_of_single_patients_are_not_kept():
    found = CovariateRange.fit("age", [*AGES, "101.5"])
    assert found.high < 80


@pytest.mark.parametrize("texts", [["5"] * 3, [None] * 20, ["a", "b", "c"]])
def test_of_too_few_nothing_is_said(texts):
    assert CovariateRange.fit("x", texts) is None


@pytest.mark.parametrize("texts", [AGES, ["low"] * 9])
def test_a_range_reads_back(texts):
    found = CovariateRange.fit("x", texts)
    again = read_range(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
