from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from pcrnet.imaging.registration.rigid import Alignment
from pcrnet.imaging.volume import Volume
from pcrnet.review.alignment_picture import alignment_picture


def _pair(shift_mm: float) -> tuple[Volume, Volume, Alignment]:
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(50, 40, 30)), 1.5)
    affine, moved = np.diag([3.0, 3.0, 3.0, 1.0]), np.diag([3.0, 3.0, 3.0, 1.0])
    moved[0, 3] = shift_mm
    alignment = Alignment(
        transform=np.eye(4) + np.array([[0, 0, 0, shift_mm], *np.zeros((3, 4))]),
        similarity_before=0.1,
        similarity_after=1.5,
        shift_mm=shift_mm,
        rotation_degrees=0.0,
        front_mm=0.0,
    )
    array = texture.astype(np.float32)
    return Volume(array, affine, "arbitrary"), Volume(array, moved, "arbitrary"), alignment


def test_what_agrees_is_grey_after_registration_and_coloured_before():
    jpeg = alignment_picture(*_pair(18.0), title="P-001 · interim")
    pixels = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)
    colour = np.abs(pixels[..., 0] - pixels[..., 1])[:, 115:]
    before, after = np.array_split(colour[100:-60], 2)
    assert before.mean() > 20
    assert after.mean() < 2


def test_equal_input_gives_equal_bytes():
    assert alignment_picture(*_pair(6.0), title="P") == alignment_picture(*_pair(6.0), title="P")
