"""A graph as a program of ``torch.export``: what both ONNX and ``.pt2`` are made from.

Shapes: B patients, which stay free.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.errors import ExportError

_TRACED = 3
"""Patients of the traced input: with one, the batch would be taken for fixed."""


def program_of(graph: DecisionGraph, *, with_example: bool = False) -> ExportedProgram:
    """Trace a graph for any number of patients.

    Args:
        graph: The graph.
        with_example: Whether the program keeps the example that it was traced with.

    Raises:
        ExportError: Something in the graph cannot be traced.
    """
    example = example_inputs(graph)
    batch = Dim("batch", min=1, max=4096)
    try:
        with quiet():
            program = torch.export.export(
                graph,
                args=(),
                kwargs=example,
                dynamic_shapes={name: {0: batch} for name in example},
            )
    except Exception as error:
        raise ExportError(
            f"the model cannot be traced ({type(error).__name__}: {str(error)[:200]})",
            remedy="use pcrnet itself for this bundle, and report the kind of model and versions",
        ) from error
    if not with_example:
        program.example_inputs = None
    return program


def example_inputs(graph: DecisionGraph) -> dict[str, Tensor]:
    """Inputs of the right types that say nothing: ones of shape (B, *shape of the input)."""
    inputs = graph.inputs
    return {
        name: torch.from_numpy(
            np.ones((_TRACED, *inputs.shape(name)), dtype=np.dtype(inputs.dtype(name)))
        )
        for name in inputs.names
    }


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings that torch gives about itself, which no user can act on."""
    import logging

    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
