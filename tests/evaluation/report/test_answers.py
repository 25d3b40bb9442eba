from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.errors import ConfigError
from pcrnet.evaluation.report.answers import read_answers
from pcrnet.evaluation.report.checklist import ITEMS, answer_items

SHIPPED = Path(__file__).parents[3] / "configs/answers/open_items.yaml"


def test_an_answer_stands_at_its_item(tmp_path: Path) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text('TRIPOD 17: "Approved by  the committee"\nSTARD-AI 15d: null\n')
    answers = read_answers(file)
    assert answers == {"TRIPOD 17": "Approved by the committee"}
    answered = [entry for entry in answer_items((), answers) if entry.answer]
    assert [entry.item.ask for entry in answered] == [
        "Approval by an ethics committee, and consent"
    ]


@pytest.mark.parametrize("text", ["TRIPOD 99: x\n", "TRIPOD 17: 3\n", 'TRIPOD 17: " "\n'])
def test_what_is_no_answer_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="TRIPOD"):
        read_answers(file)


def test_the_shipped_file_names_items_that_exist() -> None:
    assert read_answers(SHIPPED) == {}


def test_stard_ai_has_its_forty_items() -> None:
    parts = {15: "abcd", 16: "abc", 17: "ab", 26: "ab", 40: "ab"}
    published = {f"{n}{letter}" for n in range(1, 41) for letter in parts.get(n, [""])}
    found = {number for item in ITEMS for name, number in item.numbers() if name == "STARD-AI"}
    assert found == published
