"""Solving systems in ONNX agrees with LAPACK, ill-conditioned ones among them."""

import numpy as np
import pytest
import torch

from pcrnet.deploy.export.formats.elimination import solve_in_onnx
from pcrnet.deploy.export.formats.program import quiet


class _Solve(torch.nn.Module):
    def forward(self, system, right):
        return {"solution": torch.linalg.solve(system, right)}


@pytest.mark.slow
@pytest.mark.parametrize("condition", [1e1, 1e6])
def test_it_solves_as_lapack_does(condition, tmp_path):
    import onnxruntime

    generator = np.random.default_rng(1)
    size, batch = 40, torch.export.Dim("batch", min=1, max=64)
    turn, _ = np.linalg.qr(generator.normal(size=(5, size, size)))
    systems = turn * np.geomspace(1.0, condition, size) @ turn.transpose(0, 2, 1)
    right = generator.normal(size=(5, size, 1))
    arguments = (torch.from_numpy(systems[:3]), torch.from_numpy(right[:3]))
    with quiet():
        program = torch.export.export(_Solve(), arguments, dynamic_shapes=({0: batch}, {0: batch}))
        torch.onnx.export(
            program,
            dynamo=True,
            opset_version=18,
            custom_translation_table={torch.ops.aten.linalg_solve.default: solve_in_onnx},
            verbose=False,
        ).save(tmp_path / "solve.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "solve.onnx")
    (found,) = session.run(None, {"system": systems, "right": right})
    np.testing.assert_allclose(found, np.linalg.solve(systems, right), rtol=0, atol=1e-9)
