"""What a predictions table must hold: every breach, with its rows and its column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pcrnet.cohort.outcome import HEADS
from pcrnet.errors import PredictionsError
from pcrnet.evaluation.arrays import BoolArray, FloatArray, IntArray

COHERENCE_TOLERANCE = 1e-6
"""How far rounding by others may bend the joint distribution of a row."""

_ROWS_SHOWN = 5


def find_problems(
    patient_id: tuple[str, ...],
    numbers: Mapping[str, FloatArray],
    fold: IntArray | None,
    texts: Mapping[str, Sequence[object]],
) -> list[PredictionsError]:
    """List every breach of the contract; an empty list means none.

    Args:
        patient_id: n pseudonyms.
        numbers: Column name (``yT0``, ``prob_yT0``, ``uncalibrated_prob_yT0``, ``threshold_yT0``,
            …) to its values; NaN is an empty cell, infinity a cell that held no number.
        fold: (n,) fold numbers; negative where the cell held none.
        texts: The remaining columns, of which only the length is checked.
    """
    n = len(patient_id)
    columns: dict[str, Sequence[object] | FloatArray | IntArray] = {**numbers, **texts}
    if fold is not None:
        columns["fold"] = fold
    lengths = [
        PredictionsError(f"{len(values)} values for {n} patients", field=name)
        for name, values in columns.items()
        if len(values) != n
    ]
    # Rows can be compared with one another only where all columns have them.
    return lengths or list(_content_problems(patient_id, numbers, fold))


def _content_problems(
    patient_id: tuple[str, ...], numbers: Mapping[str, FloatArray], fold: IntArray | None
) -> Iterator[PredictionsError]:
    if not any(name.startswith("prob_") for name in numbers):
        yield PredictionsError(
            "no probability column",
            field="prob_<head>",
            remedy=f"name at least one of {', '.join(f'prob_{head}' for head in HEADS)}",
        )
    yield from _patient_problems(patient_id)
    for name, values in numbers.items():
        if name in HEADS:
            yield from _label_problems(name, values)
        else:
            yield from _range_problems(name, values, optional=name.startswith("threshold_"))
    if fold is not None and (fold < 0).any():
        yield _at(
            fold < 0,
            "a fold is a whole number from 0",
            field="fold",
            remedy="number every row's fold, or leave the column out for an external test set",
        )
    yield from _contradictions(numbers)
    yield from _incoherences("prob_", numbers)
    yield from _incoherences("uncalibrated_prob_", numbers)


def _patient_problems(patient_id: tuple[str, ...]) -> Iterator[PredictionsError]:
    keys = np.array(["".join(name.split()).casefold() for name in patient_id], dtype=np.str_)
    if (unnamed := keys == "").any():
        yield _at(unnamed, "no patient is named", field="patient_id")
    names, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
    for repeated in np.flatnonzero((counts > 1) & (names != "")):
        yield _at(
            index == repeated,
            "the same patient in several rows (case and spaces are ignored)",
            field="patient_id",
            remedy="keep one row a patient; average metrics over repeats, never predictions",
        )


def _label_problems(name: str, values: FloatArray) -> Iterator[PredictionsError]:
    wrong = ~(np.isnan(values) | np.isin(values, (0.0, 1.0)))
    if wrong.any():
        one_two = set(values[~np.isnan(values)]) <= {1.0, 2.0}
        yield _at(
            wrong,
            f"a label is 0, 1 or empty, found {_shown(values[wrong])}",
            field=name,
            remedy="the labels are coded {1, 2}: code complete response as 1 and residue as 0"
            if one_two
            else "1 is complete response, 0 residual disease, an empty cell unknown",
        )


def _range_problems(name: str, values: FloatArray, *, optional: bool) -> Iterator[PredictionsError]:
    inside = (values >= 0.0) & (values <= 1.0)
    wrong = ~(inside | np.isnan(values)) if optional else ~inside
    if wrong.any():
        yield _at(
            wrong,
            f"expected a number from 0 to 1, found {_shown(values[wrong])}",
            field=name,
            remedy="leave the cell empty where no threshold was locked"
            if optional
            else "leave patients without a prediction out of the table",
        )


def _contradictions(numbers: Mapping[str, FloatArray]) -> Iterator[PredictionsError]:
    breast, nodes, joint = (numbers[head] for head in HEADS)
    wrong = ((joint == 1) & ((breast == 0) | (nodes == 0))) | (
        (joint == 0) & (breast == 1) & (nodes == 1)
    )
    if wrong.any():
        yield _at(
            wrong,
            "yT0yN0 contradicts yT0 and yN0",
            field="yT0yN0",
            remedy="yT0yN0 is 1 exactly where yT0 and yN0 are both 1",
        )


def _incoherences(prefix: str, numbers: Mapping[str, FloatArray]) -> Iterator[PredictionsError]:
    breast, nodes, joint = (numbers.get(f"{prefix}{head}") for head in HEADS)
    if joint is None:
        return
    excess = []
    if breast is not None:
        excess.append(("P(yT0yN0) exceeds P(yT0)", joint - breast))
    if nodes is not None:
        excess.append(("P(yT0yN0) exceeds P(yN0)", joint - nodes))
    if breast is not None and nodes is not None:
        excess.append(("P(yT0yN0) is less than P(yT0) + P(yN0) − 1", breast + nodes - 1 - joint))
    for text, amount in excess:
        if (wrong := amount > COHERENCE_TOLERANCE).any():
            yield _at(
                wrong,
                text,
                field=f"{prefix}yT0yN0",
                remedy="mend the model, or evaluate one head at a time in tables of its own",
            )


def _at(rows: BoolArray, problem: str, *, field: str, remedy: str = "") -> PredictionsError:
    # Row 1 of the file is the header.
    numbers = [str(number) for number in np.flatnonzero(rows) + 2]
    more = f" and {len(numbers) - _ROWS_SHOWN} more" if len(numbers) > _ROWS_SHOWN else ""
    where = f"row{'s' if len(numbers) > 1 else ''} {', '.join(numbers[:_ROWS_SHOWN])}{more}"
    return PredictionsError(f"{where}: {problem}", field=field, remedy=remedy)


def _shown(values: FloatArray) -> str:
    # A cell that held no number is infinite here: its text is never repeated.
    parts = [f"{value:.6g}" for value in np.unique(values[np.isfinite(values)])[:3]]
    if np.isnan(values).any():
        parts.append("an empty cell")
    if np.isinf(values).any():
        parts.append("no finite number")
    return ", ".join(parts)
