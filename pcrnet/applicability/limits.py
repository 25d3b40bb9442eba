"""How far from its training patients a row of numbers lies, in units of what is still usual.

Each number has a centre and a robust spread; together they have a shrunk covariance. What is usual
is found on patients of groups (sites, where there are enough of them) that centre, spread and
covariance have not seen, so that a new site is not strange for being new.

Shapes: n patients, p numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_FEWEST = 8
_FOLDS = 5
_FEWEST_OF_A_GROUP = 8
_DRAWN_IN = 8.0
_LEAST_LIMIT = 4.5
_MOST = 5
_MARGIN = 1.75
_DISTANCE_MARGIN = 1.4
"""Over what patients left out show: a new hospital differs more than the sites of training do."""


@dataclass(frozen=True, eq=False)
class UsualLimits:
    """What is usual of p numbers.

    Attributes:
        centre: (p,) median; NaN for a number of which too little is known, which is never judged.
        spread: (p,) robust standard deviation, or what a number may well differ by.
        limit: (p,) deviation in spreads from which on a number is unusual.
        precision: (p, p) inverse of the shrunk covariance of the deviations.
        distance_limit: Root mean square Mahalanobis distance from which on the whole is unusual.
    """

    centre: FloatArray
    spread: FloatArray
    limit: FloatArray
    precision: FloatArray
    distance_limit: float

    @classmethod
    def fit(
        cls,
        values: FloatArray,
        least_spread: FloatArray,
        groups: Sequence[object],
        leeway: FloatArray | float = 1.0,
    ) -> UsualLimits:
        """Learn from (n, p); NaN is unknown.

        Args:
            values: Of the training patients.
            least_spread: (p,) what each number may differ by at the least between machines.
            groups: (n,) site of each patient.
            leeway: By how much more than its own limit a number must deviate to count alone.
        """
        whole = _Frame.fit(values, least_spread)
        deviations, distances = [], []
        for rest, left in _parts(groups):
            frame = _Frame.fit(values[rest], least_spread)
            deviations.append(np.abs(frame.deviations(values[left])))
            distances.append(frame.distance(values[left]))
        seen = np.concatenate(deviations) if deviations else np.zeros((0, values.shape[1]))
        far = np.concatenate(distances) if distances else np.zeros(0)
        limit = np.maximum(_LEAST_LIMIT, _MARGIN * _mean_of_most(seen)) * leeway
        usual = _DISTANCE_MARGIN * float(np.quantile(far, 0.99)) if len(far) else np.inf
        return cls(whole.centre, whole.spread, limit, whole.precision, max(usual, 1.0))

    def deviations(self, values: FloatArray) -> FloatArray:
        """Deviations (n, p) in units of their limits: beyond ±1 is unusual; NaN where unknown."""
        return np.asarray((values - self.centre) / self.spread / self.limit)

    def distances(self, values: FloatArray) -> FloatArray:
        """Distances (n,) of the rows in units of the limit: above 1 is unusual."""
        return self._frame.distance(values) / self.distance_limit

    @property
    def _frame(self) -> _Frame:
        return _Frame(self.centre, self.spread, self.precision)


def _mean_of_most(deviations: FloatArray) -> FloatArray:
    """Mean (p,) of the largest deviations of several patients: no single one's is kept."""
    known = np.sort(np.nan_to_num(deviations), axis=0)[-_MOST:]
    return np.asarray(known.mean(axis=0)) if len(known) else np.zeros(deviations.shape[1])


@dataclass(frozen=True, eq=False)
class _Frame:
    centre: FloatArray
    spread: FloatArray
    precision: FloatArray

    @classmethod
    def fit(cls, values: FloatArray, least_spread: FloatArray) -> _Frame:
        from sklearn.covariance import ledoit_wolf

        p = values.shape[1]
        centre, spread = np.full(p, np.nan), np.ones(p)
        for column in range(p):
            known = values[np.isfinite(values[:, column]), column]
            if len(known) < _FEWEST:
                continue
            centre[column] = np.median(known)
            robust = 1.4826 * float(np.median(np.abs(known - centre[column])))
            spread[column] = max(robust, float(least_spread[column]))
        frame = cls(centre, spread, np.eye(p))
        drawn_in = frame._drawn_in(values)
        if len(drawn_in) < _FEWEST:
            return frame
        covariance, _ = ledoit_wolf(drawn_in, assume_centered=True)
        # No direction is believed to be narrower than a fifth of what the numbers do by themselves.
        covariance += 0.04 * np.eye(p)
        return cls(centre, spread, np.asarray(np.linalg.inv(covariance)))

    def deviations(self, values: FloatArray) -> FloatArray:
        return np.asarray((values - self.centre) / self.spread)

    def _drawn_in(self, values: FloatArray) -> FloatArray:
        return np.nan_to_num(np.clip(self.deviations(values), -_DRAWN_IN, _DRAWN_IN))

    def distance(self, values: FloatArray) -> FloatArray:
        """Root mean square over what is known of the row (n,)."""
        drawn_in = self._drawn_in(values)
        known = np.isfinite(self.deviations(values)).sum(axis=1)
        squares = np.einsum("np,pq,nq->n", drawn_in, self.precision, drawn_in)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0) / np.maximum(known, 1)))


def _parts(groups: Sequence[object]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Who fits and who is left out, each patient once; by group where there are three or more."""
    codes = np.unique([str(group) for group in groups], return_inverse=True)[1]
    sizes = np.bincount(codes) if len(codes) else np.zeros(0, dtype=int)
    if (sizes >= _FEWEST_OF_A_GROUP).sum() < 3:
        codes = np.arange(len(groups)) % _FOLDS
    for code in np.unique(codes):
        rest, left = np.flatnonzero(codes != code), np.flatnonzero(codes == code)
        if len(rest) >= _FEWEST:
            yield rest, left
