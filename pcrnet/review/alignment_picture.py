"""Before and after registration: the two visits laid over each other in three planes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.registration.rigid import Alignment
from pcrnet.imaging.volume import Volume, world_corners
from pcrnet.review.panels import Plane, axis_of, draw_pair
from pcrnet.review.sheet import Sheet

_SPACING_MM = 2.0
_MOST_VOXELS = 4_000_000
_PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")


def alignment_picture(fixed: Volume, moving: Volume, alignment: Alignment, *, title: str) -> bytes:
    """Draw a later visit over the first, as it came and as it was registered.

    Args:
        fixed: The scan of the first visit, magenta.
        moving: The scan of the later visit, green; grey is where the two agree.
        alignment: What registration found.
        title: Printed above; a pseudonym and a timepoint.

    Returns:
        JPEG bytes. The slices run through the middle of the first scan.
    """
    grid = _grid_of(fixed)
    first = _shown(fixed, grid)
    rows = {
        "as it came": (np.eye(4), alignment.similarity_before),
        "registered": (alignment.transform, alignment.similarity_after),
    }
    spacing = np.diag(grid.affine)[:3]
    x, y, z = np.array(grid.shape) * spacing
    foot = (
        f"first visit magenta, later visit green, grey where they agree · moved by "
        f"{alignment.shift_mm:.1f} mm, turned by {alignment.rotation_degrees:.1f}° · the patient's "
        "right is on the left"
    )
    sheet = Sheet([max(y / x, z / x, z / y)] * len(rows), len(_PLANES), bars=False, foot=foot)
    sheet.head(title)
    for row, (name, (transform, similarity)) in enumerate(rows.items()):
        sheet.label_row(row, name, f"MI {similarity:.2f} nats")
        second = _shown(moving, grid.moved(transform))
        for column, plane in enumerate(_PLANES):
            middle = grid.shape[axis_of(plane)] // 2
            axes = sheet.panel(row, column)
            draw_pair(axes, first, second, plane=plane, index=middle, spacing_mm=spacing)
    for column, plane in enumerate(_PLANES):
        sheet.label_column(column, plane)
    return sheet.jpeg()


def _grid_of(volume: Volume) -> Grid:
    corners = world_corners(volume.affine, volume.array.shape)
    extent = np.ptp(corners, axis=0)
    spacing = max(_SPACING_MM, float((extent.prod() / _MOST_VOXELS) ** (1 / 3)))
    x, y, z = (max(2, round(length / spacing)) for length in extent)
    return Grid.centred(corners.mean(axis=0), (spacing,) * 3, (x, y, z))


def _shown(volume: Volume, grid: Grid) -> NDArray[np.float32]:
    """Values on the grid, the 1st percentile of what is covered black, the 99.5th full colour."""
    values, covered = resample(volume, grid)
    seen = values[covered] if covered.any() else np.zeros(1, np.float32)
    low, high = np.percentile(seen, (1.0, 99.5))
    scaled = (values - low) / max(float(high - low), 1e-6)
    return np.asarray(np.where(covered, np.clip(scaled, 0.0, 1.0), 0.0), dtype=np.float32)
