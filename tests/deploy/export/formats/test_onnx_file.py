"""ONNX graphs run at onnxruntime's default settings, whatever encoder and fusion."""

import pytest
import torch

from pcrnet.config.model import ENCODERS
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.graph import DecisionGraph
from pcrnet.deploy.export.formats import onnx_file
from pcrnet.deploy.export.formats.onnx_session import run_onnx
from pcrnet.deploy.export.parity import all_cases, compare, require_agreement
from pcrnet.errors import ExportError

TINY = {
    "resnet": "{kind: resnet, stem_width: 4, widths: [8], blocks: [1]}",
    "convnext": "{kind: convnext, stem_width: 4, widths: [8], blocks: [1]}",
    "densenet": "{kind: densenet, stem_width: 8, growth: 4, blocks: [1], initial_width: 8}",
    "vit": "{kind: vit, stem_width: 4, patch: 4, depth: 1, heads: 2}",
    "swin": "{kind: swin, stem_width: 4, width: 8, depths: [1], heads: [2], window: 2}",
}
FUSIONS = {
    "concat": "{kind: concat, hidden: 8}",
    "gated": "{kind: gated, hidden: 8}",
    "transformer": "{kind: transformer, depth: 1, heads: 2}",
}


def test_every_encoder_is_exported_here():
    # "monai" is whichever of MONAI's backbones its user names.
    assert set(TINY) == set(ENCODERS) - {"monai"}


@pytest.mark.slow
@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("encoder", TINY)
def test_it_agrees_with_the_bundle_in_a_process_of_its_own(encoder, fusion, make_bundle, tmp_path):
    directory = make_bundle(
        "data.timepoints=[baseline]" if encoder != "resnet" else "data.minimum_scans=1",
        # On 8 voxels a group norm of the last map sees two numbers, whose rounding it blows up.
        f"imaging.size={[16, 16, 16] if encoder == 'densenet' else [8, 8, 8]}",
        "model.start=frequencies",
        "model.networks=1",
        "model.width=8",
        f"model.encoder={TINY[encoder]}",
        f"model.fusion={FUSIONS[fusion]}",
        "data.covariates=[]" if fusion == "gated" else "data.covariates=[age]",
    )
    bundle = Bundle.read(directory)
    graph = DecisionGraph.of(bundle)
    path = tmp_path / "model.onnx"
    onnx_file.write_onnx(path, graph)
    cases = all_cases(bundle, directory)
    require_agreement(compare(bundle, graph.inputs, cases, lambda batches: run_onnx(path, batches)))


@pytest.mark.slow
def test_the_operators_are_those_of_an_old_set(clinical_bundle, tmp_path):
    import onnx

    graph = DecisionGraph.of(Bundle.read(clinical_bundle))
    onnx_file.write_onnx(tmp_path / "model.onnx", graph)
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {(each.domain, each.version) for each in model.opset_import} == {("", 18)}
    assert [each.name for each in model.graph.input] == list(graph.inputs.names)
    assert [each.name for each in model.graph.output] == list(onnx_file.OUTPUTS)
    batch = {each.type.tensor_type.shape.dim[0].dim_param for each in model.graph.input}
    assert len(batch) == 1
    assert all(batch)


def test_a_missing_package_is_named(monkeypatch, clinical_bundle, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExportError, match="onnx is not installed") as caught:
        onnx_file.require_onnx()
    assert "pcrnet[onnx]" in caught.value.remedy


def test_what_has_no_counterpart_is_an_error(monkeypatch, clinical_bundle, tmp_path):
    def fail(*args, **kwargs):
        raise RuntimeError("no decomposition")

    monkeypatch.setattr(torch.onnx, "export", fail)
    graph = DecisionGraph.of(Bundle.read(clinical_bundle))
    with pytest.raises(ExportError, match="no counterpart in ONNX") as caught:
        onnx_file.write_onnx(tmp_path / "model.onnx", graph)
    assert "--format torch" in caught.value.remedy
