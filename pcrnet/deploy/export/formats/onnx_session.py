"""Running an ONNX graph in processes of its own: whatever ends the runtime ends no export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from pcrnet.deploy.export.inputs import Inputs
from pcrnet.deploy.export.parity import Outputs
from pcrnet.errors import ExportError, ProcessEndedError
from pcrnet.processes import in_processes

_PROCESSES = 2  # with one, the work would be done in this process


def run_onnx(model: Path, batches: Iterable[Inputs]) -> Iterator[Outputs]:
    """What an ONNX graph says of one batch after the other, at the runtime's default settings.

    Args:
        model: The ONNX file.
        batches: Of B patients each, as :meth:`GraphInputs.arrays` gives them.

    Yields:
        Name of an output to its array, ``cells`` (B, 4) among them.

    Raises:
        ExportError: The runtime ended its process, or cannot run the graph.
    """
    items = list(batches)
    found: dict[int, Outputs] = {}
    try:
        for position, outputs in in_processes(
            partial(_answer, model), items, _PROCESSES, doing="runs onnxruntime"
        ):
            found[position] = outputs
    except ProcessEndedError as error:
        raise ExportError(
            "onnxruntime ended its process while it ran the graph",
            file=model.name,
            remedy="use another version of onnxruntime, or --format torch",
        ) from error
    return iter([found[position] for position in range(len(items))])


def _answer(model: Path, inputs: Inputs) -> Outputs:
    session = _session(model)
    names = [each.name for each in session.get_outputs()]
    try:
        answers = session.run(names, dict(inputs))
    except Exception as error:  # the runtime has no base class of its own
        raise _unusable(model, error) from None
    return {name: np.asarray(answer) for name, answer in zip(names, answers, strict=True)}


@cache
def _session(model: Path) -> Any:  # noqa: ANN401 - the runtime has no types
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _unusable(model, error) from None


def _unusable(model: Path, error: Exception) -> ExportError:
    return ExportError(
        f"onnxruntime cannot run the graph: {str(error)[:300]}",
        file=model.name,
        remedy="use another version of onnxruntime, or --format torch",
    )
