"""An exported graph: agreement, time and memory of one patient, sizes, and where it runs.

    python benchmarks/export.py ward --bundle runs/simulated/bundle --out RESULT.json
    python benchmarks/export.py networks --out RESULT.json
    python benchmarks/export.py matrix --out RESULT.json

``ward`` exports the bundle of a run that was trained, makes a fresh environment, installs
onnxruntime and numpy there and nothing else, and runs the example. ``networks`` takes three of the
default size, disturbed at random so that all of them count, whole and quantised. ``matrix``
exports every encoder with every fusion on a small grid and runs each in processes of its own. Time
and memory are those of a process that imports onnxruntime and numpy alone, on one thread. Parts
that are in the file already are kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Literal

from harness import describe_machine, publish

_ROOT = Path(__file__).parents[1]
_REPEATS = 50
_INSTALLED = """
from importlib.metadata import distributions
print(*sorted(f"{each.name}=={each.version}" for each in distributions()))
"""
_RUN = """
import json, sys, time
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
start = time.perf_counter()
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
loaded = time.perf_counter() - start
with np.load(sys.argv[2], allow_pickle=False) as file:
    inputs = {each.name: file[each.name][:1] for each in session.get_inputs()}
session.run(None, inputs)
seconds = []
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    cpu = time.process_time()
    session.run(None, inputs)
    seconds.append((time.perf_counter() - start, time.process_time() - cpu))
wall, cpu = zip(*seconds)
# getrusage would count what the parent held before this program began.
with open("/proc/self/status") as status:
    (peak_kb,) = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
print(json.dumps({
    "milliseconds_median": round(1e3 * float(np.median(wall)), 1),
    "milliseconds_of_processor_median": round(1e3 * float(np.median(cpu)), 1),
    "milliseconds_least": round(1e3 * min(wall), 1),
    "load_milliseconds": round(1e3 * loaded, 1),
    "peak_memory_mb": round(peak_kb / 1024, 1),
}))
"""


def _made(fixtures: ModuleType, folder: Path, *overrides: str, networks: int = 1) -> Path:
    """A bundle of networks that were disturbed at random, by the makers of the tests."""
    from pcrnet.config.layers import load_experiment
    from pcrnet.deploy.packing import describe_bundle, write_bundle
    from pcrnet.models.contract import FitRequest
    from pcrnet.models.kinds import fit_model
    from pcrnet.models.network_model import NetworkModel

    experiment = load_experiment(["data.covariates=[age, grade]", "model.networks=1", *overrides])
    request = FitRequest(
        name="without-0",
        patients=fixtures.patients(60),
        source=fixtures.Measured(experiment),
        covariates=("age", "grade"),
        data=experiment.data,
        imaging=experiment.imaging,
        seed=3,
        optimise=fixtures.disturb,
    )
    fitted = fit_model(experiment.model, request)
    assert isinstance(fitted, NetworkModel)
    model = dataclasses.replace(
        fitted, networks=fitted.networks * networks, encodings=fitted.encodings * networks
    )
    manifest = describe_bundle(
        experiment,
        covariates=("age", "grade"),
        about=model.describe(),
        calibrator=fixtures.CALIBRATOR,
        operating_points=fixtures.POINTS,
        splits_sha256="0" * 64,
        simulated=True,
    )
    write_bundle(folder, manifest, model)
    return folder


def _fixtures(path: str) -> ModuleType:
    spec = spec_from_file_location("fixtures", _ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _networks(fixtures: ModuleType, folder: Path) -> dict[str, object]:
    from pcrnet.deploy.bundle import Bundle
    from pcrnet.deploy.export.decision.graph import DecisionGraph
    from pcrnet.deploy.export.exporting import ExportOptions, export_bundle, worst
    from pcrnet.deploy.export.formats.onnx_session import run_onnx
    from pcrnet.deploy.export.formats.quantise import quantise
    from pcrnet.deploy.export.parity import all_cases, compare

    bundle = _made(fixtures, folder / "bundle", networks=3)
    out = folder / "onnx"
    export = export_bundle(bundle, out, ExportOptions("onnx"))
    result: dict[str, object] = {
        "fp32": worst(export.agreements).to_dict() | _file(out / "model.onnx", out),
        "patterns": [each.to_dict() for each in export.agreements],
    }
    read = Bundle.read(bundle)
    inputs, cases = DecisionGraph.of(read).inputs, all_cases(read, bundle)[::4]
    for kind in ("fp16", "int8"):
        path = folder / f"{kind}.onnx"
        quantise(out / "model.onnx", path, kind)
        losses = worst(compare(read, inputs, cases, partial(run_onnx, path)))
        result[kind] = losses.to_dict() | _file(path, out)
    return result


def _file(model: Path, folder: Path, python: Path = Path(sys.executable)) -> dict[str, object]:
    done = subprocess.run(
        [python, "-I", "-c", _RUN, model, folder / "golden.npz", str(_REPEATS)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {"megabytes": round(model.stat().st_size / 1e6, 2), **json.loads(done.stdout)}


def _ward(bundle: Path, folder: Path) -> dict[str, object]:
    """A trained bundle where there is neither torch nor pcrnet."""
    from pcrnet.deploy.export.exporting import ExportOptions, export_bundle, worst

    found: dict[str, object] = {}
    forms: tuple[tuple[Literal["onnx", "torch"], str], ...] = (
        ("onnx", "model.onnx"),
        ("torch", "model.pt2"),
    )
    for form, name in forms:
        export = export_bundle(bundle, folder / form, ExportOptions(form))
        found[name] = worst(export.agreements).to_dict() | {"patterns": len(export.agreements)}
    python = _fresh(folder / "fresh")
    example = _in(python, folder / "onnx" / "example.py")
    return {
        "parity": found,
        "installed": _in(python, "-c", _INSTALLED).split(),
        "example": example.splitlines()[-1],
        "one_patient": _file(folder / "onnx" / "model.onnx", folder / "onnx", python),
    }


def _fresh(folder: Path) -> Path:
    """An environment with onnxruntime and numpy in the versions that are tested; its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = ("-m", "pip", "install", "-q", "-c", _ROOT / "constraints.txt")
    subprocess.run([python, *install, "numpy", "onnxruntime"], check=True, capture_output=True)
    for library in ("torch", "pcrnet"):
        assert subprocess.run(
            [python, "-I", "-c", f"import {library}"], check=False, capture_output=True
        ).returncode
    return python


