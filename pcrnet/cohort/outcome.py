"""Pathology after therapy: one joint outcome over breast (yT0) and nodes (yN0)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pcrnet.errors import CohortError, ProblemListError

Head = Literal["yT0", "yN0", "yT0yN0"]
OutcomeDefinition = Literal["ypT0", "ypT0/is"]

HEADS: tuple[Head, ...] = ("yT0", "yN0", "yT0yN0")
"""The reported outcomes. The positive class of each is complete response."""

CELLS: tuple[tuple[bool, bool], ...] = ((True, True), (True, False), (False, True), (False, False))
"""The four joint cells as (yT0, yN0); every array over cells has this order."""

RESPONSE_CELLS: Mapping[Head, tuple[bool, ...]] = {
    "yT0": tuple(breast for breast, _ in CELLS),
    "yN0": tuple(nodes for _, nodes in CELLS),
    "yT0yN0": tuple(breast and nodes for breast, nodes in CELLS),
}
"""Which of :data:`CELLS` are complete responses of each outcome."""

OUTCOME_COLUMNS: tuple[str, ...] = ("ypT", "ypN", *HEADS)
"""Columns of the cohort table that hold pathology."""

# AJCC, 8th edition; subcategories such as 1c or 2a and the suffix m (multiple) change no outcome.
_YPT = re.compile(
    r"(?:yp|p|y)?t?(?P<stage>0|is(?:\((?:dcis|lcis|paget)\))?|1mi|[1-4][a-d]?|x)(?:\(m\))?"
)
_YPN = re.compile(
    r"(?:yp|p|y)?n?(?P<stage>0(?:\((?:i[+-]|mol[+-])\))?|1mi|[1-3][abc]?|x)(?:\((?:sn|f)\))?"
)


@dataclass(frozen=True)
class Outcome:
    """What pathology knows of one patient; ``None`` is unknown, never 0."""

    yT0: bool | None = None
    yN0: bool | None = None
    yT0yN0: bool | None = None

    @property
    def allowed_cells(self) -> tuple[bool, bool, bool, bool]:
        """Which of :data:`CELLS` agree with what is known; all of them when nothing is."""
        first, second, third, fourth = (
            self.yT0 in (None, t) and self.yN0 in (None, n) and self.yT0yN0 in (None, t and n)
            for t, n in CELLS
        )
        return first, second, third, fourth

    @property
    def closed(self) -> Outcome:
        """The outcome with everything that follows from what is known.

        Residual tumour of the breast settles yT0yN0, and so on. ``self`` must not contradict
        itself.
        """
        possible = [
            cell for cell, allowed in zip(CELLS, self.allowed_cells, strict=True) if allowed
        ]
        return Outcome(
            yT0=_if_unanimous({t for t, _ in possible}),
            yN0=_if_unanimous({n for _, n in possible}),
            yT0yN0=_if_unanimous({t and n for t, n in possible}),
        )


def parse_outcome(values: Mapping[str, str], *, definition: OutcomeDefinition) -> Outcome:
    """Read the pathology columns of one patient.

    ypTis is residual disease under ``ypT0`` and complete response under ``ypT0/is``. Isolated
    tumour cells, ypN0(i+), are residual disease under both, as in the AJCC manual (8th edition,
    breast: "not classified as pathological complete response"); a molecular finding alone,
    ypN0(mol+), is not.

    Args:
        values: Text of the columns of :data:`OUTCOME_COLUMNS` that the table has.
        definition: What counts as complete response of the breast.

    Returns:
        The closed outcome: what follows from the columns together is known.

    Raises:
        ProblemListError: Values that are not of the contract's forms, and columns that contradict
            each other; all of them, each a CohortError with its field.
    """
    problems: list[CohortError] = []
    known: dict[str, bool | None] = {}
    for column in OUTCOME_COLUMNS:
        try:
            known[column] = _parse_column(column, values.get(column, ""), definition)
        except CohortError as error:
            problems.append(error)
    for flag, stage in (("yT0", "ypT"), ("yN0", "ypN")):
        if {known.get(flag), known.get(stage)} == {True, False}:
            problems.append(_contradiction(flag, stage, definition))
    outcome = Outcome(
        yT0=_either(known.get("yT0"), known.get("ypT")),
        yN0=_either(known.get("yN0"), known.get("ypN")),
        yT0yN0=known.get("yT0yN0"),
    )
    if not problems and not any(outcome.allowed_cells):
        problems.append(
            CohortError(
                "yT0yN0 contradicts the breast and the nodes: it is 1 where both respond, else 0",
                field="yT0yN0",
                remedy="correct the columns, or leave yT0yN0 out: it follows from the others",
            )
        )
    if problems:
        raise ProblemListError("the pathology cannot be used", problems)
    return outcome.closed


def _if_unanimous(values: set[bool]) -> bool | None:
    return values.pop() if len(values) == 1 else None


def _either(first: bool | None, second: bool | None) -> bool | None:
    return first if first is not None else second


def _contradiction(flag: str, stage: str, definition: OutcomeDefinition) -> CohortError:
    return CohortError(
        f"{flag} contradicts {stage} under the outcome definition {definition}",
        field=flag,
        remedy=f"correct one of the two columns, or leave {flag} out; in situ residue counts as "
        "response only with outcome.definition: ypT0/is",
    )


def _parse_column(column: str, text: str, definition: OutcomeDefinition) -> bool | None:
    match column:
        case "ypT":
            return _parse_ypt(text, definition)
        case "ypN":
            return _parse_ypn(text)
    return _parse_flag(text, column)


def _parse_flag(text: str, field: str) -> bool | None:
    match text.strip():
        case "":
            return None
        case "0" | "0.0":
            return False
        case "1" | "1.0":
            return True
    raise CohortError(
        "expected 0, 1 or an empty cell", field=field, remedy="leave the cell empty if unknown"
    )


def _parse_ypt(text: str, definition: OutcomeDefinition) -> bool | None:
    stage = _stage(text, _YPT, "ypT", "0, is, 1mi, 1 to 4, X")
    if stage is None or stage == "x":
        return None
    return stage == "0" or (stage.startswith("is") and definition == "ypT0/is")


def _parse_ypn(text: str) -> bool | None:
    stage = _stage(text, _YPN, "ypN", "0, 0(i+), 1mi, 1 to 3, X")
    if stage is None or stage == "x":
        return None
    return stage.startswith("0") and stage != "0(i+)"


def _stage(text: str, pattern: re.Pattern[str], field: str, forms: str) -> str | None:
    """The stage as lower case without its prefix; None for an empty cell."""
    # Spreadsheets turn 1 into 1.0 when a column has empty cells.
    compact = re.sub(r"\s", "", text).casefold().removesuffix(".0")
    if not compact:
        return None
    match = pattern.fullmatch(compact)
    if match is None:
        raise CohortError(
            f"not a stage after therapy; expected {forms} or an empty cell",
            field=field,
            remedy="write the stage as the pathologist recorded it, without further text",
        )
    return match["stage"]
