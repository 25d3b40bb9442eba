"""Smaller graphs are smaller, and what they cost is small."""

import onnx
import pytest

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.exporting import worst
from pcrnet.deploy.export.formats.onnx_file import write_onnx
from pcrnet.deploy.export.formats.onnx_session import run_onnx
from pcrnet.deploy.export.formats.quantise import quantise
from pcrnet.deploy.export.parity import all_cases, compare
from pcrnet.errors import ExportError


@pytest.mark.slow
def test_both_kinds_cost_little(network_bundle, tmp_path):
    bundle = Bundle.read(network_bundle)
    graph = DecisionGraph.of(bundle)
    whole = tmp_path / "model.onnx"
    write_onnx(whole, graph)
    cases = all_cases(bundle, network_bundle)[:6]
    for kind, most in (("fp16", 0.005), ("int8", 0.05)):
        path = tmp_path / f"{kind}.onnx"
        quantise(whole, path, kind)
        assert path.stat().st_size < whole.stat().st_size
        found = compare(
            bundle, graph.inputs, cases, lambda batches, path=path: run_onnx(path, batches)
        )
        assert 0.0 < worst(found).probability < most
        double = {each.name for each in onnx.load(path).graph.initializer if each.data_type == 11}
        kept = {each.name for each in onnx.load(whole).graph.initializer if each.data_type == 11}
        assert double == kept  # the chain stays as it is


def test_what_is_no_graph_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"nothing of the kind")
    for kind in ("fp16", "int8"):
        with pytest.raises(ExportError, match="cannot be quantised"):
            quantise(tmp_path / "model.onnx", tmp_path / "small.onnx", kind)
