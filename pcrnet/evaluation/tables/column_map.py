"""What the columns of somebody's table of predictions mean, and which are probably meant.

A column is found under its name in the contract, whatever its case, dots, spaces and underscores,
or under the name that the user gives for it. Synonyms (``pCR``, ``score``) are proposed and never
taken: which outcome they state, and which way round, is for the user to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.errors import PredictionsError
from pcrnet.identity import compact
from pcrnet.table_file import decimal_point, is_unknown

Scale = Literal["probability", "percent", "logit"]
SCALES: tuple[Scale, ...] = ("probability", "percent", "logit")

PROB, UNCALIBRATED, THRESHOLD = "prob_", "uncalibrated_prob_", "threshold_"
PREFIXES = (PROB, UNCALIBRATED, THRESHOLD)
CONTRACT = (
    *("patient_id", "site", "fold", "scans", *HEADS),
    *(f"{prefix}{head}" for prefix in PREFIXES for head in HEADS),
)

_MAIN: Head = "yT0yN0"
_SHOWN = 3
_SYNONYMS = {
    "id": "id patient pid subject subjectid case caseid record recordid participant "
    "participantid pseudonym studyid name",
    "prob": "p prob proba probability score pred prediction predicted risk yprob yhat phat ppcr "
    "pcrprob probpcr predprob estimate output",
    "label": "pcr outcome response responder label y ytrue truth target event class pathcr "
    "completeresponse status observed ypt0ypn0 ypt0n0 groundtruth",
}
_LIKE_PROBABILITIES = ("prob", "pred", "score", "risk", "pyt0", "pyn0", "ppcr")
_OF_RESIDUE = re.compile(r"resid|rcb|non|neg|(?:\b|_)(?:0|rd|no)(?:\b|_)", re.IGNORECASE)
_TWO_VALUES = frozenset(
    ("0", "1", "2", "yes", "no", "true", "false", "y", "n", "pos", "neg", "positive", "negative")
)


@dataclass(frozen=True)
class ColumnMap:
    """What the user says of the columns; where nothing is said the contract's names hold.

    Attributes:
        identifier: Column of the pseudonyms.
        prob: Head to the column of its probabilities.
        label: Head to the column of its outcome.
        threshold: Head to its locked threshold: a column, or one number for all patients.
        positive: The label that means complete response; every other known one is residue.
        scale: Of probabilities and thresholds.
    """

    identifier: str | None = None
    prob: Mapping[Head, str] = field(default_factory=dict)
    label: Mapping[Head, str] = field(default_factory=dict)
    threshold: Mapping[Head, str | float] = field(default_factory=dict)
    positive: str | None = None
    scale: Scale = "probability"

    @classmethod
    def of_words(
        cls,
        *,
        identifier: str | None = None,
        prob: Sequence[str] = (),
        label: Sequence[str] = (),
        threshold: Sequence[str] = (),
        positive: str | None = None,
        scale: Scale = "probability",
    ) -> ColumnMap:
        """From words ``HEAD=COLUMN``, or ``COLUMN`` alone for yT0yN0, as the command line has them.

        Raises:
            PredictionsError: One head is given twice, or a threshold is no number.
        """
        cuts = {
            head: _number_or_column(word)
            for head, word in _by_head("--threshold", threshold).items()
        }
        for head, cut in cuts.items():
            if isinstance(cut, float) and not math.isfinite(cut):
                raise PredictionsError(
                    f"the threshold of {head} is no number",
                    field="--threshold",
                    remedy="give a number, or the name of a column; leave it out where none was "
                    "locked",
                )
        return cls(
            identifier=identifier,
            prob=_by_head("--prob", prob),
            label=_by_head("--label", label),
            threshold=cuts,
            positive=positive,
            scale=scale,
        )

    def named(self) -> dict[str, str]:
        """Name in the contract to the column that the user gave for it."""
        found: dict[str, str] = {str(head): column for head, column in self.label.items()}
        found |= {f"{PROB}{head}": column for head, column in self.prob.items()}
        found |= {
            f"{THRESHOLD}{head}": column
            for head, column in self.threshold.items()
            if isinstance(column, str)
        }
        return found if self.identifier is None else {**found, "patient_id": self.identifier}


def _by_head(option: str, words: Sequence[str]) -> dict[Head, str]:
    found: dict[Head, str] = {}
    for word in words:
        before, equals, after = word.partition("=")
        named = next((head for head in HEADS if equals and compact(before) == compact(head)), None)
        head, column = (named, after.strip()) if named else (_MAIN, word.strip())
        if head in found:
            raise PredictionsError(
                f"{head} is given twice",
                field=option,
                remedy=f"write {option} HEAD=COLUMN once for each of {', '.join(HEADS)}",
            )
        found[head] = column
    return found


def _number_or_column(word: str) -> str | float:
    try:
        return float(decimal_point(word))
    except ValueError:
        return word


def find_columns(
    header: Sequence[str], wanted: ColumnMap
) -> tuple[dict[str, str], list[str], list[PredictionsError]]:
    """Where each column of the contract is.

    Returns:
        Name in the contract to name in the table; remarks on names that are merely alike; problems.
    """
    named = wanted.named()
    found: dict[str, str] = {}
    remarks: list[str] = []
    problems = [
        PredictionsError(
            f"the table has no such column; its columns are {', '.join(header)}", field=column
        )
        for column in named.values()
        if column not in header
    ]
    free = [name for name in header if name not in named.values()]
    for name in CONTRACT:
        alike = [column for column in free if compact(column) == compact(name)]
        if name in named:
            found |= {name: named[name]} if named[name] in header else {}
        elif name in free:
            found[name] = name
        elif len(alike) == 1:
            found[name] = alike[0]
            remarks.append(f"the column {alike[0]!r} was read as {name}")
        elif alike:
            problems.append(
                PredictionsError(
                    f"the columns {', '.join(alike)} may all be it",
                    field=name,
                    remedy=f"keep one of them, under the name {name}",
                )
            )
    return found, remarks, problems


def missing_columns(
    columns: Mapping[str, Sequence[str]], found: Mapping[str, str]
) -> Iterator[PredictionsError]:
    """Say which needed columns are missing, and which of the table's are probably meant."""
    free = {name: cells for name, cells in columns.items() if name not in found.values()}
    if "patient_id" not in found:
        near = near_columns(free, "id")
        yield PredictionsError(
            f"the column is missing{did_you_mean(near)}",
            field="patient_id",
            remedy=f"name it: --id {near[0] if near else 'COLUMN'}",
        )
    if not any(f"{PROB}{head}" in found for head in HEADS):
        near = near_columns(free, "prob")
        yield PredictionsError(
            f"no probability column{did_you_mean(near)}",
            field="prob_<head>",
            remedy=f"name at least one of {', '.join(f'prob_{head}' for head in HEADS)}, or say "
            f"which it is: --prob yT0yN0={near[0] if near else 'COLUMN'}",
        )
    for name in free:
        for prefix in PREFIXES:
            if name.startswith(prefix) and name.removeprefix(prefix) not in HEADS:
                yield PredictionsError(
                    "no such head", field=name, remedy=f"the heads are {', '.join(HEADS)}"
                )


