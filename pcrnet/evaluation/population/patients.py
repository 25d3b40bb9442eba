"""Who the patients are: their covariates beside the predictions, and table 1.

Values of covariates are shown only where at least :data:`SMALLEST_LEVEL` patients share them; rarer
ones are pooled as "other". A table with names or dates in it therefore shows none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcrnet.errors import PredictionsError
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray, IntArray
from pcrnet.table_file import is_unknown, read_text_table

SMALLEST_LEVEL = 5
"""Fewest patients behind a value that is shown."""
_MOST_LEVELS = 8
_OTHER = "other"
_DAYS = ".days"


@dataclass(frozen=True)
class NumericCovariate:
    """A measured covariate; ``values`` has shape ``(n,)`` and NaN where it is unknown."""

    name: str
    values: FloatArray


@dataclass(frozen=True)
class CategoricalCovariate:
    """A covariate of few levels; ``codes`` has shape ``(n,)`` and -1 where it is unknown."""

    name: str
    levels: tuple[str, ...]
    codes: IntArray


Covariate = NumericCovariate | CategoricalCovariate


@dataclass(frozen=True)
class TableOneRow:
    """One line of table 1: a heading (no cells), a level, or a median with quartiles."""

    label: str
    cells: tuple[str, ...]
    indented: bool = False


@dataclass(frozen=True)
class TableOne:
    """Characteristics of all patients and of each outcome group."""

    columns: tuple[str, ...]
    rows: tuple[TableOneRow, ...]


def read_covariates(path: Path, patient_ids: Sequence[str]) -> tuple[Covariate, ...]:
    """Read ``patients.csv`` in the order of the predictions; see :func:`covariates_of`.

    Raises:
        PredictionsError: No ``patient_id`` column, a duplicate, or a patient who is not in it.
    """
    table = read_text_table(path, error=PredictionsError)
    columns = [name for name in table.header if name != "patient_id"]
    if "patient_id" not in table.header:
        raise PredictionsError("has no such column", file=path, field="patient_id")
    rows: dict[str, dict[str, str]] = {}
    for _, cells in table.rows:
        row = dict(zip(table.header, cells, strict=True))
        identifier = row["patient_id"]
        if identifier in rows:
            raise PredictionsError("appears twice", patient=identifier, file=path)
        rows[identifier] = row
    for identifier in patient_ids:
        if identifier not in rows:
            raise PredictionsError(
                "has predictions but no row in this table",
                patient=identifier,
                file=path,
                remedy="give the patients table that belongs to the predictions",
            )
    return covariates_of(
        {
            name: [
                "" if is_unknown(cell := rows[identifier][name]) else cell
                for identifier in patient_ids
            ]
            for name in columns
        }
    )


def covariates_of(columns: Mapping[str, Sequence[str]]) -> tuple[Covariate, ...]:
    """Covariates from columns of text, an empty cell where the value is unknown.

    A column of numbers with more than five different values is numeric, as is one of days
    (``<timepoint>.days``) with fewer; any other is categorical. Columns that are empty, days that
    are the same of everybody, and columns in which no value is shared by :data:`SMALLEST_LEVEL`
    patients are left out.
    """
    covariates = (_covariate(name, values) for name, values in columns.items())
    return tuple(covariate for covariate in covariates if covariate is not None)


def categorical(name: str, values: Sequence[str | None]) -> CategoricalCovariate | None:
    """A categorical covariate from text values (None or empty: unknown), rare levels pooled."""
    counts = Counter(value for value in values if value)
    shown = [level for level, count in counts.items() if count >= SMALLEST_LEVEL]
    if not shown:
        return None
    shown = sorted(shown, key=lambda level: -counts[level])[:_MOST_LEVELS]
    levels = sorted(shown, key=_natural_order)
    if any(level not in shown for level in counts):
        levels = [level for level in levels if level != _OTHER] + [_OTHER]
    code = {level: index for index, level in enumerate(levels)}
    other = code.get(_OTHER, -1)
    codes = [code.get(value, other) if value else -1 for value in values]
    return CategoricalCovariate(name, tuple(levels), np.array(codes, dtype=np.int64))


def readable(name: str) -> str:
    """A column's name as it is shown: ``hormone_receptor`` becomes ``hormone receptor``."""
    return name.replace("_", " ")


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: ``a, b and c``."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def table_one(covariates: Sequence[Covariate], groups: Sequence[tuple[str, BoolArray]]) -> TableOne:
    """Medians with quartiles and counts with percentages, a column for each group.

    Args:
        covariates: In the order of the rows.
        groups: Name and mask ``(n,)`` of each column, for example all patients, then responders.
    """
    rows: list[TableOneRow] = []
    for covariate in covariates:
        if isinstance(covariate, NumericCovariate):
            rows.append(_numeric_row(covariate, groups))
        else:
            rows.append(TableOneRow(readable(covariate.name), ()))
            rows.extend(_level_rows(covariate, groups))
    return TableOne(
        columns=tuple(f"{name} (n = {int(mask.sum())})" for name, mask in groups),
        rows=tuple(rows),
    )


def _covariate(name: str, values: Sequence[str]) -> Covariate | None:
    if not any(values):
        return None
    numbers = _numbers(values)
    if numbers is not None:
        different = np.unique(numbers[~np.isnan(numbers)]).size
        of_days = name.endswith(_DAYS)
        if of_days and different == 1:
            return None
        if of_days or different > 5:
            return NumericCovariate(name, numbers)
    return categorical(name, values)


def _numbers(values: Sequence[str]) -> FloatArray | None:
    """The values as numbers with NaN for empty ones; None where any is not a finite number."""
    try:
        numbers = np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return None
    known = np.array([bool(value) for value in values])
    return numbers if np.isfinite(numbers[known]).all() else None


def _natural_order(level: str) -> tuple[int, float, str]:
    numbers = _numbers([level])
    return (0, float(numbers[0]), level) if numbers is not None else (1, 0.0, level)


def _numeric_row(
    covariate: NumericCovariate, groups: Sequence[tuple[str, BoolArray]]
) -> TableOneRow:
    cells = []
    for _, mask in groups:
        values = covariate.values[mask & ~np.isnan(covariate.values)]
        if values.size < SMALLEST_LEVEL:
            cells.append("–")
            continue
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        # "to", since days before therapy are negative.
        cells.append(f"{middle:.4g} ({low:.4g} to {high:.4g})".replace("-", "−"))
    unknown = int(np.isnan(covariate.values).sum())
    note = f"; unknown {unknown}" if unknown else ""
    return TableOneRow(f"{readable(covariate.name)}, median (quartiles){note}", tuple(cells))


def _level_rows(
    covariate: CategoricalCovariate, groups: Sequence[tuple[str, BoolArray]]
) -> list[TableOneRow]:
    levels = list(enumerate(covariate.levels))
    if (covariate.codes == -1).any():
        levels.append((-1, "unknown"))
    rows = []
    for code, level in levels:
        cells = []
        for _, mask in groups:
            count, total = int((covariate.codes[mask] == code).sum()), int(mask.sum())
            cells.append(f"{count} ({100 * count / total:.0f} %)" if total else "–")
        rows.append(TableOneRow(level, tuple(cells), indented=True))
    return rows
