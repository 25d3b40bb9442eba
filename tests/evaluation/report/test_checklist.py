from __future__ import annotations

import re

import pytest

from pcrnet.evaluation.report.checklist import ITEMS, answer_items

# As published in BMJ 2024;385:e078378, Radiol Artif Intell 2024;6:e240300 and BMJ 2015;351:h5527:
# the last number, and the numbers that have letters.
PARTS = {
    "tripod": (27, "3abc 5ab 6abc 8abc 9abc 12abcdefg 18abcdef 20abc 23ab 27abc"),
    "claim": (44, ""),
    "stard": (30, "10ab 12ab 13ab 21ab"),
}


def published(guideline: str) -> set[str]:
    """Every item of a guideline with its letter."""
    last, lettered = PARTS[guideline]
    letters = dict(re.findall(r"(\d+)([a-z]+)", lettered))
    return {
        f"{number}{letter}"
        for number in range(1, last + 1)
        for letter in letters.get(str(number), [""])
    }


@pytest.mark.parametrize(("guideline", "count"), [("tripod", 52), ("claim", 44), ("stard", 34)])
def test_every_item_of_each_guideline_is_asked_for_and_no_other(guideline: str, count: int) -> None:
    named = {
        number
        for item in ITEMS
        for number in getattr(item, guideline).split(", ")
        if getattr(item, guideline)
    }
    assert named == published(guideline)
    assert len(named) == count


def test_an_item_is_open_where_the_report_has_no_such_place() -> None:
    assert all(answer.place is None for answer in answer_items(()))
    found = answer_items({"flow"})
    assert {answer.place for answer in found} == {None, "flow"}


def test_each_part_stands_together() -> None:
    parts = [item.part for item in ITEMS]
    assert len([i for i in range(1, len(parts)) if parts[i] != parts[i - 1]]) == len(set(parts)) - 1
