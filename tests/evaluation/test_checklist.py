from __future__ import annotations

import re

from pcrnet.evaluation.checklist import ITEMS, answer_items


def numbers(guideline: str) -> set[int]:
    """The main numbers of a guideline that the list names."""
    text = " ".join(getattr(item, guideline) for item in ITEMS)
    return {int(found) for found in re.findall(r"\d+", text)}


def test_every_item_of_each_guideline_is_asked_for() -> None:
    assert numbers("tripod") == set(range(1, 28))
    assert numbers("claim") == set(range(1, 43))
    assert numbers("stard") == set(range(1, 31))


def test_an_item_is_open_where_the_report_has_no_such_place() -> None:
    assert all(answer.place is None for answer in answer_items(()))
    found = answer_items({"flow"})
    assert {answer.place for answer in found} == {None, "flow"}


def test_each_part_stands_together() -> None:
    parts = [item.part for item in ITEMS]
    assert len([i for i in range(1, len(parts)) if parts[i] != parts[i - 1]]) == len(set(parts)) - 1
