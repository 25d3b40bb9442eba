"""What a predictions table must hold: every breach, with its rows and its column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pcrnet.cohort.outcome import HEADS
from pcrnet.errors import PredictionsError
from pcrnet.evaluation.statistics.array_types import BoolArray, FloatArray, IntArray
from pcrnet.identity import has_unseen, name_key
from pcrnet.table_file import rows_in_words

COHERENCE_TOLERANCE = 1e-6
"""How far rounding by others may bend the joint distribution of a row."""


@dataclass(frozen=True)
class Breach:
    """One kind of breach in one column."""

    rows: BoolArray | None
    """Which patients it concerns, shape ``(n,)``; None for the table as a whole."""
    problem: str
    field: str
    remedy: str = ""


def find_problems(
    patient_id: tuple[str, ...],
    numbers: Mapping[str, FloatArray],
    fold: IntArray | None,
    texts: Mapping[str, Sequence[object]],
    rows: Sequence[int] = (),
) -> list[PredictionsError]:
    """List every breach of the contract; an empty list means none.

    Args:
        patient_id: n pseudonyms.
        numbers: Column name (``yT0``, ``prob_yT0``, ``uncalibrated_prob_yT0``, ``threshold_yT0``,
            …) to its values; NaN is an empty cell, infinity a cell that held no number.
        fold: (n,) fold numbers; negative where the cell held none.
        texts: The remaining columns, of which only the length is checked.
        rows: Row of each patient in the table; counted from 2 when empty, below the header.
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
    return lengths or [_located(breach, rows) for breach in _breaches(patient_id, numbers, fold)]


def _located(breach: Breach, rows: Sequence[int]) -> PredictionsError:
    where = ""
    if breach.rows is not None:
        # Row 1 of the file is the header.
        concerned = np.flatnonzero(breach.rows).tolist()
        numbers = [rows[place] if rows else place + 2 for place in concerned]
        where = f"{rows_in_words(numbers)}: "
    return PredictionsError(where + breach.problem, field=breach.field, remedy=breach.remedy)


