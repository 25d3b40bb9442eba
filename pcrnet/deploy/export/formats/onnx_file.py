"""A graph as an ONNX file that onnxruntime runs at its default settings."""

from __future__ import annotations

from pathlib import Path

import torch

from pcrnet.deploy.export.decision.graph import OUTPUTS, DecisionGraph
from pcrnet.deploy.export.formats.program import program_of, quiet
from pcrnet.errors import ExportError

OPSET = 18
"""Attention is one operator from 23 on, which few runtimes have yet."""


def write_onnx(path: Path, graph: DecisionGraph) -> None:
    """Write a graph as one ONNX file, in single precision but for the double-precision chain.

    Raises:
        ExportError: The packages are missing, or an operator has no counterpart.
    """
    require_onnx()
    from pcrnet.deploy.export.formats.elimination import solve_in_onnx

    program = program_of(graph)
    names = list(graph.inputs.names)
    try:
        with quiet():
            exported = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=names,
                output_names=list(OUTPUTS),
                external_data=False,
                custom_translation_table={torch.ops.aten.linalg_solve.default: solve_in_onnx},
                optimize=True,
                verbose=False,
            )
    except Exception as error:
        raise ExportError(
            f"the model has no counterpart in ONNX ({type(error).__name__}: {str(error)[:200]})",
            remedy="use --format torch for this bundle",
        ) from error
    if exported is None:
        raise ExportError("torch wrote no ONNX", remedy="use --format torch for this bundle")
    exported.save(str(path))


def require_onnx() -> None:
    """Make sure that the packages for ONNX are there.

    Raises:
        ExportError: One is missing.
    """
    import importlib.util

    missing = [
        name
        for name in ("onnx", "onnxscript", "onnxruntime")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise ExportError(
            f"the package {missing[0]} is not installed",
            field="--format",
            remedy="pip install 'pcrnet[onnx]'",
        )
