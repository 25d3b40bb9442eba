"""Which values of a covariate the training patients had: a range of numbers, or words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pcrnet.cohort.covariates import as_number
from pcrnet.data.clinical import FEWEST_OF_A_CATEGORY

_USUAL = (0.02, 0.98)
_BEYOND = 0.4
"""How far beyond the usual range a value may lie, as a share of its width."""
_FEWEST = 8


@dataclass(frozen=True)
class CovariateRange:
    """What is usual of one covariate.

    Attributes:
        name: Its column.
        low: 2 % quantile of a number; NaN of words.
        high: 98 % quantile.
        words: Categories that enough training patients share; empty of a number.
    """

    name: str
    low: float
    high: float
    words: tuple[str, ...] = ()

    @classmethod
    def fit(cls, name: str, texts: Sequence[str | None]) -> CovariateRange | None:
        """Learn from the training patients; None where too few are known."""
        known = [text for text in texts if text is not None]
        numbers = [as_number(text) for text in known]
        if known and all(number is not None for number in numbers):
            if len(known) < _FEWEST:
                return None
            values = np.array(numbers, dtype=np.float64)
            low, high = (float(np.quantile(values, share)) for share in _USUAL)
            return cls(name, low, high)
        often = [text for text, n in Counter(known).items() if n >= FEWEST_OF_A_CATEGORY]
        return cls(name, np.nan, np.nan, tuple(sorted(often))) if often else None

    def strangeness(self, text: str | None) -> float:
        """0 within what is usual, 1 at its limit, 2 and more far beyond; unknown is 0."""
        if text is None:
            return 0.0
        if self.words:
            return 0.0 if text in self.words else 1.5
        number = as_number(text)
        if number is None:
            return 0.0  # refused elsewhere
        width = max(self.high - self.low, 1e-9 + 0.05 * max(abs(self.low), abs(self.high)))
        beyond = max(self.low - number, number - self.high, 0.0)
        # Of a stage or grade the next step is no stranger.
        step = 1.0 if self.low.is_integer() and self.high.is_integer() else 0.0
        return beyond / max(_BEYOND * width, step)

    def reason(self, text: str) -> str:
        """Why a value is unusual. Its text is not repeated."""
        if self.words:
            return f"a category that fewer than {FEWEST_OF_A_CATEGORY} training patients had"
        return f"outside of what the training patients had ({self.low:.4g} to {self.high:.4g})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data that :func:`read_range` reads back."""
        if self.words:
            return {"name": self.name, "words": list(self.words)}
        return {"name": self.name, "low": self.low, "high": self.high}


def read_range(item: Mapping[str, Any]) -> CovariateRange:
    """What :meth:`CovariateRange.to_dict` gave.

    Raises:
        KeyError, TypeError, ValueError: It is something else.
    """
    if "words" in item:
        return CovariateRange(str(item["name"]), np.nan, np.nan, tuple(map(str, item["words"])))
    low, high = float(item["low"]), float(item["high"])
    if not low <= high:
        raise ValueError("a range that ends before it begins")
    return CovariateRange(str(item["name"]), low, high)