def _breaches(
    patient_id: tuple[str, ...], numbers: Mapping[str, FloatArray], fold: IntArray | None
) -> Iterator[Breach]:
    if not any(name.startswith("prob_") for name in numbers):
        yield Breach(
            None,
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
        yield Breach(
            fold < 0,
            "a fold is a whole number from 0",
            field="fold",
            remedy="number every row's fold, or leave the column out for an external test set",
        )
    yield from _contradictions(numbers)
    yield from _incoherences("prob_", numbers)
    yield from _incoherences("uncalibrated_prob_", numbers)


def _patient_problems(patient_id: tuple[str, ...]) -> Iterator[Breach]:
    unseen = np.array([has_unseen(name) for name in patient_id], dtype=np.bool_)
    if unseen.any():
        yield Breach(
            unseen,
            "the name holds characters that cannot be seen",
            field="patient_id",
            remedy="type it anew; zero-width spaces and control characters come with copying",
        )
    keys = np.array([name_key(name) for name in patient_id], dtype=np.str_)
    if (unnamed := keys == "").any():
        yield Breach(unnamed, "no patient is named", field="patient_id")
    _, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
    repeated = (counts[index] > 1) & ~unnamed if len(keys) else unnamed
    if repeated.any():
        yield Breach(
            repeated,
            "the same patient in several rows (case, spaces and Unicode form are ignored)",
            field="patient_id",
            remedy="keep one row a patient; average metrics over repeats, never predictions",
        )


def _label_problems(name: str, values: FloatArray) -> Iterator[Breach]:
    wrong = ~(np.isnan(values) | np.isin(values, (0.0, 1.0)))
    if wrong.any():
        one_two = set(values[~np.isnan(values)]) <= {1.0, 2.0}
        yield Breach(
            wrong,
            f"a label is 0, 1 or empty, found {_shown(values[wrong])}",
            field=name,
            remedy="the labels are coded {1, 2}: name complete response, for example --positive 1"
            if one_two
            else "1 is complete response, 0 residual disease, an empty cell (or NA, ?, unknown) "
            "unknown; of two other values name the first by --positive",
        )


def _range_problems(name: str, values: FloatArray, *, optional: bool) -> Iterator[Breach]:
    inside = (values >= 0.0) & (values <= 1.0)
    wrong = ~(inside | np.isnan(values)) if optional else ~inside
    if wrong.any():
        yield Breach(
            wrong,
            f"expected a number from 0 to 1, found {_shown(values[wrong])}",
            field=name,
            remedy=_scale_hint(values)
            or (
                "leave the cell empty where no threshold was locked"
                if optional
                else "leave patients without a prediction out of the table"
            ),
        )


def _scale_hint(values: FloatArray) -> str:
    """What the numbers of a column look like where they are no probabilities."""
    known = values[np.isfinite(values)]
    outside = (known < 0) | (known > 1)
    if 2 * outside.sum() <= len(known):
        return ""
    if (known >= 0).all() and (known <= 100).all():
        return "these look like per cent: divide them by 100, or say --scale percent"
    if (known < 0).any() and (np.abs(known) < 100).all():
        return "these look like logits: turn them into probabilities, or say --scale logit"
    return ""


def _contradictions(numbers: Mapping[str, FloatArray]) -> Iterator[Breach]:
    breast, nodes, joint = (numbers[head] for head in HEADS)
    wrong = _contradicting(breast, nodes, joint)
    if wrong.any():
        yield Breach(
            wrong,
            "yT0yN0 contradicts yT0 and yN0",
            field="yT0yN0",
            remedy="these labels agree where 1 is residual disease: if it is, say --positive 0"
            if not _contradicting(1 - breast, 1 - nodes, 1 - joint).any()
            else "yT0yN0 is 1 exactly where yT0 and yN0 are both 1",
        )


def _contradicting(breast: FloatArray, nodes: FloatArray, joint: FloatArray) -> BoolArray:
    found: BoolArray = ((joint == 1) & ((breast == 0) | (nodes == 0))) | (
        (joint == 0) & (breast == 1) & (nodes == 1)
    )
    return found


def _incoherences(prefix: str, numbers: Mapping[str, FloatArray]) -> Iterator[Breach]:
    breast, nodes, joint = (numbers.get(f"{prefix}{head}") for head in HEADS)
    if joint is None:
        return
    given = [values for values in (breast, nodes, joint) if values is not None]
    # What is no probability at all has been named already.
    possible = np.all([(values >= 0.0) & (values <= 1.0) for values in given], axis=0)

    def breaches(*, of_residue: bool) -> Iterator[tuple[str, BoolArray]]:
        def stated(values: FloatArray) -> FloatArray:
            return np.where(possible, 1 - values if of_residue else values, 0)

        of_breast, of_nodes = (
            None if values is None else stated(values) for values in (breast, nodes)
        )
        for text, amount in _excesses(of_breast, of_nodes, stated(joint)):
            yield text, amount > COHERENCE_TOLERANCE

    reversed_fits = not any(wrong.any() for _, wrong in breaches(of_residue=True))
    for text, wrong in breaches(of_residue=False):
        if wrong.any():
            yield Breach(
                wrong,
                text,
                field=f"{prefix}yT0yN0",
                remedy="1 minus each number would agree: these look like probabilities of residual "
                "disease; give those of complete response"
                if reversed_fits
                else "mend the model, or evaluate one head at a time in tables of its own",
            )


def _excesses(
    breast: FloatArray | None, nodes: FloatArray | None, joint: FloatArray
) -> Iterator[tuple[str, FloatArray]]:
    """By how much each bound on the joint probability is overstepped, above 0 where it is."""
    if breast is not None:
        yield "P(yT0yN0) exceeds P(yT0)", joint - breast
    if nodes is not None:
        yield "P(yT0yN0) exceeds P(yN0)", joint - nodes
    if breast is not None and nodes is not None:
        yield "P(yT0yN0) is less than P(yT0) + P(yN0) − 1", breast + nodes - 1 - joint


def _shown(values: FloatArray) -> str:
    # A cell that held no number is infinite here: its text is never repeated.
    parts = [f"{value:.6g}" for value in np.unique(values[np.isfinite(values)])[:3]]
    if np.isnan(values).any():
        parts.append("an empty cell")
    if np.isinf(values).any():
        parts.append("no finite number")
    return ", ".join(parts)
