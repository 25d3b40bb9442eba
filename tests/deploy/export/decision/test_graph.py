"""The graph says what the bundle says, whatever is absent; and looks at nothing that is."""

import dataclasses

import numpy as np
import pytest
import torch

from pcrnet.decision.calibrators import (
    IdentityCalibrator,
    IsotonicCalibrator,
    TemperatureCalibrator,
)
from pcrnet.decision.isotonic import MonotoneCurve
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.formats.torch_file import run_graph
from pcrnet.deploy.export.parity import all_cases, compare
from pcrnet.deploy.export.spec import GraphSpec
from pcrnet.errors import ExportError


def agreement(directory):
    bundle = Bundle.read(directory)
    graph = DecisionGraph.of(bundle)
    cases = all_cases(bundle, directory)
    return compare(bundle, graph.inputs, cases, lambda batches: run_graph(graph, batches))


@pytest.fixture(scope="module")
def graph(network_bundle):
    return DecisionGraph.of(Bundle.read(network_bundle))


def inputs(graph, batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = {
        name: torch.rand((batch, *graph.inputs.shape(name)), generator=generator)
        for name in graph.inputs.names
    }
    return {
        name: values < 0.7
        if graph.inputs.dtype(name) == "bool"
        else values.to(getattr(torch, graph.inputs.dtype(name)))
        for name, values in made.items()
    }


@pytest.mark.parametrize("kind", ["network", "quantitative", "clinical"])
def test_graph_and_bundle_agree_on_every_pattern(kind, request):
    found = agreement(request.getfixturevalue(f"{kind}_bundle"))
    assert max(each.logits for each in found) < 3e-6
    assert all(each.holds for each in found)
    names = {each.pattern for each in found}
    assert {"all scans", "without interim.adc", "baseline alone", "pet alone"} <= names


def test_the_ridge_alone_agrees_to_double_precision(quantitative_bundle):
    assert max(each.logits for each in agreement(quantitative_bundle)) < 1e-10


@pytest.mark.slow
def test_a_monai_model_and_one_that_starts_from_frequencies_agree(make_bundle):
    directory = make_bundle(
        "model.kind=monai", "model.backbone=resnet10", "model.features=4", "data.covariates=[]"
    )
    assert all(each.holds for each in agreement(directory))
    assert DecisionGraph.of(Bundle.read(directory)).inputs.names == ("image", "present", "days")


@pytest.mark.parametrize(
    "calibrator",
    [
        IdentityCalibrator(),
        TemperatureCalibrator(0.7, (0.1, -0.2, 0.3, 0.0)),
        IsotonicCalibrator(
            (
                MonotoneCurve((-3.0, -0.2, 0.4, 2.0), (0.1, 0.1, 0.5, 0.9)),
                MonotoneCurve((0.0,), (0.4,)),
                MonotoneCurve((-1.0, 1.0), (0.2, 0.8)),
            )
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_every_calibrator_is_in_the_graph(calibrator, make_bundle):
    found = agreement(make_bundle("model.kind=quantitative", calibrator=calibrator))
    assert max(each.cells for each in found) < 1e-10


def test_what_is_absent_may_hold_anything(graph):
    given = inputs(graph)
    spoiled = {name: values.clone() for name, values in given.items()}
    spoiled["image"][~given["present"]] = torch.nan
    spoiled["quantities"][~given["quantity_present"]] = torch.nan
    spoiled["covariates"][~given["covariate_present"]] = 1e30
    with torch.no_grad():
        first, second = graph(**given), graph(**spoiled)
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=0)


def test_a_number_that_is_none_counts_as_unknown(graph):
    given = inputs(graph)
    hidden = {name: values.clone() for name, values in given.items()}
    given["quantities"][:, 0] = torch.nan
    hidden["quantity_present"][:, 0] = False
    given["covariates"][:, 0] = torch.inf
    hidden["covariate_present"][:, 0] = False
    with torch.no_grad():
        torch.testing.assert_close(
            graph(**given)["logits"], graph(**hidden)["logits"], rtol=0, atol=0
        )


def test_the_cells_make_the_probabilities_and_the_calls(graph):
    with torch.no_grad():
        found = graph(**inputs(graph, batch=20))
    cells, probability, call = found["cells"], found["probability"], found["call"]
    torch.testing.assert_close(cells.sum(dim=1), torch.ones(20, dtype=torch.float64))
    torch.testing.assert_close(probability[:, 0], cells[:, 0] + cells[:, 1])
    torch.testing.assert_close(probability[:, 1], cells[:, 0] + cells[:, 2])
    assert (call[:, 1] == -1).all()  # no threshold is locked
    assert ((call[:, 0] == 1) == (probability[:, 0] > 0.5)).all()
    assert ((call[:, 2] == 1) == (probability[:, 2] > 0.3)).all()


def test_a_state_restores_the_graph(graph, network_bundle):
    again = DecisionGraph(GraphSpec.of(Bundle.read(network_bundle)))
    again.load_state_dict(graph.state_dict())
    given = inputs(graph)
    with torch.no_grad():
        torch.testing.assert_close(again(**given), graph(**given), rtol=0, atol=0)


def test_a_model_that_looks_at_nothing_is_refused(make_bundle):
    directory = make_bundle("model.kind=clinical", "data.covariates=[]")
    with pytest.raises(ExportError, match="looks at nothing"):
        DecisionGraph.of(Bundle.read(directory))


def test_a_model_of_an_unknown_kind_is_refused(network_bundle):
    bundle = Bundle.read(network_bundle)
    stranger = dataclasses.replace(
        bundle, model=dataclasses.replace(bundle.model, start=_Stranger())
    )
    with pytest.raises(ExportError, match="has no graph yet"):
        DecisionGraph.of(stranger)


class _Stranger:
    """A start that is neither a ridge nor the frequencies."""

    values = np.zeros(3)
