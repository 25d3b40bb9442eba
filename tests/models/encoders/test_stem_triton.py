"""The kernels of the stem against torch's convolution, what is absent filled with zeros."""

import pytest
import torch
from torch.nn import functional

from pcrnet.models.encoders import layers
from pcrnet.models.encoders.layers import Stem
from tests.models.gpu_compiler import (
    REGISTERS,
    SHARED_MEMORY,
    compiling,
    nothing,
    shipped_stems,
)
from tests.models.gpu_kernels import interpreted, on_gpu, with_triton

_SCRIPT = """
import torch
from torch.nn import functional
from pcrnet.models.encoders import stem_triton
stem_triton._TYPE = torch.float32  # the interpreter cannot multiply bf16
# Small grids take several programs and rounds all the same.
stem_triton._CELLS, stem_triton._CELLS_OF_GRADIENT, stem_triton._SPLITS = 32, 16, 2
torch.manual_seed(0)
for channels, outputs, size, there in (
    (1, 24, (8, 6, 10), 0.7),
    (5, 24, (9, 8, 7), 0.7),
    (3, 12, (4, 4, 4), 0.7),
    (1, 1, (1, 1, 1), 1.0),
    (6, 17, (1, 5, 3), 0.7),
    (2, 16, (7, 1, 1), 0.7),
    (6, 12, (5, 3, 2), 0.0),
    (1, 140, (5, 6, 7), 1.0),
):
    image = torch.randn(3, channels + 1, *size)[:, 1:]
    present = torch.rand(3, channels) < there
    filters = torch.randn(outputs, channels, 3, 3, 3, requires_grad=True)
    shift = torch.randn(3, outputs, requires_grad=True)
    absent = ~present[:, :, None, None, None]
    expected = functional.conv3d(image.masked_fill(absent, 0.0), filters, None, 2, 1)
    expected = expected + shift[:, :, None, None, None]
    given = image.masked_fill(absent, float("nan"))
    found = stem_triton.convolve_stem(given, present, filters, shift)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    slopes = torch.randn_like(expected)
    for one, other in zip(
        torch.autograd.grad(found, (filters, shift), slopes),
        torch.autograd.grad(expected, (filters, shift), slopes),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
print("alike")
"""


@with_triton
@pytest.mark.slow
def test_interpreted_kernels_are_torchs_convolution():
    assert interpreted(_SCRIPT).strip() == "alike"


def _compiled(capability, stems, monkeypatch, folder):
    """The kernels of stems, each with one visit more than it has channels."""
    from pcrnet.models.encoders import stem_triton

    memory = SHARED_MEMORY[capability]
    monkeypatch.setattr(layers, "_in_kernels", lambda image: True)
    monkeypatch.setattr(stem_triton, "_shared_memory", lambda device: memory)
    for channels, outputs, size in stems:
        with compiling(stem_triton, capability, folder) as found:
            stem = Stem(channels, outputs).to("meta")
            image = nothing(16, 6, *size)[:, 6 - channels :]
            stem(image, nothing(16, channels, dtype=torch.bool)).float().sum().backward()
        assert [kernel.name for kernel in found] == ["_convolve", "_correlate"]
        yield from found


@with_triton
@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_of_all_configurations_compile_for_cards(capability, monkeypatch, tmp_path):
    for kernel in _compiled(capability, shipped_stems(), monkeypatch, tmp_path):
        assert kernel.shared <= SHARED_MEMORY[capability], kernel.name
        assert kernel.registers <= REGISTERS
        assert kernel.stack == 0, f"{kernel.name} spills {kernel.stack} bytes a thread"
        assert "mma" in kernel.ptx  # the product is one of matrices, in bf16
        assert ".f64" not in kernel.ptx


@with_triton
@pytest.mark.slow
@pytest.mark.parametrize(
    ("capability", "outputs"),
    [(80, 128), (80, 256), (86, 24), (89, 24), (89, 64), (90, 256), (120, 24)],
)
def test_kernels_fit_smaller_cards_and_wider_stems(capability, outputs, monkeypatch, tmp_path):
    stems = [(5, outputs, (128, 128, 96))]
    for kernel in _compiled(capability, stems, monkeypatch, tmp_path):
        assert kernel.shared <= SHARED_MEMORY[capability], kernel.name
        assert kernel.stack <= 16, f"{kernel.name} spills {kernel.stack} bytes a thread"


@on_gpu
@pytest.mark.parametrize(
    ("channels", "size"), [(1, (32, 16, 24)), (5, (31, 18, 22)), (6, (4, 4, 4))]
)
def test_a_gpu_stem_is_the_stem_in_float32(channels, size):
    torch.manual_seed(0)
    stem = Stem(channels, 24).cuda()
    image = torch.randn(4, channels + 1, *size, device="cuda")[:, 1:]
    present = torch.rand(4, channels, device="cuda") > 0.3
    present[0] = True
    slopes = torch.randn(4, 24, *((length + 1) // 2 for length in size), device="cuda")
    found = []
    for reduced in (False, True):
        stem.zero_grad()
        given = image.masked_fill(~present[:, :, None, None, None], float("nan"))
        with torch.autocast("cuda", torch.bfloat16, enabled=reduced):
            result = stem(given, present)
        assert result.is_contiguous(memory_format=torch.channels_last_3d)
        result.float().backward(slopes)
        found.append([result.detach().float(), *(one.grad.clone() for one in stem.parameters())])
    for exact, rounded in zip(*found, strict=True):
        assert (exact - rounded).norm() <= 0.01 * exact.norm()


@on_gpu
def test_gradients_of_a_gpu_stem_are_the_same_every_time():
    torch.manual_seed(0)
    stem = Stem(5, 24).cuda()
    image, present = torch.randn(4, 5, 32, 32, 24, device="cuda"), torch.ones(4, 5, device="cuda")
    gradients = []
    for _ in range(3):
        stem.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            result = stem(image, present.bool())
        functional.mse_loss(result.float(), torch.zeros_like(result).float()).backward()
        gradients.append(stem.convolution.weight.grad.clone())
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])
