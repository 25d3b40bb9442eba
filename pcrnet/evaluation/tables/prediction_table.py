"""The cells of somebody's table of predictions as numbers; nothing about them is checked here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.errors import PredictionsError, PredictionsListError
from pcrnet.evaluation.statistics.array_types import FloatArray, IntArray
from pcrnet.evaluation.tables.column_map import (
    PROB,
    THRESHOLD,
    UNCALIBRATED,
    ColumnMap,
    Scale,
    find_columns,
    holds_probabilities,
    missing_columns,
)
from pcrnet.table_file import decimal_point, is_unknown, read_text_table

_WORDS = frozenset(
    ("yes", "no", "true", "false", "y", "n", "pos", "neg", "positive", "negative", "pcr", "non-pcr")
)
"""Labels that may be repeated in a message; any other text may be about a patient."""
_NO_OUTCOME = frozenset(
    ("?", "n.a.", "n/k", "nk", "nd", "unk", "unknown", "missing", "not known", "not available")
)
"""Besides what is unknown in any column; elsewhere these may be a category."""


@dataclass(frozen=True)
class PredictionColumns:
    """The columns of the contract, as a table states them: n entries each, arrays of shape (n,).

    Attributes:
        rows: Row of each patient, as a spreadsheet counts.
        patient_id: As written.
        prob: Head to probabilities; NaN is an empty cell, infinity one that holds no number.
        label: Head to labels, coded alike.
        uncalibrated_prob: Head to probabilities before calibration.
        threshold: Head to locked thresholds.
        site: Empty where unknown; None without the column.
        fold: Negative where the cell holds no whole number; None without the column.
        scans: ``timepoint.channel`` present; None without the column.
        other: Further columns as text, empty where unknown.
        remarks: How the table was taken where it is not written as the contract has it.
    """

    rows: tuple[int, ...]
    patient_id: tuple[str, ...]
    prob: Mapping[Head, FloatArray]
    label: Mapping[Head, FloatArray]
    uncalibrated_prob: Mapping[Head, FloatArray]
    threshold: Mapping[Head, FloatArray]
    site: tuple[str, ...] | None
    fold: IntArray | None
    scans: tuple[tuple[str, ...], ...] | None
    other: Mapping[str, tuple[str, ...]]
    remarks: tuple[str, ...]


def read_prediction_table(path: Path, wanted: ColumnMap) -> PredictionColumns:
    """Read a table in any dialect, by the contract's names and those that the user gives.

    Raises:
        PredictionsError: No table, no patient, or columns that are missing or cannot be told.
        PredictionsListError: Several breaches of the contract, with the rows of each.
    """
    table = read_text_table(path, error=PredictionsError)
    if not table.rows:
        raise PredictionsError(
            "no patient in the table", file=path.name, remedy="write one row a patient"
        )
    columns = table.columns()
    found, remarks, problems = find_columns(table.header, wanted)
    problems += [] if problems else missing_columns(columns, found)
    taken = {name: columns[column] for name, column in found.items()}
    labels = {head: taken[head] for head in HEADS if head in taken}
    problems += _word_problems(labels, wanted.positive)
    problems += [
        PredictionsError(
            f"a threshold is given for {head}, which has no probabilities", field="--threshold"
        )
        for head in wanted.threshold
        if f"{PROB}{head}" not in found and not problems
    ]
    problems += _scale_problems(taken, wanted)
    if problems:
        raise PredictionsListError(f"{path.name} is no table of predictions", problems)

    def numbers(prefix: str) -> dict[Head, FloatArray]:
        named = {head: f"{prefix}{head}" for head in HEADS if f"{prefix}{head}" in taken}
        return {
            head: _parse_probabilities(taken[name], wanted.scale) for head, name in named.items()
        }

    fixed = {
        head: _on_scale(np.full(len(table.rows), cut), wanted.scale)
        for head, cut in wanted.threshold.items()
        if isinstance(cut, float)
    }
    known = {
        name: tuple("" if is_unknown(cell) else cell for cell in cells)
        for name, cells in columns.items()
        if name not in found.values() or name == found.get("site")
    }
    return PredictionColumns(
        rows=tuple(number for number, _ in table.rows),
        patient_id=taken["patient_id"],
        prob=numbers(PROB),
        label={head: _parse_labels(cells, wanted.positive) for head, cells in labels.items()},
        uncalibrated_prob=numbers(UNCALIBRATED),
        threshold=numbers(THRESHOLD) | fixed,
        site=known.pop(found["site"]) if "site" in found else None,
        fold=_parse_folds(taken["fold"]) if "fold" in taken else None,
        scans=_parse_scans(taken["scans"]) if "scans" in taken else None,
        other=known,
        remarks=(*table.remarks, *remarks),
    )


def parse_numbers(cells: Sequence[str]) -> FloatArray:
    """Cells as numbers (n,): NaN where nothing is known, infinity where there is text instead."""
    return np.array([_parse_number(cell) for cell in cells], dtype=np.float64)


def _parse_number(cell: str) -> float:
    # Infinity marks text that is no number, so that the check refuses it instead of taking it for
    # unknown.
    if is_unknown(cell):
        return math.nan
    try:
        value = float(decimal_point(cell))
    except ValueError:
        return math.inf
    return math.inf if math.isnan(value) else value


def _parse_probabilities(cells: Sequence[str], scale: Scale) -> FloatArray:
    """Cells on a scale; a column whose every number bears a per cent sign says its scale itself."""
    known = [cell.rstrip() for cell in cells if not is_unknown(cell)]
    if scale != "logit" and known and all(cell.endswith("%") for cell in known):
        bare = [cell.rstrip().removesuffix("%").rstrip() for cell in cells]
        return _on_scale(parse_numbers(bare), "percent")
    return _on_scale(parse_numbers(cells), scale)


def _scale_problems(
    taken: Mapping[str, Sequence[str]], wanted: ColumnMap
) -> list[PredictionsError]:
    """Numbers that are on no such scale as the user says, found before they are converted."""
    if wanted.scale == "probability":
        return []
    found = [
        PredictionsError(
            f"all its numbers lie between 0 and 1, as probabilities do and {wanted.scale} numbers "
            "hardly would",
            field=name,
            remedy="leave --scale out; if they are what it says, convert them yourself",
        )
        for name, cells in taken.items()
        if name.startswith(PROB) and holds_probabilities(cells)
    ]
    if wanted.scale == "percent":
        found += [
            PredictionsError(
                f"a threshold of {cut:g} per cent calls nearly everybody a complete responder",
                field=f"--threshold {head}",
                remedy="with --scale percent a threshold is one, too: 30 for 0.30",
            )
            for head, cut in wanted.threshold.items()
            if isinstance(cut, float) and 0.0 < cut <= 1.0
        ]
    return found


def _on_scale(values: FloatArray, scale: Scale) -> FloatArray:
    if scale == "percent":
        return values / 100.0
    if scale == "logit":
        # Infinity stands for text and must stay what the check refuses.
        return np.where(np.isinf(values), math.inf, expit(values))
    return values


# --- labels


def _parse_labels(cells: Sequence[str], positive: str | None) -> FloatArray:
    cells = ["" if _no_outcome(cell) else cell for cell in cells]
    if positive is None:
        return parse_numbers(cells)
    return np.array(
        [math.nan if is_unknown(cell) else float(_same(cell, positive)) for cell in cells]
    )


def _no_outcome(cell: str) -> bool:
    """Whether an outcome is unknown. A dash is not, nor "none": they may well mean residue."""
    return is_unknown(cell) or cell.strip().casefold() in _NO_OUTCOME


def _word_problems(
    labels: Mapping[Head, Sequence[str]], positive: str | None
) -> list[PredictionsError]:
    """Labels in words without, or against, what the user says of them."""
    known = {_label_key(c) for cells in labels.values() for c in cells if not _no_outcome(c)}
    named = ", ".join(labels)
    if positive is None:
        words = sorted(known & _WORDS)
        if words:
            problem = f"the labels are words: {', '.join(words)}"
            remedy = f"say which is complete response, for example --positive {words[-1]}"
        elif len(known) == 2 and not any(math.isfinite(_parse_number(text)) for text in known):
            problem = "the labels are words, of two kinds"
            remedy = "say which is complete response: --positive WORD"
        else:
            return []
        return [PredictionsError(problem, field=named, remedy=remedy)]
    if known and _label_key(positive) not in known:
        problem = "no label is the one named by --positive"
    elif len(known) > 2:
        problem = f"{len(known)} different labels where --positive expects two"
    else:
        return []
    return [PredictionsError(problem, field=named, remedy="code the labels as 0, 1 and empty")]


def _same(cell: str, positive: str) -> bool:
    return _label_key(cell) == _label_key(positive)


def _label_key(text: str) -> str:
    """A label without its case, a number without its form: ``1.0`` is ``1``."""
    value = _parse_number(text)
    return f"{value:g}" if math.isfinite(value) else text.strip().casefold()


# --- folds and scans


def _parse_folds(cells: Sequence[str]) -> IntArray:
    return np.array([_parse_fold(cell) for cell in cells], dtype=np.int64)


def _parse_fold(cell: str) -> int:
    value = _parse_number(cell)
    whole = math.isfinite(value) and value.is_integer() and 0 <= value < 1e9
    return int(value) if whole else -1


def _parse_scans(cells: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(scan.strip() for scan in cell.split(";") if scan.strip()) for cell in cells)
