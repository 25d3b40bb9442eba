"""Attributions on the grid of each scan as it came: NIfTI files that any viewer lays over it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pcrnet.explain.occlusion import OcclusionMap
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.patient_scans import PatientScans
from pcrnet.imaging.quantify.place import voxel_centres_mm
from pcrnet.imaging.volume import Volume


def to_native(
    values: NDArray[np.floating], grid: Grid, scans: PatientScans, timepoint: str, channel: str
) -> Volume:
    """A map per millilitre in the frame of the first visit, on the grid of one scan.

    Args:
        values: (x, y, z) on ``grid``.
        grid: In millimetres of the first visit.
        scans: The scans as they came, with the registration of each visit.
        timepoint: Of the scan.
        channel: Of the scan.
    """
    scan = scans.volumes[timepoint][channel]
    back = np.linalg.inv(scans.transform(timepoint))
    x, y, z = scan.array.shape
    here = Grid(back @ scan.affine, (x, y, z))
    found, _ = resample(Volume(values.astype(np.float32), grid.affine, "arbitrary"), here)
    return Volume(found, scan.affine, "arbitrary")


def occlusion_to_native(found: OcclusionMap, scans: PatientScans) -> Volume:
    """An occlusion map on the grid of its scan, with the hot spots beyond the fine grid."""
    volume = to_native(found.density, found.grid, scans, found.timepoint, found.channel)
    if not found.spots:
        return volume
    back = np.linalg.inv(scans.transform(found.timepoint)) @ volume.affine
    index = np.indices(volume.array.shape).reshape(3, -1)
    points = (back[:3, :3] @ index + back[:3, 3:]).reshape(3, *volume.array.shape)
    array = volume.array.copy()
    for low, high, worth in found.spots:
        inside = (points >= low.reshape(3, 1, 1, 1)) & (points < high.reshape(3, 1, 1, 1))
        array[inside.all(axis=0) & (array == 0.0)] = worth
    return Volume(array, volume.affine, "arbitrary")


def crop_grid(
    centre_mm: NDArray[np.float64], spacing: Sequence[float], size: Sequence[int]
) -> Grid:
    """The grid of the crop around ``centre_mm`` (3,), in millimetres of the first visit."""
    a, b, c = spacing
    x, y, z = size
    return Grid.centred(centre_mm, (a, b, c), (x, y, z))


def near_on_crop(grid: Grid, centre_mm: NDArray[np.float64], radius_mm: float) -> NDArray[np.bool_]:
    """Voxels (x, y, z) of a shell around the bed on the crop, 6 to 20 mm beyond ``radius_mm``."""
    points = voxel_centres_mm(grid)
    apart = np.linalg.norm(points - centre_mm.reshape(3, 1, 1, 1), axis=0)
    return np.asarray((apart > radius_mm + 6.0) & (apart < radius_mm + 20.0))
