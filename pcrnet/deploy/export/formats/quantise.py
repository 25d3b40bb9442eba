"""Smaller ONNX graphs: eight-bit matrix products, or weights in half precision."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np

from pcrnet.errors import ExportError

Quantisation = Literal["int8", "fp16"]

MEANING: dict[Quantisation, str] = {
    "int8": "matrix products in eight bits, scaled as they come (dynamic quantisation)",
    "fp16": "weights kept in half precision, computed with in single precision",
}
_FEWEST = 16
"""Smaller tensors are left: they save nothing."""


def quantise(source: Path, target: Path, kind: Quantisation) -> None:
    """Write a smaller graph beside a graph; what it costs is for the caller to measure.

    Args:
        source: The graph in single precision.
        target: The smaller one.
        kind: What is made smaller. The double-precision chain is left as it is.

    Raises:
        ExportError: The graph cannot be made smaller so.
    """
    try:
        match kind:
            case "int8":
                _eight_bits(source, target)
            case "fp16":
                _half_weights(source, target)
    except Exception as error:
        raise ExportError(
            f"the graph cannot be quantised ({type(error).__name__}: {str(error)[:200]})",
            field="--quantise",
            remedy="leave --quantise out",
        ) from error


def _eight_bits(source: Path, target: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)  # it advises about preprocessing, on the root logger
    try:
        model = onnx.load(source)
        single = {
            each.name
            for each in model.graph.initializer
            if each.data_type == onnx.TensorProto.FLOAT
        }
        # Convolutions of eight bits are slower than those of 32 on most processors.
        nodes = [
            node.name
            for node in model.graph.node
            if node.op_type in ("MatMul", "Gemm")
            and len(node.input) > 1
            and node.input[1] in single
        ]
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_quantize=nodes,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    finally:
        logger.setLevel(before)


def _half_weights(source: Path, target: Path) -> None:
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    kept, casts = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _FEWEST:
            kept.append(tensor)
            continue
        half = f"{tensor.name}__half"
        limits = np.finfo(np.float16)
        kept.append(
            numpy_helper.from_array(
                np.clip(values, limits.min, limits.max).astype(np.float16), half
            )
        )
        # The runtime does this once, when it loads the graph.
        casts.append(helper.make_node("Cast", [half], [tensor.name], to=onnx.TensorProto.FLOAT))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, target)
