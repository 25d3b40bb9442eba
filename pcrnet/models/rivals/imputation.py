"""What was not measured, as expected from what was: a shrunk Gaussian over the quantities.

A linear model that is given the conditional mean of what is missing answers with the mean of its
logit given what is there: one model for any subset of the scans.

Shapes: n patients, p quantities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_ROUNDS = 6
_SPREADS = 3.5  # values further out than this many robust standard deviations are drawn in
_ENOUGH = 8  # patients in whom a quantity must have been measured, else nothing is made of it


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Mean, spread and range of each quantity among the training patients.

    Attributes:
        centre: (p,).
        spread: (p,); infinite for a quantity that says nothing, which becomes 0 in everybody.
        low: (p,) least value that is believed, after standardising.
        high: (p,) greatest.
    """

    centre: FloatArray
    spread: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def fit(cls, values: FloatArray) -> Standardisation:
        """Learn from (n, p); NaN is what was not measured."""
        p = values.shape[1]
        centre, spread = np.zeros(p), np.full(p, np.inf)
        low, high = np.full(p, -_SPREADS), np.full(p, _SPREADS)
        for column in range(p):
            known = values[np.isfinite(values[:, column]), column]
            if len(known) < _ENOUGH or np.ptp(known) < 1e-9 * (1.0 + np.abs(known).max()):
                continue
            middle = float(np.median(known))
            robust = 1.4826 * float(np.median(np.abs(known - middle)))
            # A quantity that is one number in most patients has no robust spread.
            robust = robust if robust > 0 else float(known.std())
            drawn_in = np.clip(known, middle - _SPREADS * robust, middle + _SPREADS * robust)
            centre[column], spread[column] = drawn_in.mean(), drawn_in.std()
            low[column] = (middle - _SPREADS * robust - centre[column]) / spread[column]
            high[column] = (middle + _SPREADS * robust - centre[column]) / spread[column]
        return cls(centre, spread, low, high)

    def apply(self, values: FloatArray) -> FloatArray:
        """Standardise (n, p), outliers drawn in; NaN stays."""
        return np.asarray(np.clip((values - self.centre) / self.spread, self.low, self.high))


@dataclass(frozen=True, eq=False)
class Imputation:
    """A Gaussian over standardised quantities.

    Attributes:
        mean: (p,).
        covariance: (p, p), shrunk towards its diagonal, positive definite.
    """

    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def fit(cls, values: FloatArray) -> Imputation:
        """Expectation–maximisation (Dempster et al., J R Stat Soc B 1977; 39:1) on (n, p).

        In each round the covariance is shrunk towards its diagonal by Ledoit and Wolf's amount
        (J Multivariate Anal 2004; 88:365), since there are about as many quantities as patients.
        """
        from sklearn.covariance import ledoit_wolf_shrinkage

        n, p = values.shape
        found = cls(np.zeros(p), np.eye(p))
        if not n or not p:
            return found
        rounds = _ROUNDS if np.isnan(values).any() else 1
        for _ in range(rounds):
            completed, unexplained = found._expect(values)
            mean = completed.mean(axis=0)
            centred = completed - mean
            covariance = (centred.T @ centred + unexplained) / n
            amount = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
            diagonal = np.diag(np.maximum(np.diag(covariance), 1e-6))
            found = cls(mean, (1.0 - amount) * covariance + amount * diagonal + 1e-6 * np.eye(p))
        return found

    def complete(self, values: FloatArray) -> FloatArray:
        """(n, p) with NaN replaced by its mean given the rest of the row."""
        return self._expect(values)[0]

    def _expect(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Completed rows (n, p), and the sum of the conditional covariances (p, p)."""
        completed = values.copy()
        unexplained = np.zeros_like(self.covariance)
        missing = np.isnan(values)
        patterns, which = np.unique(missing, axis=0, return_inverse=True)
        for index, pattern in enumerate(patterns):
            if not pattern.any():
                continue
            rows = np.flatnonzero(which.ravel() == index)
            there = ~pattern
            across = self.covariance[np.ix_(pattern, there)]
            weights = np.linalg.solve(self.covariance[np.ix_(there, there)], across.T).T
            deviation = values[np.ix_(rows, there)] - self.mean[there]
            completed[np.ix_(rows, pattern)] = self.mean[pattern] + deviation @ weights.T
            left = self.covariance[np.ix_(pattern, pattern)] - weights @ across.T
            unexplained[np.ix_(pattern, pattern)] += len(rows) * left
        return completed, unexplained
