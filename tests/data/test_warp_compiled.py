"""The compiled warp against that of torch's operations: bits, sizes, threads, and its absence."""

import subprocess
import sys

import pytest
import torch

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data import warp as plain
from pcrnet.data import warp_compiled as module
from pcrnet.data.augment import draw
from pcrnet.data.random_fields import noise_of
from pcrnet.machine import c_compiler

_STRONG = AugmentationConfig(rotation_degrees=40, translation_mm=30, elastic_mm=4, visit_shift_mm=9)
_needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="there is no C compiler")


def _case(size, timepoints, channels, elastic=True, dtype=torch.float16):
    imaging = ImagingConfig(size=size, spacing_mm=(4.0, 3.0, 5.0))
    config = _STRONG if elastic else _STRONG.model_copy(update={"elastic_mm": 0.0})
    drawn = draw(config, [3, 4, 5], timepoints, channels, 1)
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(3, timepoints, channels, *size, generator=generator).to(dtype)
    return image, drawn.transform, drawn.elastic_mm, imaging


def _intensities(image):
    generator = torch.Generator().manual_seed(2)
    gain = 0.5 + torch.rand(image.shape[:3], generator=generator)
    grows = torch.arange(image.shape[2]) % 3 == 0
    return gain, noise_of(image, [8, 9, 131_071], 0.1, grows)


def _by_operations(monkeypatch, *case):
    with monkeypatch.context() as patch:
        patch.setattr(plain, "compiled_warp", lambda: None)
        return plain.warp(*case)


@_needs_compiler
def test_a_compiler_that_is_there_is_used():
    assert module.compiled_warp() is not None


@_needs_compiler
@pytest.mark.parametrize("elastic", [True, False])
@pytest.mark.parametrize("intense", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("size", "timepoints", "channels"),
    [
        ((8, 10, 12), 2, 6),
        ((2, 3, 2), 1, 1),
        ((5, 4, 7), 3, 8),
        ((3, 2, 17), 1, 9),
        ((4, 4, 8), 2, 20),
    ],
)
def test_its_voxels_are_those_of_torchs_operations(
    monkeypatch, size, timepoints, channels, elastic, intense, dtype
):
    case = _case(size, timepoints, channels, elastic, dtype)
    case += _intensities(case[0]) if intense else ()
    expected = _by_operations(monkeypatch, *case)
    found = plain.warp(*case)
    # The same bits where the processor multiplies and adds in one step, as torch's kernels then do.
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert found.is_contiguous()
    if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"):
        assert torch.equal(found, expected)


@_needs_compiler
def test_threads_change_no_bit():
    case = _case((8, 10, 12), 2, 3)
    case += _intensities(case[0])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = plain.warp(*case)
        torch.set_num_threads(4)
        assert torch.equal(plain.warp(*case), alone)
    finally:
        torch.set_num_threads(before)


@_needs_compiler
def test_a_place_that_is_no_number_is_looked_for_within_the_image():
    warp = module.compiled_warp()
    visits = torch.rand(1, 2, 4, 4, 4)
    moves = torch.full((1, 3, 4), torch.nan)
    assert torch.equal(warp(visits, moves), visits[..., :1, :1, :1].expand_as(visits))
    assert torch.isfinite(warp(visits, torch.full((1, 3, 4), 1e30))).all()


@_needs_compiler
def test_what_lies_beyond_the_image_is_never_read():
    """Memory around the image holds what would show."""
    around = torch.full((3, 2, 3, 4, 5, 6), torch.nan)
    around[1] = torch.rand(2, 3, 4, 5, 6)
    moves = torch.eye(3, 4).repeat(2, 1, 1)
    moves[..., 3] = torch.tensor([[9.0, 9.0, 9.0], [-9.0, 3.5, 5.0]])
    assert torch.isfinite(module.compiled_warp()(around[1], moves)).all()


@pytest.fixture
def forgetting():
    """What is found here is not what other tests find."""
    module._library.cache_clear()
    yield
    module._library.cache_clear()


@pytest.mark.usefixtures("forgetting")
@pytest.mark.parametrize("compiler", [None, "/bin/false", "/nowhere/cc", "/bin/true"])
def test_without_a_compiler_that_works_torch_warps(monkeypatch, compiler):
    case = _case((4, 5, 6), 2, 3)
    expected = _by_operations(monkeypatch, *case)
    monkeypatch.setattr(module, "c_compiler", lambda: compiler)
    assert module.compiled_warp() is None
    assert torch.equal(plain.warp(*case), expected)


@_needs_compiler
@pytest.mark.usefixtures("forgetting")
def test_a_library_that_sees_something_else_is_not_used(monkeypatch, tmp_path):
    source = module.SOURCE.read_text(encoding="utf-8")
    assert "in_all(1.0f) - share_x" in source
    wrong = tmp_path / "warp.c"
    wrong.write_text(
        source.replace("in_all(1.0f) - share_x", "in_all(1.1f) - share_x"), encoding="utf-8"
    )
    monkeypatch.setattr(module, "SOURCE", wrong)
    assert module.compiled_warp() is None


@_needs_compiler
def test_nothing_is_left_on_the_disk(tmp_path):
    code = "from pcrnet.data.warp_compiled import compiled_warp; assert compiled_warp()"
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
    )
    assert not list(tmp_path.iterdir())
