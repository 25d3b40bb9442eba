"""A graph as a ``.pt2`` program, and as one that is compiled ahead of time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.formats.program import program_of, quiet
from pcrnet.deploy.export.inputs import Inputs
from pcrnet.deploy.export.parity import Outputs
from pcrnet.errors import ExportError


def write_program(path: Path, graph: DecisionGraph) -> None:
    """Write the graph as a program for ``torch.export.load``; no example input is in it.

    Raises:
        ExportError: Something in the graph cannot be traced.
    """
    program = program_of(graph)
    with quiet():
        torch.export.save(program, path)


def compile_ahead(path: Path, graph: DecisionGraph) -> None:
    """Compile the graph for this kind of processor into a package of machine code.

    Raises:
        ExportError: There is no compiler here, or the graph cannot be compiled.
    """
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        raise ExportError(
            "there is no C++ compiler, which compiling ahead of time takes",
            field="--aot",
            remedy="install g++, or leave --aot out",
        )
    program = program_of(graph, with_example=True)  # the compiler asks for one, and writes none
    try:
        with quiet():
            torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    except Exception as error:
        raise ExportError(
            f"the graph cannot be compiled ahead of time ({type(error).__name__}: "
            f"{str(error)[:200]})",
            field="--aot",
            remedy="leave --aot out",
        ) from error


def run_program(path: Path, batches: Iterable[Inputs]) -> Iterator[Outputs]:
    """What a written program says of one batch after the other: ``cells`` (B, 4) and the rest."""
    program = torch.export.load(path).module()
    yield from _run(program, batches)


def run_compiled(path: Path, batches: Iterable[Inputs]) -> Iterator[Outputs]:
    """What a compiled program says of one batch after the other: ``cells`` (B, 4) and the rest.

    Raises:
        ExportError: It cannot be loaded.
    """
    try:
        program = torch._inductor.aoti_load_package(str(path))
    except Exception as error:
        raise ExportError(
            f"the compiled program cannot be loaded ({str(error)[:200]})",
            field="--aot",
            remedy="leave --aot out",
        ) from error
    yield from _run(program, batches)


def run_graph(graph: DecisionGraph, batches: Iterable[Inputs]) -> Iterator[Outputs]:
    """What a graph in memory says of one batch after the other: ``cells`` (B, 4) and the rest."""
    yield from _run(graph, batches)


@torch.no_grad()
def _run(program: object, batches: Iterable[Inputs]) -> Iterator[Outputs]:
    assert callable(program)  # noqa: S101 - what torch loads has no type
    for inputs in batches:
        tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in inputs.items()}
        yield {name: value.numpy() for name, value in program(**tensors).items()}
