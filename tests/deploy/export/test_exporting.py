"""An export is whole and right, or not there."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export import exporting
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.exporting import ExportOptions, export_bundle
from pcrnet.deploy.manifest import bundle_digest
from pcrnet.deploy.prediction.predictor import Predictor, load_predictor
from pcrnet.errors import ConfigError, ExportError, IntegrityError, OutputError
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.storage import read_record, sha256_file
from tests.deploy.export.conftest import NETWORK


@pytest.fixture(scope="module")
def exported(quantitative_bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "onnx"
    return out, export_bundle(quantitative_bundle, out, ExportOptions("onnx", "fp16"))


def test_networks_that_add_nothing_are_in_neither_bundle_nor_graph(make_bundle):
    directory = make_bundle(*NETWORK, "model.networks=2", "model.promise=0")  # disturbed at random
    record = read_record(directory / "model" / "network.json")
    assert (record["factors"], record["tried"]) == ([0.0, 0.0, 0.0], 2)
    assert not list((directory / "model").glob("network-*"))
    bundle = Bundle.read(directory)
    assert bundle.model.networks == ()
    assert not bundle.model.needs().scans
    assert bundle.manifest.about["weights"] == 0

    cohort = directory / "golden" / "cohort.csv"
    said = Predictor(bundle).predict_table(cohort).predictions
    with forbidden_networks():
        again = load_predictor(directory).predict_table(cohort).predictions
        graph = DecisionGraph.of(bundle)
    assert np.array_equal(again.prob["yT0"], said.prob["yT0"])
    assert "image" not in graph.inputs.names
    assert not list(graph.parameters())


@contextmanager
def forbidden_networks():
    """No network is built or asked."""

    def refuse(*_, **__):
        raise AssertionError("a network is run")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PcrNet, "__init__", refuse)
        patch.setattr(PcrNet, "forward", refuse)
        yield


def run_example(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(folder / "example.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_folder_holds_what_a_stranger_needs(exported, quantitative_bundle):
    out, export = exported
    assert all(each.holds for each in export.agreements)
    contract = json.loads((out / "contract.json").read_text())
    names = {path.name for path in out.iterdir()}
    assert names == {*contract["files"], "contract.json"}
    assert {"model.onnx", "model.fp16.onnx", "example.py", "golden.npz"} <= names
    assert all(sha256_file(out / name) == of for name, of in contract["files"].items())
    assert contract["bundle_sha256"] == bundle_digest(quantitative_bundle)
    assert contract["thresholds"] == {"yT0": 0.5, "yN0": None, "yT0yN0": 0.3}
    with np.load(out / "golden.npz", allow_pickle=False) as golden:
        for each in contract["inputs"]:
            assert list(golden[each["name"]].shape[1:]) == each["shape"][1:]
            assert golden[each["name"]].dtype == each["dtype"]
        for each in contract["outputs"]:
            assert golden[f"expected_{each['name']}"].shape[1] == len(each["columns"])


@pytest.mark.slow
def test_the_example_gives_the_golden_answers_and_refuses_bad_inputs(exported, tmp_path):
    out, _ = exported
    done = run_example(out)
    assert done.returncode == 0, done.stderr
    assert "golden-complete" in done.stdout
    with np.load(out / "golden.npz", allow_pickle=False) as golden:
        held = dict(golden)
    for name, change in (
        ("few", {"present": np.zeros_like(held["present"])}),
        ("type", {"days": held["days"].astype(np.float32)}),
        ("shape", {"quantities": held["quantities"][:, 1:]}),
    ):
        np.savez(tmp_path / f"{name}.npz", **(held | change))
        assert run_example(out, tmp_path / f"{name}.npz").returncode != 0


@pytest.mark.slow
def test_the_example_runs_where_nothing_but_onnxruntime_and_numpy_is_installed(exported, tmp_path):
    import numpy
    import onnxruntime

    installed = tmp_path / "installed"
    installed.mkdir()
    for library in (numpy, onnxruntime):
        folder = Path(library.__file__).parent
        (installed / folder.name).symlink_to(folder)
    beside = Path(numpy.__file__).parents[1] / "numpy.libs"
    if beside.is_dir():  # of the wheels for Linux
        (installed / beside.name).symlink_to(beside)
    program = (
        "import runpy, sys\n"
        "from importlib.util import find_spec\n"
        f"sys.path.append({str(installed)!r})\n"
        "assert not any(map(find_spec, ('torch', 'pcrnet', 'onnx', 'scipy')))\n"
        "sys.argv = ['example.py']\n"
        f"runpy.run_path({str(exported[0] / 'example.py')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "golden answers differ by" in done.stdout


def test_the_example_imports_neither_torch_nor_pcrnet(exported):
    text = (exported[0] / "example.py").read_text()
    assert len(text.splitlines()) <= 70
    imported = {
        line.split()[1] for line in text.splitlines() if line.startswith(("import", "from"))
    }
    assert imported == {"hashlib", "json", "sys", "pathlib", "numpy", "onnxruntime"}


def test_a_graph_that_disagrees_leaves_nothing(monkeypatch, clinical_bundle, tmp_path):
    honest = DecisionGraph.of

    def wrong(bundle):
        graph = honest(bundle)
        graph.start.intercepts[0] += 1e-3
        return graph

    monkeypatch.setattr(DecisionGraph, "of", wrong)
    for form in ("torch", "monai"):
        with pytest.raises(ExportError, match="do not agree"):
            export_bundle(clinical_bundle, tmp_path / "out", ExportOptions(form))
        assert not list(tmp_path.iterdir())


def test_an_example_that_fails_leaves_nothing(monkeypatch, clinical_bundle, tmp_path):
    def write(path, graph):
        path.write_bytes(b"")

    monkeypatch.setattr(exporting, "write_onnx", write)
    monkeypatch.setattr(
        exporting,
        "run_onnx",
        lambda path, batches: exporting.run_graph(
            DecisionGraph.of(exporting.load_predictor(clinical_bundle).bundle), batches
        ),
    )
    with pytest.raises(ExportError, match="does not give the golden answers"):
        export_bundle(clinical_bundle, tmp_path / "out", ExportOptions("onnx"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (ExportOptions("torch", "int8"), "--quantise"),
        (ExportOptions("onnx", ahead_of_time=True), "--aot"),
        (ExportOptions("onnx", licence=exporting._TEMPLATES), "--license"),
    ],
    ids=str,
)
def test_options_of_another_form_are_refused(options, field, clinical_bundle, tmp_path):
    with pytest.raises(ConfigError) as caught:
        export_bundle(clinical_bundle, tmp_path / "out", options)
    assert caught.value.field == field


def test_a_place_that_is_taken_is_refused_before_any_work(clinical_bundle, tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(OutputError):
        export_bundle(clinical_bundle, tmp_path, ExportOptions("torch"))


def test_another_bundle_than_was_meant_is_refused(clinical_bundle, tmp_path):
    with pytest.raises(IntegrityError):
        export_bundle(clinical_bundle, tmp_path / "o", ExportOptions("torch"), sha256="0" * 64)


def test_threads_of_the_caller_stay_as_they_were(clinical_bundle, tmp_path):
    before = torch.get_num_threads()
    export_bundle(clinical_bundle, tmp_path / "out", ExportOptions("torch"))
    assert torch.get_num_threads() == before
