"""What only the investigators know, for the open items of the checklist. A YAML file.

Each key names an item of a guideline (``TRIPOD 17``, ``CLAIM 11``, ``STARD 22``, ``STARD-AI 6``),
each value answers it in a sentence or two.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from pcrnet.config.plain_yaml import read_yaml
from pcrnet.errors import ConfigError
from pcrnet.evaluation.report.checklist import ITEMS

LONGEST = 2000
"""Characters of an answer: more belongs in the paper."""

_REMEDY = "configs/answers/open_items.yaml shows the items that are commonly open"


def read_answers(path: Path) -> dict[str, str]:
    """Read the answers.

    Raises:
        ConfigError: The file cannot be read, names an item that no guideline has, or an answer is
            no text.
    """
    known = {f"{guideline} {number}" for item in ITEMS for guideline, number in item.numbers()}
    answers: dict[str, str] = {}
    for key, value in read_yaml(path).items():
        name = " ".join(str(key).split())
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"no guideline has an item {name!r}{hint}", file=path, remedy=_REMEDY)
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
            raise ConfigError(
                f"expected a text of at most {LONGEST} characters",
                file=path,
                field=name,
                remedy="put it in quotation marks; what is longer belongs in the paper",
            )
        answers[name] = " ".join(value.split())
    return answers
