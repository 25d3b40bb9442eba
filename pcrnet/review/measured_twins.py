"""Visits whose scans measure alike in everything: one visit of one person, there twice.

Files that are equal byte for byte are known before anything is measured
(:mod:`pcrnet.imaging.known_scans`). A series that was converted twice, packed anew, rounded to
whole numbers or turned to another orientation is not; what is measured of it is the same for all
that. A person under two names is learned from in one fold and judged in another, and a visit that
is a copy of another shows no change.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import CohortError
from pcrnet.imaging.quantify.record import Quantities

FEWEST = 12
"""Quantities that two visits must have in common to be compared."""
ALIKE = 0.002
"""Of the spread between visits: the middle difference of copies is less. Of 1,200 visits of a
simulated world no two that differ come closer than 0.05."""
_SAME_OF_MANY = 5  # a value that so many visits have is a floor or a default
_AS_NORMAL = 1.349  # interquartile range of a normal distribution of deviation 1

FloatArray = NDArray[np.float64]


def measured_twins(
    measured: Mapping[str, Quantities], timepoints: Sequence[str]
) -> Iterator[CohortError]:
    """A problem for each visit that measures as an earlier one of the table does.

    Args:
        measured: Patient to quantities, in the order of the table.
        timepoints: Names of the visits.
    """
    visits = [(name, timepoint) for name in measured for timepoint in timepoints]
    values = _by_visit(measured, visits)
    for later, earlier, shared in _pairs(_standardised(values)):
        (patient, timepoint), (whose, other) = visits[later], visits[earlier]
        own = whose == patient
        yield CohortError(
            f"the scans of {timepoint} measure as those of {other} of "
            f"{'the same patient' if own else f'the patient {whose}'} in {shared} quantities: "
            "the same scans, saved twice",
            patient=patient,
            field=timepoint,
            remedy="give each visit the scans that were made then, or leave it empty"
            if own
            else "one row a patient: if both are one person, join the rows; else give each the "
            "files that are theirs",
        )


def _by_visit(measured: Mapping[str, Quantities], visits: Sequence[tuple[str, str]]) -> FloatArray:
    """What each visit (v,) says by itself, (v, p), by names without the visit's; NaN is unknown."""
    own = [
        {
            name.removeprefix(f"{timepoint}."): value
            for name, value in measured[patient].values.items()
            if name.startswith(f"{timepoint}.") and not name.endswith(".days")
        }
        for patient, timepoint in visits
    ]
    names = sorted({name for values in own for name in values})
    rows = [[values.get(name, np.nan) for name in names] for values in own]
    return np.array(rows, dtype=np.float64).reshape(len(visits), len(names))


def _standardised(values: FloatArray) -> FloatArray:
    """In units of the spread between visits, without floors and defaults (NaN)."""
    if not values.size:
        return values
    found = values.copy()
    for column in found.T:
        of, inverse, count = np.unique(column, return_inverse=True, return_counts=True)
        column[(count[inverse] >= _SAME_OF_MANY) | ~np.isfinite(of[inverse])] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns in which nothing is known
        low, high = np.nanpercentile(found, [25, 75], axis=0)
    spread = np.where(high > low, (high - low) / _AS_NORMAL, np.nan)
    return np.asarray(found / spread)


def _pairs(values: FloatArray) -> Iterator[tuple[int, int, int]]:
    """Each row of (v, p) with the first before it that is alike, and in how many columns."""
    for row in range(1, len(values)):
        difference = np.abs(values[:row] - values[row])
        shared = np.isfinite(difference).sum(axis=1)
        close = (difference < ALIKE).sum(axis=1)  # more than half of them: so is the middle one
        alike = np.flatnonzero((shared >= FEWEST) & (2 * close > shared))
        if alike.size:
            yield row, int(alike[0]), int(shared[alike[0]])
