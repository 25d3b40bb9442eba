"""The kernel of the warp against the gathered warp, which is tested against torch's sampling."""

import pytest
import torch

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.augment import draw
from pcrnet.data.warp import warp
from tests.models.gpu_compiler import compiling, nothing
from tests.models.gpu_kernels import interpreted, on_gpu, with_triton

_STRONG = AugmentationConfig(rotation_degrees=40, translation_mm=30, elastic_mm=4, visit_shift_mm=9)

_SCRIPT = """
import torch
from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data import warp as module
from pcrnet.data.random_fields import displacement
from pcrnet.data.augment import draw
from pcrnet.data.warp_triton import warp_visits
config = AugmentationConfig(rotation_degrees=40, translation_mm=30, elastic_mm=4, visit_shift_mm=9)
for size, channels in (
    ((8, 10, 12), 3), ((2, 3, 2), 3), ((1, 6, 4), 3), ((5, 1, 3), 6), ((3, 7, 1), 1), ((1, 1, 1), 2)
):
    for elastic in (0.0, 4.0):
        imaging = ImagingConfig(size=size, spacing_mm=(4.0, 3.0, 5.0))
        drawn = draw(config.model_copy(update={"elastic_mm": elastic}), [3, 4], 2, channels, 1)
        image = torch.randn(2, 2, channels, *size).half()
        expected = module.warp(image, drawn.transform, drawn.elastic_mm, imaging)
        spacing = torch.tensor(imaging.spacing_mm)[:, None, None, None]
        bend = displacement(drawn.elastic_mm / spacing, imaging.size) if elastic else None
        moves = module._in_voxels(drawn.transform.flatten(0, 1), imaging)
        found = warp_visits(image.flatten(0, 1), moves, bend).view(expected.shape)
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)
print("alike")
"""


@with_triton
@pytest.mark.slow
def test_the_interpreted_kernel_sees_what_the_gathered_warp_sees():
    assert interpreted(_SCRIPT).strip() == "alike"


@with_triton
@pytest.mark.slow
@pytest.mark.parametrize(("capability", "registers"), [(80, 32), (89, 40), (90, 32)])
def test_the_kernel_compiles_for_cards_without_spilling(capability, registers, tmp_path):
    """With so few registers as many threads are under way as a card can hold."""
    from pcrnet.data import warp_triton

    # Every shipped configuration has one or five channels a branch, and six or two in all.
    for channels, size, dtype, bends in (
        (6, (128, 128, 96), torch.float16, True),
        (6, (24, 24, 16), torch.float16, False),
        (2, (32, 32, 24), torch.float32, True),
        (6, (31, 18, 21), torch.float32, False),
        (1, (1, 6, 4), torch.float16, True),  # a length of one is a constant to the compiler
        (1, (1, 1, 1), torch.float16, False),
    ):
        bend = nothing(8, 3, *size) if bends else None
        with compiling(warp_triton, capability, tmp_path) as found:
            warp_triton.warp_visits(
                nothing(16, channels, *size, dtype=dtype), nothing(16, 3, 4), bend
            )
        (kernel,) = found
        assert kernel.stack == 0
        assert kernel.shared == 0  # nothing is exchanged between threads
        assert kernel.registers <= registers
        assert ".f64" not in kernel.ptx


@on_gpu
@pytest.mark.parametrize("elastic", [0.0, 4.0])
@pytest.mark.parametrize("size", [(8, 10, 12), (2, 3, 2), (33, 17, 40), (1, 6, 4)])
def test_a_gpu_sees_what_a_cpu_sees(size, elastic):
    imaging = ImagingConfig(size=size, spacing_mm=(4.0, 3.0, 5.0))
    drawn = draw(_STRONG.model_copy(update={"elastic_mm": elastic}), [3, 4, 5], 2, 3, 1)
    image = torch.randn(3, 2, 3, *size).half()
    expected = warp(image, drawn.transform, drawn.elastic_mm, imaging)
    found = warp(image.cuda(), drawn.transform.cuda(), drawn.elastic_mm.cuda(), imaging)
    torch.testing.assert_close(found.cpu(), expected, atol=5e-4, rtol=0)