def near_columns(
    columns: Mapping[str, Sequence[str]], kind: Literal["id", "prob", "label"]
) -> list[str]:
    """Columns that may be meant: by their names first, then by what they hold; at most three."""
    synonyms = set(_SYNONYMS[kind].split())
    by_name = [name for name in columns if compact(name) in synonyms or _head_in(name, kind)]
    holds = {"id": _holds_names, "prob": holds_probabilities, "label": _holds_two_values}[kind]
    by_cells = [name for name, cells in columns.items() if name not in by_name and holds(cells)]
    # What names the other class is proposed last, if at all.
    found = sorted([*by_name, *by_cells], key=lambda name: bool(_OF_RESIDUE.search(name)))
    return found[:_SHOWN]


def did_you_mean(columns: Sequence[str]) -> str:
    """A clause that names what is near; empty where nothing is."""
    return f"; did you mean {' or '.join(columns)}?" if columns else ""


def _head_in(name: str, kind: str) -> bool:
    inside = any(compact(head) in compact(name) for head in (*HEADS, "pcr"))
    return inside and (kind == "prob") == compact(name).startswith(_LIKE_PROBABILITIES)


def _holds_names(cells: Sequence[str]) -> bool:
    return len(set(cells)) == len(cells) > 1 and not holds_probabilities(cells)


def holds_probabilities(cells: Sequence[str]) -> bool:
    """Whether all known cells are numbers from 0 to 1, and more than two of them differ."""
    known = {decimal_point(cell) for cell in cells if not is_unknown(cell)}
    try:
        return len(known) > 2 and all(0.0 <= float(cell) <= 1.0 for cell in known)
    except ValueError:
        return False


def _holds_two_values(cells: Sequence[str]) -> bool:
    known = {compact(cell.removesuffix(".0")) for cell in cells if not is_unknown(cell)}
    return len(known) == 2 and known <= _TWO_VALUES
