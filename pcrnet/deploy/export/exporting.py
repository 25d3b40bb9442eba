"""``pcrnet export``: a bundle as a folder that others can run, or nothing at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.cases import Case
from pcrnet.deploy.export.change_control import change_control_plan
from pcrnet.deploy.export.contract import CONTRACT_FILE, describe_contract
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.formats.monai_bundle import (
    GRAPH_FILE,
    MODEL_FILE,
    read_graph,
    write_monai,
)
from pcrnet.deploy.export.formats.onnx_file import OPSET, require_onnx, write_onnx
from pcrnet.deploy.export.formats.onnx_session import run_onnx
from pcrnet.deploy.export.formats.quantise import MEANING, Quantisation, quantise
from pcrnet.deploy.export.formats.torch_file import (
    compile_ahead,
    run_compiled,
    run_graph,
    run_program,
    write_program,
)
from pcrnet.deploy.export.inputs import GraphInputs
from pcrnet.deploy.export.parity import (
    Agreement,
    Runner,
    all_cases,
    bundle_says,
    compare,
    golden_cases,
    require_agreement,
    together,
)
from pcrnet.deploy.export.prepared import PATIENTS, write_arrays
from pcrnet.deploy.folders import new_folder, require_free
from pcrnet.deploy.model_card import model_card
from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.errors import ConfigError, ExportError
from pcrnet.storage import sha256_file, write_json, write_text

Format = Literal["onnx", "torch", "monai"]
Progress = Callable[[int, int], None]

GOLDEN_FILE = "golden.npz"
GOLDEN_TOLERANCE = 1e-4
"""How far other machines may lie from the golden answers, as with a bundle."""

_TEMPLATES = Path(__file__).parent / "templates"
_EXAMPLE = "example.py"
_EXAMPLE_SECONDS = 600


@dataclass(frozen=True)
class ExportOptions:
    """How a bundle is exported.

    Attributes:
        format: What is written.
        quantisation: A smaller ONNX graph beside the one in single precision.
        ahead_of_time: Whether a compiled program is written beside the portable one.
        licence: File with the terms of the weights, for a MONAI bundle.
    """

    format: Format
    quantisation: Quantisation | None = None
    ahead_of_time: bool = False
    licence: Path | None = None

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            ConfigError: With the option.
        """
        for given, needed, option in (
            (self.quantisation is not None, "onnx", "--quantise"),
            (self.ahead_of_time, "torch", "--aot"),
            (self.licence is not None, "monai", "--license"),
        ):
            if given and self.format != needed:
                raise ConfigError(
                    f"is for --format {needed} alone", field=option, remedy="leave it out"
                )


@dataclass(frozen=True)
class Export:
    """What was written, and how well it agrees with the bundle.

    Attributes:
        agreements: Of each pattern, of the graph in single precision.
        losses: Quantised or compiled file to how far it lies from the bundle.
    """

    agreements: tuple[Agreement, ...]
    losses: Mapping[str, tuple[Agreement, ...]]


