"""A traced graph says what the graph says, of any number of patients."""

import logging
import warnings

import numpy as np
import pytest
import torch

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.formats.program import example_inputs, program_of, quiet
from pcrnet.errors import ExportError


@pytest.fixture(scope="module")
def graph(clinical_bundle):
    return DecisionGraph.of(Bundle.read(clinical_bundle))


def several(graph, count):
    """Example inputs with numbers of their own for so many patients."""
    generator = torch.Generator().manual_seed(count)
    return {
        name: torch.ones((count, *one.shape[1:]), dtype=one.dtype)
        if one.dtype == torch.bool
        else torch.rand((count, *one.shape[1:]), generator=generator).to(one.dtype)
        for name, one in example_inputs(graph).items()
    }


def test_the_example_has_the_types_and_shapes_that_the_graph_declares(graph):
    found = example_inputs(graph)
    assert list(found) == list(graph.inputs.names)
    for name, one in found.items():
        assert one.numpy().dtype == np.dtype(graph.inputs.dtype(name))
        assert tuple(one.shape[1:]) == tuple(graph.inputs.shape(name))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_program_says_what_the_graph_says_whatever_the_number(graph, count):
    inputs = several(graph, count)
    traced = program_of(graph).module()(**inputs)
    with torch.no_grad():
        plain = graph(**inputs)
    assert plain["cells"].shape == (count, 4)
    torch.testing.assert_close(dict(traced), dict(plain), rtol=0, atol=0)


def test_the_example_is_kept_where_it_is_asked_for_and_nowhere_else(graph):
    assert program_of(graph).example_inputs is None
    assert program_of(graph, with_example=True).example_inputs is not None


def test_what_cannot_be_traced_is_one_error(graph, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("a branch that depends on data")

    monkeypatch.setattr(torch.export, "export", refuse)
    with pytest.raises(ExportError, match=r"cannot be traced \(RuntimeError: a branch"):
        program_of(graph)


def test_torch_is_quiet_inside_and_speaks_again_behind():
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with quiet():
            assert logger.level == logging.ERROR
            warnings.warn("nobody can act on it", stacklevel=1)
        assert not heard
        warnings.warn("somebody can", stacklevel=1)
    assert len(heard) == 1
    assert logger.level == before
