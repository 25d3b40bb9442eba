"""The table of predictions: one row a patient, ours or anybody's, checked once at the border.

Columns: ``patient_id``; optional ``site`` and ``fold`` (without ``fold`` the table is one external
test set); labels ``yT0``, ``yN0``, ``yT0yN0`` (0, 1 or empty for unknown); ``prob_<head>`` for at
least one head; optional ``uncalibrated_prob_<head>``, ``threshold_<head>`` (locked on other
patients) and ``scans`` (``timepoint.channel``, ``;`` between); any other column is kept as text.

A table of somebody else may have other names
(:class:`~pcrnet.evaluation.tables.column_map.ColumnMap`; on the command line ``--id``, ``--prob``,
``--label``, ``--threshold``), labels (``--positive``) and units (``--scale``), and any of the forms
that :mod:`pcrnet.table_file` reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path

import numpy as np

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.csv_text import csv_text
from pcrnet.errors import PredictionsError, PredictionsListError
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray, IntArray
from pcrnet.evaluation.tables.column_map import PREFIXES, ColumnMap
from pcrnet.evaluation.tables.contract import find_problems
from pcrnet.evaluation.tables.prediction_table import PredictionColumns, read_prediction_table
from pcrnet.storage import write_text

BOUNDS = frozenset(f"{end}_{head}" for end in ("low", "high") for head in HEADS)
"""Columns of ``pcrnet predict``: the interval of each probability."""
NEAR, UNLIKE = "near_threshold", "unlike_training"
"""And what else is to be known beside a prediction."""
BESIDE = BOUNDS | {NEAR, UNLIKE}
"""None of these is a covariate."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Checked predictions of n patients; the arrays are copies and read-only.

    Attributes:
        patient_id: Pseudonyms, unique by :func:`pcrnet.identity.name_key`.
        prob: Head to (n,) probabilities of complete response in [0, 1]; one head or more.
        label: Head to (n,) labels as floats: 1 complete response, 0 residual disease, NaN unknown.
            All three heads are always there. An unknown yT0yN0 is filled in where yT0 and yN0 are
            both known, and nothing else is: yT0 = 0 alone does imply yT0yN0 = 0, but to use it
            would select patients by their outcome.
        site: Centre of each patient, empty where unknown.
        fold: (n,) number of the fold whose model never saw the patient; None for an external set.
        uncalibrated_prob: Head to (n,) probabilities before calibration.
        threshold: Head to (n,) threshold locked for the patient, NaN where there was none.
        scans: ``timepoint.channel`` present, for each patient.
        other: Any other column, as text.
        source: Name of the table in error messages.
        rows: Row of each patient there; counted from 2 when empty, below the header.

    Raises:
        PredictionsListError: Every breach of the contract, each with its rows and column.
    """

    patient_id: tuple[str, ...]
    prob: Mapping[Head, FloatArray]
    label: Mapping[Head, FloatArray] = field(default_factory=dict)
    site: tuple[str, ...] | None = None
    fold: IntArray | None = None
    uncalibrated_prob: Mapping[Head, FloatArray] = field(default_factory=dict)
    threshold: Mapping[Head, FloatArray] = field(default_factory=dict)
    scans: tuple[tuple[str, ...], ...] | None = None
    other: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: InitVar[str] = "predictions"
    rows: InitVar[tuple[int, ...]] = ()

    def __post_init__(self, source: str, rows: tuple[int, ...]) -> None:
        unknown = np.full(len(self.patient_id), np.nan)
        labels = {head: self.label.get(head, unknown) for head in HEADS}
        for name, columns in (
            ("prob", self.prob),
            ("label", labels),
            ("uncalibrated_prob", self.uncalibrated_prob),
            ("threshold", self.threshold),
        ):
            frozen = {head: _frozen(columns[head]) for head in HEADS if head in columns}
            object.__setattr__(self, name, frozen)
        if self.fold is not None:
            object.__setattr__(self, "fold", _frozen_fold(self.fold))
        if problems := self._problems(rows):
            raise PredictionsListError(f"{source} breaks the contract of predictions", problems)
        object.__setattr__(self, "label", _with_joint_label(self.label))

    def numbers(self) -> dict[str, FloatArray]:
        """Labels, probabilities and thresholds, each (n,), under the names of their columns."""
        groups = (self.label, self.prob, self.uncalibrated_prob, self.threshold)
        return {
            f"{prefix}{head}": values
            for prefix, columns in zip(("", *PREFIXES), groups, strict=True)
            for head, values in columns.items()
        }

    def __len__(self) -> int:
        return len(self.patient_id)

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads that have probabilities."""
        return tuple(self.prob)

    def select(self, rows: BoolArray) -> Predictions:
        """The patients for whom ``rows`` (n,) is true: a subgroup."""

        def text(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(value for value, keep in zip(values, rows, strict=True) if keep)

        def arrays(columns: Mapping[Head, FloatArray]) -> dict[Head, FloatArray]:
            return {head: values[rows] for head, values in columns.items()}

        return Predictions(
            patient_id=text(self.patient_id),
            prob=arrays(self.prob),
            label=arrays(self.label),
            site=None if self.site is None else text(self.site),
            fold=None if self.fold is None else self.fold[rows],
            uncalibrated_prob=arrays(self.uncalibrated_prob),
            threshold=arrays(self.threshold),
            scans=None
            if self.scans is None
            else tuple(scan for scan, keep in zip(self.scans, rows, strict=True) if keep),
            other={name: text(values) for name, values in self.other.items()},
        )

    def uncalibrated(self) -> Predictions | None:
        """The same patients with the probabilities before calibration; None where not recorded.

        Thresholds were locked on calibrated probabilities and are left out.
        """
        if not self.uncalibrated_prob:
            return None
        return dataclasses.replace(
            self, prob=self.uncalibrated_prob, uncalibrated_prob={}, threshold={}
        )

    def _problems(self, rows: tuple[int, ...]) -> list[PredictionsError]:
        texts: dict[str, Sequence[object]] = dict(self.other)
        if self.site is not None:
            texts["site"] = self.site
        if self.scans is not None:
            texts["scans"] = self.scans
        return find_problems(self.patient_id, self.numbers(), self.fold, texts, rows)


def read_predictions(path: Path, columns: ColumnMap | None = None) -> Predictions:
    """Read and check a predictions table; see :func:`take_predictions`."""
    return take_predictions(read_prediction_table(path, columns or ColumnMap()), path.name)


def take_predictions(table: PredictionColumns, source: str) -> Predictions:
    """Check a table that has been read.

    Raises:
        PredictionsListError: Cells break the contract; one message a kind of breach.
    """
    return Predictions(
        patient_id=table.patient_id,
        prob=table.prob,
        label=table.label,
        site=table.site,
        fold=table.fold,
        uncalibrated_prob=table.uncalibrated_prob,
        threshold=table.threshold,
        scans=table.scans,
        other=table.other,
        source=source,
        rows=table.rows,
    )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the table atomically; every float is written so that it reads back bit for bit."""
    columns: dict[str, Sequence[str]] = {"patient_id": predictions.patient_id}
    if predictions.site is not None:
        columns["site"] = predictions.site
    if predictions.fold is not None:
        columns["fold"] = [str(fold) for fold in predictions.fold]
    for name, values in predictions.numbers().items():
        show = _integer_text if name in HEADS else _float_text
        columns[name] = ["" if np.isnan(value) else show(value) for value in values]
    if predictions.scans is not None:
        columns["scans"] = [";".join(scans) for scans in predictions.scans]
    columns |= predictions.other
    write_text(path, csv_text([columns, *zip(*columns.values(), strict=True)]))


def _integer_text(value: float) -> str:
    return str(int(value))


def _float_text(value: float) -> str:
    return repr(float(value))


def _frozen(values: FloatArray) -> FloatArray:
    copy = np.array(values, dtype=np.float64)
    copy.setflags(write=False)
    return copy


def _frozen_fold(values: IntArray) -> IntArray:
    copy = np.array(values, dtype=np.int64)
    copy.setflags(write=False)
    return copy


def _with_joint_label(label: Mapping[Head, FloatArray]) -> dict[Head, FloatArray]:
    both = label["yT0"] * label["yN0"]
    joint = np.where(np.isnan(label["yT0yN0"]), both, label["yT0yN0"])
    return {**label, "yT0yN0": _frozen(joint)}
