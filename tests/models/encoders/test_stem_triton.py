"""The kernels of the stem against torch's convolution, what is absent filled with zeros."""

import pytest
import torch
from torch.nn import functional

from pcrnet.models.encoders.layers import Stem
from tests.gpu_kernels import in_interpreter, interpreted, on_gpu

_SCRIPT = """
import torch
from torch.nn import functional
from pcrnet.models.encoders import stem_triton
stem_triton._TYPE = torch.float32  # the interpreter cannot multiply bf16
torch.manual_seed(0)
for channels, outputs, size in ((1, 24, (8, 6, 10)), (5, 24, (9, 8, 7)), (3, 12, (4, 4, 4))):
    image = torch.randn(3, channels + 1, *size)[:, 1:]
    present = torch.rand(3, channels) > 0.3
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


@in_interpreter
@pytest.mark.slow
def test_interpreted_kernels_are_torchs_convolution():
    assert interpreted(_SCRIPT).strip() == "alike"


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
