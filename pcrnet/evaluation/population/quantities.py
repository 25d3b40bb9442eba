"""``quantities.csv`` as a plain table: each measured quantity in responders and in the others.

A name reads ``<visit>.<channel>.<quantity>_<unit>``; what stands before its last dot is its group.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcrnet.errors import RunError
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray
from pcrnet.evaluation.statistics.discrimination import auc
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.table_file import is_unknown, read_text_table

_UNITS = {
    "_1e3_mm2_s": "10⁻³ mm²/s",
    "_ln_suv": "ln SUV",
    "_ln_ml": "ln mL",
    "_ln_ratio": "ln",
    "_ln_fraction": "ln",
    "_ln": "ln",
    "_suv": "SUV",
    "_ml": "mL",
    "_mm": "mm",
    "_bit": "bit",
    "_r": "correlation",
    "_fraction": "share",
    "_ratio": "ratio",
    "_1": "1",
}
"""Ending of a name to its unit as it is shown; the first that fits, so the longer come first."""

_REMEDY = "run train.py again with the same configuration: it writes the table anew"


@dataclass(frozen=True)
class Quartiles:
    """Patients in whom a quantity was measured: its ``median``, and quartiles ``low`` and ``high``.

    In the unit of the quantity; None where it was measured in nobody.
    """

    n: int
    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class QuantityRow:
    """One quantity."""

    name: str
    label: str
    """Without its group and unit, for reading."""
    unit: str
    responders: Quartiles
    others: Quartiles
    auc: Estimate
    """Of the quantity alone; below 0.5 where it is smaller in responders."""

    @property
    def n(self) -> int:
        """Patients with a known outcome in whom it was measured."""
        return self.responders.n + self.others.n


@dataclass(frozen=True)
class QuantityGroup:
    """The quantities of one visit, or of the change between two, in one channel."""

    title: str
    rows: tuple[QuantityRow, ...]


def read_quantities(path: Path, patient_ids: Sequence[str]) -> dict[str, FloatArray]:
    """Each quantity of the patients (n,), NaN where it was not measured.

    Args:
        path: Table with a row a patient, a column ``patient_id`` and one a quantity.
        patient_ids: Who is wanted, in this order.

    Raises:
        RunError: It is no such table, a cell is no number, or a patient is not in it once.
    """
    table = read_text_table(path, error=RunError)
    columns = table.columns()
    names = columns.pop("patient_id", ())
    place = {name: row for row, name in enumerate(names)}
    missing = [name for name in patient_ids if name not in place]
    if missing or len(place) < len(names):
        raise RunError(
            f"{len(missing)} of {len(patient_ids)} predicted patients have no row"
            if missing
            else "a patient has more than one row",
            file=path,
            field="patient_id",
            remedy=_REMEDY,
        )
    rows = [place[name] for name in patient_ids]
    return {name: _numbers(cells, path, name)[rows] for name, cells in columns.items()}


def _numbers(cells: Sequence[str], path: Path, name: str) -> FloatArray:
    try:
        found = np.array([math.nan if is_unknown(cell) else float(cell) for cell in cells])
    except ValueError:
        found = np.array([math.inf])
    if np.isinf(found).any():
        raise RunError(
            "expected a finite number or an empty cell", file=path, field=name, remedy=_REMEDY
        )
    return found


def quantity_groups(
    quantities: Mapping[str, FloatArray], label: FloatArray
) -> tuple[QuantityGroup, ...]:
    """Every quantity in responders and in the others.

    Args:
        quantities: Name to values (n,), NaN where not measured.
        label: (n,) 1 for a response, 0 for none, NaN where that is not known.
    """
    groups: dict[str, list[QuantityRow]] = {}
    for name, values in quantities.items():
        group, _, quantity = name.rpartition(".")
        groups.setdefault(group, []).append(_row(name, quantity, values, label))
    return tuple(
        QuantityGroup(group.replace(".", ", ").replace("_", " "), tuple(rows))
        for group, rows in groups.items()
    )


def _row(name: str, quantity: str, values: FloatArray, label: FloatArray) -> QuantityRow:
    ending = next((end for end in _UNITS if quantity.endswith(end)), "")
    unit = "days" if quantity == "days" else _UNITS.get(ending, "")
    measured: BoolArray = np.isfinite(values) & np.isfinite(label)
    return QuantityRow(
        name=name,
        label=quantity.removesuffix(ending).replace("_", " "),
        unit=unit,
        responders=_quartiles(values[measured & (label == 1)]),
        others=_quartiles(values[measured & (label == 0)]),
        # Not a model's score: no fold made it, so patients of all folds are compared.
        auc=auc(values[measured], label[measured]),
    )


def _quartiles(values: FloatArray) -> Quartiles:
    if not len(values):
        return Quartiles(0, None, None, None)
    low, median, high = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    return Quartiles(len(values), median, low, high)