def export_bundle(
    directory: Path,
    out: Path,
    options: ExportOptions,
    *,
    sha256: str | None = None,
    key: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Export:
    """Export a bundle, unless what was written does not say what the bundle says.

    Args:
        directory: The bundle.
        out: Folder to write; it must not be there, or be empty.
        options: What to write.
        sha256: The digest that the bundle must have.
        key: Public key of whoever must have signed it.
        progress: Called with cases compared and cases in all.

    Raises:
        ConfigError: Options that do not go together, or no public key.
        OutputError: Nothing can be written at ``out``.
        BundleError, IntegrityError: The bundle cannot be used.
        ExportError: The bundle has no graph, a package is missing, or graph and bundle disagree;
            nothing is left then.
    """
    options.check()
    require_free(out)
    if options.format == "onnx":
        require_onnx()
    bundle = load_predictor(directory, sha256=sha256, key=key).bundle
    graph = DecisionGraph.of(bundle)
    cases = all_cases(bundle, directory)
    with new_folder(out) as folder:
        task = _Task(bundle, graph, cases, golden_cases(bundle, directory), folder, progress)
        match options.format:
            case "onnx":
                return _export_onnx(task, options)
            case "torch":
                return _export_torch(task, options)
            case "monai":
                return _export_monai(task, options)


@dataclass(frozen=True, eq=False)
class _Task:
    bundle: Bundle
    graph: DecisionGraph
    cases: Sequence[Case]
    golden: Sequence[Case]
    folder: Path
    progress: Progress

    @property
    def inputs(self) -> GraphInputs:
        return self.graph.inputs

    def compare(self, run: Runner) -> tuple[Agreement, ...]:
        return compare(self.bundle, self.inputs, self.cases, run, self.progress)

    def agree(self, run: Runner) -> tuple[Agreement, ...]:
        agreements = self.compare(run)
        require_agreement(agreements)
        return agreements


def _export_onnx(task: _Task, options: ExportOptions) -> Export:
    path = task.folder / "model.onnx"
    write_onnx(path, task.graph)
    agreements = task.agree(lambda batches: run_onnx(path, batches))
    graph: dict[str, Any] = {"file": path.name, "kind": "onnx", "opset": OPSET}
    losses: dict[str, tuple[Agreement, ...]] = {}
    if options.quantisation is not None:
        smaller = task.folder / f"model.{options.quantisation}.onnx"
        quantise(path, smaller, options.quantisation)
        losses[smaller.name] = task.compare(lambda batches: run_onnx(smaller, batches))
        graph["quantised"] = _loss(smaller, MEANING[options.quantisation], losses[smaller.name])
    shutil.copyfile(_TEMPLATES / _EXAMPLE, task.folder / _EXAMPLE)
    _finish(task, graph, agreements)
    _run_example(task.folder)
    return Export(agreements, losses)


def _export_torch(task: _Task, options: ExportOptions) -> Export:
    path = task.folder / "model.pt2"
    write_program(path, task.graph)
    agreements = task.agree(lambda batches: run_program(path, batches))
    graph: dict[str, Any] = {"file": path.name, "kind": "torch.export"}
    losses: dict[str, tuple[Agreement, ...]] = {}
    if options.ahead_of_time:
        compiled = task.folder / "model.aot.pt2"
        compile_ahead(compiled, task.graph)
        losses[compiled.name] = task.agree(lambda batches: run_compiled(compiled, batches))
        graph["compiled"] = _loss(
            compiled, "machine code for processors like this one", losses[compiled.name]
        )
    _finish(task, graph, agreements)
    return Export(agreements, losses)


def _export_monai(task: _Task, options: ExportOptions) -> Export:
    write_monai(task.folder, task.bundle, task.graph, options.licence)
    read = read_graph(task.folder / GRAPH_FILE, task.folder / MODEL_FILE)
    agreements = task.agree(lambda batches: run_graph(read, batches))
    _finish(task, {"file": MODEL_FILE, "kind": "MONAI bundle"}, agreements, "docs")
    return Export(agreements, {})


def _loss(path: Path, meaning: str, agreements: Sequence[Agreement]) -> dict[str, Any]:
    return {
        "file": path.name,
        "meaning": meaning,
        "bytes": path.stat().st_size,
        "greatest_difference_of_probability": worst(agreements).probability,
        "calls_that_differ": worst(agreements).calls,
    }


def worst(agreements: Sequence[Agreement]) -> Agreement:
    """The greatest differences of all patterns."""
    return together("greatest of all", agreements)


def _finish(
    task: _Task, graph: Mapping[str, Any], agreements: Sequence[Agreement], documents: str = "."
) -> None:
    """Golden tensors, documents, and last the contract, which names every file."""
    folder = task.folder
    _write_golden(task, folder / GOLDEN_FILE)
    manifest = task.bundle.manifest
    write_text(folder / documents / "model_card.md", model_card(manifest))
    write_text(
        folder / documents / "change_control.md", change_control_plan(manifest, task.bundle.sha256)
    )
    files = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    contract = describe_contract(
        task.bundle, task.inputs, files=files, graph=graph, agreements=agreements
    )
    contract["golden_tolerance"] = GOLDEN_TOLERANCE
    write_json(folder / CONTRACT_FILE, contract)


def _write_golden(task: _Task, path: Path) -> None:
    answers = [bundle_says(task.bundle, case) for case in task.golden]
    inputs = [task.inputs.arrays(case.patients, case.tensors) for case in task.golden]
    arrays = {
        **{name: np.concatenate([each[name] for each in inputs]) for name in task.inputs.names},
        **{
            f"expected_{name}": np.concatenate([answer[name] for answer in answers])
            for name in answers[0]
        },
        PATIENTS: np.array([p.patient_id for case in task.golden for p in case.patients]),
    }
    write_arrays(path, arrays)


def _run_example(folder: Path) -> None:
    """Run the example on the golden tensors, as whoever receives the folder will."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(folder / _EXAMPLE)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_EXAMPLE_SECONDS,
    )
    if done.returncode:
        raise ExportError(
            f"{_EXAMPLE} does not give the golden answers: "
            f"{(done.stdout + done.stderr).strip()[-300:] or f'exit code {done.returncode}'}",
            remedy="use another version of onnxruntime, or --format torch",
        )