def _in(python: Path, *arguments: str | Path) -> str:
    """What a program of that environment prints; it sees nothing of this one."""
    command = [python, "-I", *arguments]
    clean = {"PATH": os.defpath}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=clean).stdout


def _matrix(fixtures: ModuleType, sizes: ModuleType, folder: Path) -> dict[str, object]:
    from pcrnet.deploy.bundle import Bundle
    from pcrnet.deploy.export.decision.graph import DecisionGraph
    from pcrnet.deploy.export.exporting import worst
    from pcrnet.deploy.export.formats.onnx_file import write_onnx
    from pcrnet.deploy.export.formats.onnx_session import run_onnx
    from pcrnet.deploy.export.parity import all_cases, compare

    found: dict[str, object] = {}
    for encoder, settings in sizes.TINY.items():
        for fusion, of_fusion in sizes.FUSIONS.items():
            name = f"{encoder}-{fusion}"
            bundle = _made(
                fixtures,
                folder / name,
                "data.branches={pet: [pet], mri: [adc]}",
                f"imaging.size={[16, 16, 16] if encoder == 'densenet' else [8, 8, 8]}",
                "imaging.spacing_mm=[12,12,12]",
                "model.width=8",
                f"model.encoder={settings}",
                f"model.fusion={of_fusion}",
            )
            read = Bundle.read(bundle)
            graph = DecisionGraph.of(read)
            path = folder / f"{name}.onnx"
            write_onnx(path, graph)
            cases = all_cases(read, bundle)
            agreements = compare(read, graph.inputs, cases, partial(run_onnx, path))
            found[name] = worst(agreements).to_dict()
            print(name, found[name], file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("ward", "networks", "matrix"))
    parser.add_argument("--bundle", type=Path, help="of a finished run, for ward")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    import onnxruntime
    import torch

    versions = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: dict[str, object]
        match options.part:
            case "ward":
                found = _ward(options.bundle, folder)
            case "networks":
                found = _networks(_fixtures("tests/deploy/export/conftest.py"), folder)
            case _:
                fixtures = _fixtures("tests/deploy/export/conftest.py")
                sizes = _fixtures("tests/deploy/export/formats/test_onnx_file.py")
                found = _matrix(fixtures, sizes, folder)
    machine = describe_machine(threads=1, **versions)
    earlier = {}
    if options.out is not None and options.out.is_file():
        earlier = json.loads(options.out.read_text(encoding="utf-8"))
    publish(earlier | {options.part: {"machine": machine} | found}, options.out)


if __name__ == "__main__":
    main()
