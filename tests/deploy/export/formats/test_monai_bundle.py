"""MONAI's own commands run the bundle and accept its metadata."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from pcrnet.deploy.export.exporting import ExportOptions, export_bundle
from pcrnet.deploy.export.formats.monai_bundle import (
    GRAPH_FILE,
    MODEL_FILE,
    predict_file,
    read_graph,
)
from pcrnet.errors import ConfigError, IntegrityError, OutputError

_TEXT = {"type": "string"}
_TENSOR = {
    "type": "object",
    "properties": {
        "type": _TEXT,
        "format": _TEXT,
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "dtype": _TEXT,
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object"},
    },
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
}
_NAMED_TENSORS = {"type": "object", "patternProperties": {"^.+$": _TENSOR}}
_TEXTS = (
    "schema version monai_version pytorch_version numpy_version task description authors copyright "
    "data_source data_type image_classes label_classes pred_classes intended_use"
)
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "type": "object",
    "properties": {
        **dict.fromkeys(_TEXTS.split(), _TEXT),
        "changelog": {"type": "object"},
        "required_packages_version": {"type": "object"},
        "eval_metrics": {"type": "object"},
        "supported_apps": {"type": "object"},
        "references": {"type": "array", "items": _TEXT},
        "network_data_format": {
            "type": "object",
            "properties": {"inputs": _NAMED_TENSORS, "outputs": _NAMED_TENSORS},
            "required": ["inputs", "outputs"],
        },
    },
    "required": [
        *_TEXTS.split()[:9],
        "required_packages_version",
        "network_data_format",
    ],
}
"""What MONAI's schema of 2024-07-25 asks of metadata.json, stated anew: types and required fields;
arguments that are no tensors, which it admits as well, are not used here."""


@pytest.fixture(scope="module")
def exported(network_bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "monai"
    terms = out.with_name("terms.txt")
    terms.write_text("Ask the hospital.")
    export_bundle(network_bundle, out, ExportOptions("monai", licence=terms))
    return out


def monai(*arguments, cwd, env):
    return subprocess.run(
        [sys.executable, "-m", "monai.bundle", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=env,
    )


@pytest.mark.slow
def test_monai_runs_it(exported, one_thread, tmp_path):
    out = tmp_path / "predictions.json"
    done = monai(
        *("run", "--config_file", "configs/inference.json", "--bundle_root", "."),
        *("--output", str(out)),
        cwd=exported,
        env=one_thread,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())
    with np.load(exported / "golden.npz", allow_pickle=False) as golden:
        np.testing.assert_allclose(
            [list(row["probability"].values()) for row in rows],
            golden["expected_probability"],
            rtol=0,
            atol=1e-5,
        )
        assert [row["patient_id"] for row in rows] == list(golden["patient_id"])


@pytest.mark.slow
def test_monai_accepts_its_metadata(exported, one_thread, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    for change, code in (({}, 0), ({"version": 1}, 1)):
        meta = json.loads((exported / "configs" / "metadata.json").read_text()) | change
        (tmp_path / "metadata.json").write_text(json.dumps(meta))
        done = monai(
            *("verify_metadata", "--meta_file", str(tmp_path / "metadata.json")),
            *("--filepath", str(schema)),
            cwd=tmp_path,
            env=one_thread,
        )
        assert bool(done.returncode) == bool(code), done.stderr


def test_metadata_names_every_input_and_output(exported):
    meta = json.loads((exported / "configs" / "metadata.json").read_text())
    contract = json.loads((exported / "contract.json").read_text())
    tensors = meta["network_data_format"]
    assert list(tensors["inputs"]) == [each["name"] for each in contract["inputs"]]
    assert list(tensors["outputs"]) == [each["name"] for each in contract["outputs"]]
    image = tensors["inputs"]["image"]
    assert image["num_channels"] == len(image["channel_def"]) == 4
    assert image["channel_def"]["3"] == "interim.adc"


def test_it_holds_what_the_specification_asks_for(exported):
    assert (exported / "LICENSE").read_text() == "Ask the hospital."
    assert {"README.md", "model_card.md"} <= {path.name for path in (exported / "docs").iterdir()}
    state = torch.load(exported / MODEL_FILE, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())


def test_plan_and_state_that_do_not_belong_together_are_refused(exported, tmp_path):
    state = torch.load(exported / MODEL_FILE, weights_only=True)
    state.pop("factors")
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(IntegrityError, match="does not fit"):
        read_graph(exported / GRAPH_FILE, tmp_path / "model.pt")
    (tmp_path / "graph.json").write_text('{"data": 1}')
    with pytest.raises(IntegrityError, match="damaged"):
        read_graph(tmp_path / "graph.json", exported / MODEL_FILE)


def test_inputs_of_another_graph_are_refused(exported, tmp_path):
    graph = read_graph(exported / GRAPH_FILE, exported / MODEL_FILE)
    np.savez(tmp_path / "other.npz", image=np.zeros(1))
    with pytest.raises(ConfigError, match="does not hold the inputs"):
        predict_file(graph, str(tmp_path / "other.npz"), str(tmp_path / "p.json"))
    with pytest.raises(OutputError, match=r"\.json"):
        predict_file(graph, str(exported / "golden.npz"), str(tmp_path / "p.csv"))


def test_a_licence_that_cannot_be_read_is_refused(clinical_bundle, tmp_path):
    options = ExportOptions("monai", licence=tmp_path / "absent")
    with pytest.raises(ConfigError) as caught:
        export_bundle(clinical_bundle, tmp_path / "out", options)
    assert caught.value.field == "--license"
    assert not list(tmp_path.iterdir())
