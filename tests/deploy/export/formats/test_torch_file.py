"""A ``.pt2`` program runs for any number of patients and holds no example."""

import shutil
import zipfile

import pytest

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.formats.torch_file import (
    compile_ahead,
    run_compiled,
    run_program,
    write_program,
)
from pcrnet.deploy.export.parity import all_cases, compare, require_agreement
from pcrnet.errors import ExportError


@pytest.mark.slow
def test_a_program_agrees_and_holds_no_example(network_bundle, tmp_path):
    bundle = Bundle.read(network_bundle)
    graph = DecisionGraph.of(bundle)
    path = tmp_path / "model.pt2"
    write_program(path, graph)
    cases = all_cases(bundle, network_bundle)
    require_agreement(
        compare(bundle, graph.inputs, cases, lambda batches: run_program(path, batches))
    )
    with zipfile.ZipFile(path) as archive:
        examples = [each for each in archive.infolist() if "sample_inputs" in each.filename]
    assert all(each.file_size == 0 for each in examples)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_compiled_program_agrees(clinical_bundle, tmp_path):
    bundle = Bundle.read(clinical_bundle)
    graph = DecisionGraph.of(bundle)
    path = tmp_path / "model.aot.pt2"
    compile_ahead(path, graph)
    cases = all_cases(bundle, clinical_bundle)
    require_agreement(
        compare(bundle, graph.inputs, cases, lambda batches: run_compiled(path, batches))
    )


def test_without_a_compiler_nothing_is_compiled(monkeypatch, clinical_bundle, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    graph = DecisionGraph.of(Bundle.read(clinical_bundle))
    with pytest.raises(ExportError, match="no C\\+\\+ compiler") as caught:
        compile_ahead(tmp_path / "model.pt2", graph)
    assert caught.value.field == "--aot"


def test_a_file_that_is_no_package_is_refused(tmp_path):
    path = tmp_path / "model.aot.pt2"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ExportError, match="cannot be loaded"):
        next(run_compiled(path, [{}]))
