"""How far the logits of a ridge chain might have come out otherwise: Laplace's approximation.

The curvature is that at the chain's own logits, which are drawn in (:mod:`.moderation`). Penalties
and scales are taken as they were chosen.

Shapes: n patients, p features, 3 logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.models.rivals.chain import (
    FREEDOM,
    Design,
    RidgeChain,
    designs,
    expected_cells,
    first_guess,
    relevances,
)
from pcrnet.models.rivals.ridge import FloatArray, posterior_covariance


@dataclass(frozen=True, eq=False)
class ChainPosterior:
    """Covariances of what a chain's logits are made of.

    Attributes:
        breast: (p + 1, p + 1) of the coefficients of ℓ₁ and its intercept.
        nodes: (p + 2, p + 2) of the coefficients of the nodes, the step and the intercept.
        steps: Value of the step's feature in ℓ₂ and in ℓ₃.
    """

    breast: FloatArray
    nodes: FloatArray
    steps: tuple[float, float]

    @classmethod
    def fit(
        cls, chain: RidgeChain, features: FloatArray, allowed: NDArray[np.bool_]
    ) -> ChainPosterior:
        """The curvature at the chain on the patients that it was fitted on.

        Args:
            chain: As fitted.
            features: (n, p), standardised and complete.
            allowed: (n, 4) cells that agree with what is known.
        """
        informative = ~allowed.all(axis=1)
        features, allowed = features[informative], allowed[informative]
        guessed_breast, guessed_nodes, _ = designs(features, first_guess(allowed))
        scales = relevances(guessed_breast, guessed_nodes)
        logits = chain.logits(features)
        breast, nodes, (mean, spread) = designs(features, expected_cells(logits, allowed))
        both = np.concatenate([logits[:, 1], logits[:, 2]])
        return cls(
            breast=_covariance(breast, scales[0], logits[:, 0], chain.penalties[0]),
            nodes=_covariance(nodes, scales[1], both, chain.penalties[1]),
            steps=((1.0 - mean) / spread * FREEDOM, -mean / spread * FREEDOM),
        )

    def covariance(self, features: FloatArray) -> FloatArray:
        """Covariance (n, 3, 3) of the logits of completed features (n, p)."""
        n = len(features)
        one = np.ones(n)
        first = np.column_stack([features, one])
        free, residue = (np.column_stack([features, np.full(n, step), one]) for step in self.steps)
        found = np.zeros((n, 3, 3))
        found[:, 0, 0] = np.einsum("np,pq,nq->n", first, self.breast, first)
        rows = (free, residue)
        for i, a in enumerate(rows):
            for j, b in enumerate(rows):
                found[:, i + 1, j + 1] = np.einsum("np,pq,nq->n", a, self.nodes, b)
        return found


def _covariance(
    design: Design, scale: FloatArray, logits: FloatArray, penalty: float
) -> FloatArray:
    features, _, weights = design
    return posterior_covariance(features, weights, logits, penalty, scale)
