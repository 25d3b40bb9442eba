"""Completing features within the graph is the Gaussian's conditional mean."""

import numpy as np
import pytest
import torch

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph


@pytest.mark.parametrize("known", [0.0, 0.5, 1.0])
def test_completion_is_the_conditional_mean_by_the_precision_matrix(known, quantitative_bundle):
    model = Bundle.read(quantitative_bundle).model
    graph = DecisionGraph.of(Bundle.read(quantitative_bundle)).start
    generator = np.random.default_rng(2)
    p = len(model.standardisation.centre)
    values = generator.normal(size=(4, p))
    there = generator.random((4, p)) < known
    with torch.no_grad():
        found = graph._chain(torch.from_numpy(values), torch.from_numpy(there)).numpy()
    # E[x_m | x_k] = μ_m − P_mm⁻¹ P_mk (x_k − μ_k), with P the inverse of the covariance.
    precision = np.linalg.inv(model.imputation.covariance)
    standard, mean = model.standardisation, model.imputation.mean
    for row in range(4):
        k, m = there[row], ~there[row]
        z = np.clip((values[row] - standard.centre) / standard.spread, standard.low, standard.high)
        z[m] = mean[m] - np.linalg.solve(
            precision[np.ix_(m, m)], precision[np.ix_(m, k)] @ (z[k] - mean[k])
        )
        np.testing.assert_allclose(found[row], model.chain.logits(z[None])[0], atol=1e-8)
