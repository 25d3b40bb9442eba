"""What a table of predictions says beside them: lesions, intervals, near calls, strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pcrnet.applicability.scrutiny import Scrutiny
from pcrnet.cohort.outcome import HEADS
from pcrnet.errors import UnlikeError
from pcrnet.evaluation.tables.predictions import NEAR, UNLIKE
from pcrnet.imaging.quantify.record import LESION_COLUMNS, QuantityFlags, lesion_cells

_MOST_REASONS = 3


def lesion_columns(flags: Sequence[QuantityFlags | None]) -> dict[str, tuple[str, ...]]:
    """Columns that say where the lesion was taken from, named and filled as in ``patients.csv``.

    Args:
        flags: Of each patient; None of whom no scan was looked at. None at all: no column.
    """
    if not any(flags):
        return {}
    cells = [dict.fromkeys(LESION_COLUMNS, "") if of is None else lesion_cells(of) for of in flags]
    return {name: tuple(row[name] for row in cells) for name in LESION_COLUMNS}


def doubt_columns(
    patients: Sequence[str], scrutinies: Mapping[str, Scrutiny]
) -> dict[str, tuple[str, ...]]:
    """Columns for a table of predictions, as text; none where the bundle cannot say.

    ``low_<head>`` and ``high_<head>`` bound the probability in nine of ten draws;
    ``near_threshold`` names the heads whose threshold lies between them, with ``;`` between;
    ``unlike_training`` says what is unlike the training patients, the strongest reason first.
    """
    own = [scrutinies.get(patient) for patient in patients]
    if not any(own):
        return {}
    columns: dict[str, tuple[str, ...]] = {}
    for head in HEADS:
        intervals = [None if one is None else one.intervals[head] for one in own]
        columns[f"low_{head}"] = tuple("" if i is None else f"{i.low:.4f}" for i in intervals)
        columns[f"high_{head}"] = tuple("" if i is None else f"{i.high:.4f}" for i in intervals)
    columns[NEAR] = tuple("" if one is None else ";".join(one.near) for one in own)
    columns[UNLIKE] = tuple("" if one is None else reasons(one) for one in own)
    return columns


def reasons(scrutiny: Scrutiny) -> str:
    """Why a patient is unlike the training patients, in a line; empty where nothing is."""
    doubts = scrutiny.likeness.doubts
    text = "; ".join(str(doubt) for doubt in doubts[:_MOST_REASONS])
    more = len(doubts) - _MOST_REASONS
    return f"{text}; and {more} more" if more > 0 else text


def say_doubts(scrutinies: Mapping[str, Scrutiny]) -> list[str]:
    """What the console says: who is unlike the training patients and why, and how many are near.

    Near a threshold are most patients of an ordinary cohort: a line each would hide the warnings.
    """
    lines = [
        f"warning: {patient} is unlike the training patients: {reasons(one)}"
        for patient, one in scrutinies.items()
        if one.likeness.doubts
    ]
    near = sum(bool(one.near) for one in scrutinies.values())
    if near:
        lines.append(
            f"note: near a threshold: {near} of {len(scrutinies)} patients; "
            f"the column {NEAR} says of which outcomes"
        )
    return lines


def require_alike(scrutiny: Scrutiny) -> None:
    """Refuse a patient who is unlike those that the bundle was trained on.

    Raises:
        UnlikeError: With the scan or covariate, and the reason.
    """
    doubts = scrutiny.likeness.doubts
    if not doubts:
        return
    more = f"; and {len(doubts) - 1} more" if len(doubts) > 1 else ""
    raise UnlikeError(
        f"unlike the patients that the bundle was trained on: {doubts[0].reason}{more}",
        field=doubts[0].where,
        remedy="look at the scan or value; without --refuse-unlike it is predicted with a warning",
    )
