"""Whatever ends the runtime, or stops it, is an error of the export."""

import os

import numpy as np
import pytest

from pcrnet.deploy.export.formats import onnx_session
from pcrnet.deploy.export.formats.onnx_session import run_onnx
from pcrnet.errors import ExportError


def _dies(model, inputs):
    os._exit(139)


def test_a_runtime_that_ends_its_process_ends_no_export(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_session, "_answer", _dies)
    with pytest.raises(ExportError, match="ended its process"):
        run_onnx(tmp_path / "model.onnx", [{"image": np.zeros(1, np.float32)}])


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ExportError, match="cannot run the graph"):
        run_onnx(path, [{"image": np.zeros(1, np.float32)}])
