"""A real scan and itself, displaced, noisy, with other coil shading, and changed as visits change.

For the benchmarks of registration: the truth is known, the anatomy is real.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from pcrnet.imaging import Volume, read_volume

Points = NDArray[np.float64]
Back = Callable[[Points], Points]
"""Where tissue at these millimetres (3, n) of the later visit was at the first."""

BREAST = Path("breast_dce_UCSF-BR-08") / "image_dce_3dfgre_orig.zip"


def read_breast(data: Path, channel: str = "dce_pre") -> Volume:
    """A phase of UCSF-BR-08: 256 × 256 × 60 voxels of 0.7 × 0.7 × 2 mm, one breast, prone."""
    return read_volume(data / BREAST, channel)


def middle_mm(volume: Volume) -> Points:
    """The middle of the field."""
    return (volume.affine @ np.append((np.array(volume.array.shape) - 1) / 2, 1.0))[:3]


def rigid(shift_mm: Points, angles_degrees: Points, centre_mm: Points) -> Points:
    """A turn about a point and a shift, 4×4."""
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_euler("xyz", angles_degrees, degrees=True).as_matrix()
    transform[:3, 3] = centre_mm + shift_mm - transform[:3, :3] @ centre_mm
    return transform


def undo(transform: Points) -> Back:
    """The way back through a transform."""
    inverse = np.linalg.inv(transform)
    return lambda points: inverse[:3, :3] @ points + inverse[:3, 3:]


def flatten(volume: Volume, share: float, wall: float) -> Back:
    """Press what lies in front of a wall to a share of its depth; it spreads, keeping its volume.

    Args:
        volume: Gives the field.
        share: 1 leaves it as it is.
        wall: Where it lies, as a share of the field from the back.
    """
    corners = np.array([[0, 0, 0, 1], [*np.subtract(volume.array.shape, 1), 1]]) @ volume.affine.T
    low, high = corners.min(0)[:3], corners.max(0)[:3]
    wall_mm, middle = low[1] + wall * (high[1] - low[1]), (low + high) / 2

    def back(points: Points) -> Points:
        ahead = np.clip(points[1] - wall_mm, 0, None)
        across = 1 + (np.sqrt(share) - 1) * np.clip(ahead / 10, 0, 1)
        x, z = (middle[axis] + (points[axis] - middle[axis]) * across for axis in (0, 2))
        return np.stack([x, np.where(ahead > 0, wall_mm + ahead / share, points[1]), z])

    return back


def later_visit(volume: Volume, *ways_back: Back, seed: int, lesion: bool = False) -> Volume:
    """The scan again, with 3 % noise and, but for PET, coil shading of a factor of up to 1.6.

    Args:
        volume: The first visit.
        ways_back: From the later visit to the first, in this order.
        seed: Of the noise.
        lesion: Whether a ball of 16 mm off the middle is changed to median signal.
    """
    rng = np.random.default_rng(seed)
    array = volume.array
    shape = array.shape
    points = volume.affine[:3, :3] @ np.indices(shape).reshape(3, -1) + volume.affine[:3, 3:]
    if lesion:
        centre = volume.affine @ np.append(np.array(shape) * [0.5, 0.45, 0.6], 1.0)
        near = np.linalg.norm(points - centre[:3, None], axis=0).reshape(shape) < 8.0
        array = np.where(near, np.percentile(array, 50), array)
    for back in ways_back:
        points = back(points)
    inverse = np.linalg.inv(volume.affine)
    index = inverse[:3, :3] @ points + inverse[:3, 3:]
    seen = map_coordinates(array, index, order=1).reshape(shape)
    if volume.unit != "SUVbw":
        u, v, w = (np.linspace(-0.5, 0.5, n) for n in shape)
        seen = seen * np.exp(0.3 * u[:, None, None] - 0.4 * v[:, None] + 0.3 * w * v[:, None])
    noise = 0.03 * np.percentile(array, 99) * rng.normal(size=shape)
    return Volume(np.abs(seen + noise).astype(np.float32), volume.affine, volume.unit)


def cropped(volume: Volume, margin_mm: float) -> Volume:
    """A smaller field, beyond which the body goes on."""
    n = np.round(margin_mm / volume.spacing_mm).astype(int)
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ n
    inner = tuple(slice(k, size - k) for k, size in zip(n, volume.array.shape, strict=True))
    return Volume(volume.array[inner], affine, volume.unit)
