"""A graph that says something else than its bundle is found out."""

import dataclasses

import numpy as np
import pytest

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.formats.torch_file import run_graph
from pcrnet.deploy.export.parity import (
    TOLERANCE,
    Agreement,
    all_cases,
    bundle_says,
    compare,
    golden_cases,
    require_agreement,
)
from pcrnet.deploy.prediction.predictor import Predictor
from pcrnet.errors import ExportError

EXACT = Agreement("all scans", 5, 0.0, 0.0, 0.0, 0)


@pytest.fixture(scope="module")
def bundle(quantitative_bundle):
    return Bundle.read(quantitative_bundle)


def test_what_the_bundle_says_is_what_pcrnet_predicts(bundle, quantitative_bundle):
    expected = Predictor(bundle).predict_table(quantitative_bundle / "golden" / "cohort.csv")
    cases = golden_cases(bundle, quantitative_bundle)
    for row, case in enumerate(cases):
        said = bundle_says(bundle, case)["probability"][0]
        wanted = [expected.predictions.prob[head][row] for head in ("yT0", "yN0", "yT0yN0")]
        np.testing.assert_allclose(said, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("part", ["mean", "covariance", "weights", "high"])
def test_a_graph_with_other_numbers_is_refused(part, bundle, quantitative_bundle):
    graph = DecisionGraph.of(bundle)
    graph.start.get_buffer(part)[..., ::2].mul_(1.02)
    cases = all_cases(bundle, quantitative_bundle)
    found = compare(bundle, graph.inputs, cases, lambda batches: run_graph(graph, batches))
    with pytest.raises(ExportError, match="do not agree"):
        require_agreement(found)


@pytest.mark.parametrize(
    "change",
    [{"probability": 2 * TOLERANCE}, {"cells": np.nan}, {"logits": 1e-4}, {"calls": 1}],
    ids=str,
)
def test_a_single_difference_is_enough(change):
    require_agreement([EXACT])
    with pytest.raises(ExportError, match="1 of 2 patterns"):
        require_agreement([EXACT, dataclasses.replace(EXACT, **change)])
