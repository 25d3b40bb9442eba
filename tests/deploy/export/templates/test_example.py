"""The script beside an exported graph: refuses what the contract does, and says who gets what."""

import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from pcrnet.deploy.export import templates

_SCRIPT = Path(*templates.__path__) / "example.py"
THRESHOLDS = {"yT0": 0.5, "yN0": None, "yT0yN0": 0.3}
EXPECTED = np.array([[0.2, 0.6, 0.1], [0.7, 0.5, 0.4]])


def contract(model: bytes):
    return {
        "graph": {"file": "model.onnx"},
        "files": {"model.onnx": hashlib.sha256(model).hexdigest()},
        "inputs": [
            {"name": "image", "dtype": "float32", "shape": ["B", 2, 1, 2, 2, 2]},
            {"name": "present", "dtype": "bool", "shape": ["B", 2, 1]},
        ],
        "channels": [{"name": "pet", "range": [0.0, 30.0]}],
        "minimum_scans": 1,
        "thresholds": THRESHOLDS,
        "golden_tolerance": 1e-6,
    }


class Session:
    """Says the same of everybody; that the graph itself runs is held by the tests of export."""

    answer = EXPECTED

    def __init__(self, path=None, providers=None):
        self.path = path

    def get_outputs(self):
        return [type("Output", (), {"name": "probability"})]

    def run(self, names, inputs):
        assert names == ["probability"]
        assert list(inputs) == ["image", "present"]
        return [self.answer]


def inputs():
    return {
        "image": np.ones((2, 2, 1, 2, 2, 2), np.float32),
        "present": np.ones((2, 2, 1), bool),
    }


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The script as it lies in an exported folder."""
    (tmp_path / "model.onnx").write_bytes(b"a graph")
    (tmp_path / "contract.json").write_text(json.dumps(contract(b"a graph")))
    np.savez(
        tmp_path / "golden.npz",
        patient_id=np.array(["golden-1", "golden-2"]),
        expected_probability=EXPECTED,
        **inputs(),
    )
    script = shutil.copy(_SCRIPT, tmp_path / "example.py")
    spec = importlib.util.spec_from_file_location("example_of_a_test", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(sys, "argv", ["example.py"])
    return module


def test_it_imports_nothing_but_numpy_and_onnxruntime():
    import ast

    tree = ast.parse(_SCRIPT.read_text())
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert names - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}


def test_golden_answers_that_agree_end_with_zero(example, capsys):
    with pytest.raises(SystemExit) as ended:
        example.main()
    assert ended.value.code == 0
    assert "golden-2 0.7 0.5 0.4" in capsys.readouterr().out


def test_golden_answers_that_differ_end_with_one(example, monkeypatch):
    monkeypatch.setattr(Session, "answer", EXPECTED + 1e-3)
    with pytest.raises(SystemExit) as ended:
        example.main()
    assert ended.value.code == 1


def test_a_file_of_inputs_is_predicted(example, tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "own.npz", patient_id=np.array(["A", "B"]), **inputs())
    monkeypatch.setattr(sys, "argv", ["example.py", str(tmp_path / "own.npz")])
    example.main()
    assert capsys.readouterr().out.splitlines() == [
        "patient yT0 yN0 yT0yN0",
        "A 0.2 0.6 0.1",
        "B 0.7 0.5 0.4",
    ]


def test_a_graph_that_is_not_the_one_of_the_contract_is_not_run(example, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(SystemExit, match=r"not the file of contract\.json"):
        example.load()


def break_type(held):
    held["image"] = held["image"].astype(np.float64)


def break_shape(held):
    held["image"] = held["image"][:, :, :, :, :, :1]


def hide_all(held):
    held["present"][1] = False


def leave_the_range(held):
    held["image"][0, 1, 0, 0, 0, 0] = 31.0


def hold_nan(held):
    held["image"][0, 0, 0, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (break_type, "image: float32"),
        (break_shape, "image: float32"),
        (hide_all, "fewer than 1 scans"),
        (leave_the_range, "beyond 0.0 to 30.0"),
        (hold_nan, "holds NaN"),
    ],
)
def test_what_the_contract_does_not_admit_is_refused(example, damage, says):
    held = inputs()
    damage(held)
    with pytest.raises(SystemExit, match=says):
        example.check(held)


def test_voxels_of_an_absent_scan_are_never_looked_at(example):
    held = inputs()
    held["present"][0, 1] = False
    held["image"][0, 1] = np.nan
    example.check(held)
