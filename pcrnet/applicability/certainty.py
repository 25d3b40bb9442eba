"""How sure a probability is: the spread of what the model and its calibrator might have been.

Three sources are drawn together: the coefficients of the ridge chain from their posterior, what
the networks add from the spread between them, and the calibrator from its bootstrap. What a
measurement that was not made would have shown is no part of it: the probability is given what
there is.

Shapes: n patients, 3 logits, B draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.decision.calibrators import (
    Calibrator,
    calibrator_from_dict,
    head_probabilities,
)
from pcrnet.errors import BundleError, IntegrityError
from pcrnet.models.rivals.posterior import ChainPosterior
from pcrnet.models.rivals.ridge import FloatArray
from pcrnet.storage import read_arrays, read_record, taking_apart, write_bytes, write_json

LEVEL = 0.9
"""Share of the draws within an interval."""
RECORD_FILE = "certainty.json"
ARRAYS_FILE = "posterior.safetensors"
_DRAWS_EACH = 5
_REMEDY = "copy the bundle again from its source"


@dataclass(frozen=True)
class ProbInterval:
    """Where a probability lies in nine of ten draws: from ``low`` to ``high``, in [0, 1]."""

    low: float
    high: float

    def holds(self, threshold: float) -> bool:
        """Whether the call at ``threshold``, a probability, might as well have been the other."""
        return self.low <= threshold <= self.high


@dataclass(frozen=True, eq=False)
class Certainty:
    """What is known of how a bundle's numbers might have come out otherwise.

    Attributes:
        posterior: Of the ridge chain; None where the model has none.
        calibrators: The calibrator on patients drawn anew; none where there is nothing fitted.
    """

    posterior: ChainPosterior | None
    calibrators: tuple[Calibrator, ...]

    def intervals(
        self, logits: FloatArray, covariance: FloatArray, calibrator: Calibrator
    ) -> list[dict[Head, ProbInterval]]:
        """One interval a head for each patient.

        Args:
            logits: (n, 3) as the model gave them.
            covariance: (n, 3, 3) of the model's logits.
            calibrator: The one that ships, where none was drawn.
        """
        calibrators = self.calibrators or (calibrator,)
        draws = _DRAWS_EACH * max(len(calibrators), 40)
        # The same draws for everybody: neither order nor company changes an interval.
        normal = np.random.default_rng(0).standard_normal((draws, 3))
        found = []
        for own, spread in zip(logits, covariance, strict=True):
            drawn = own + normal @ _root(spread).T
            heads: dict[Head, list[FloatArray]] = {head: [] for head in HEADS}
            for index, one in enumerate(calibrators):
                cells = one.cells(drawn[index :: len(calibrators)])
                for head, prob in head_probabilities(cells).items():
                    heads[head].append(prob)
            found.append({head: _interval(np.concatenate(prob)) for head, prob in heads.items()})
        return found

    def write(self, directory: Path) -> None:
        """Write the calibrators as JSON, the posterior as safetensors."""
        from safetensors.numpy import save

        steps = None if self.posterior is None else list(self.posterior.steps)
        record = {"calibrators": [one.to_dict() for one in self.calibrators], "steps": steps}
        write_json(directory / RECORD_FILE, record)
        if self.posterior is not None:
            arrays = {"breast": self.posterior.breast, "nodes": self.posterior.nodes}
            ready = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            write_bytes(directory / ARRAYS_FILE, save(ready))

    @classmethod
    def read(cls, directory: Path, features: int | None) -> Certainty:
        """Read what :meth:`write` wrote.

        Args:
            directory: Where it lies.
            features: Of the ridge chain; None where the model has none.

        Raises:
            IntegrityError: A file is damaged, or belongs to another model.
        """
        path = directory / RECORD_FILE
        record = read_record(path, remedy=_REMEDY)
        try:
            with taking_apart(path, remedy=_REMEDY):
                calibrators = tuple(calibrator_from_dict(one) for one in record["calibrators"])
                steps = record["steps"]
                step = None if steps is None else (float(steps[0]), float(steps[1]))
        except BundleError as error:
            raise error.located(file=path) from None
        if step is None or features is None:
            return cls(None, calibrators)
        arrays = read_arrays(directory / ARRAYS_FILE, "posterior", remedy=_REMEDY)
        wanted = {"breast": features + 1, "nodes": features + 2}
        for name, width in wanted.items():
            array = arrays.get(name)
            if array is None or array.shape != (width, width) or not np.isfinite(array).all():
                raise IntegrityError(
                    f"the array {name} is damaged", file=directory / ARRAYS_FILE, remedy=_REMEDY
                )
        return cls(ChainPosterior(arrays["breast"], arrays["nodes"], step), calibrators)


def near_threshold(
    intervals: Mapping[Head, ProbInterval], thresholds: Mapping[Head, float | None]
) -> tuple[Head, ...]:
    """The heads whose threshold lies within the interval."""
    return tuple(
        head
        for head in HEADS
        if (threshold := thresholds.get(head)) is not None and intervals[head].holds(threshold)
    )


def spread_of_members(corrections: Sequence[FloatArray], factors: FloatArray) -> FloatArray:
    """Covariance (n, 3, 3) of the mean of m networks' corrections (n, 3) times their factors.

    Zero with one network, which shows no spread.
    """
    members = np.stack([factors * one for one in corrections])  # (m, n, 3)
    m, n, _ = members.shape
    if m < 2:
        return np.zeros((n, 3, 3))
    apart = members - members.mean(axis=0)
    return np.asarray(np.einsum("mni,mnj->nij", apart, apart) / (m - 1) / m)


def _interval(prob: FloatArray) -> ProbInterval:
    low, high = np.quantile(prob, [(1.0 - LEVEL) / 2, (1.0 + LEVEL) / 2])
    return ProbInterval(float(low), float(high))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """A square root of a covariance that may be singular."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
