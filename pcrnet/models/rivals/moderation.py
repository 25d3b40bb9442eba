"""A ridge that knows how little it knows: it is drawn in by what its posterior leaves open.

A probability is the mean of what every coefficient vector would say, weighted by its posterior,
not what the likeliest one says. For a logit of mean μ and variance v it is near σ(κμ) with
κ = 1/√(1 + πv/8) (MacKay, Neural Comput 1992; 4:720: the moderated output). v is Laplace's, of a
patient whom the fit has not seen. The mean of κ over the patients takes the place of each
patient's own: it predicts as well, and a linear model stays linear.

Shapes: n patients, p features.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from pcrnet.models.rivals.ridge import FloatArray, Ridge, posterior_covariance


def moderated(
    model: Ridge, features: FloatArray, weights: FloatArray, penalty: float, scale: FloatArray
) -> Ridge:
    """The model with its logits times the mean of κ over the patients that it was fitted on.

    Args:
        model: As fitted on these patients.
        features: (n, p).
        weights: (n,), not negative.
        penalty: That the model was fitted with.
        scale: (p,) its features were multiplied by.
    """
    if not weights.any():
        return model
    variance = _unseen_variance(model, features, weights, penalty, scale)
    factor = float(weights @ (1.0 / np.sqrt(1.0 + np.pi / 8.0 * variance)) / weights.sum())
    return Ridge(factor * model.coefficients, factor * model.intercept)


def _unseen_variance(
    model: Ridge, features: FloatArray, weights: FloatArray, penalty: float, scale: FloatArray
) -> FloatArray:
    """Variance (n,) of each patient's logit, had the fit not seen the patient."""
    logits = model.logits(features)
    covariance = posterior_covariance(features, weights, logits, penalty, scale)
    design = np.column_stack([features, np.ones(len(features))])
    variance = np.einsum("np,pq,nq->n", design, covariance, design)
    # A curvature less one patient's own part: Sherman and Morrison.
    own = weights * expit(logits) * expit(-logits) * variance
    return np.asarray(variance / np.maximum(1.0 - own, 1e-9))
