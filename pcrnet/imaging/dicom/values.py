"""Pixels of DICOM slices: decoded, stacked and brought to the values that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import DicomFileError
from pcrnet.imaging.dicom.frames import Frame
from pcrnet.imaging.dicom.series import DicomSeries, decode_frames
from pcrnet.imaging.nifti.file import MAX_VOXELS

_THINNED_SLICES = 16
_THINNED_STEP = 2


def stored_values(series: DicomSeries, frames: Sequence[Frame]) -> NDArray[np.float32]:
    """Stored values, before rescaling, as (column, row, slice).

    Raises:
        DicomFileError: Pixels that are damaged, or more of them than a volume may have.
    """
    rows, columns = frames[0].shape
    if rows * columns * len(frames) > MAX_VOXELS:
        raise DicomFileError(
            f"the series has {columns} × {rows} × {len(frames)} voxels, more than {MAX_VOXELS}",
            field="Rows",
            remedy="crop or resample the series",
        )
    stacked = np.empty((columns, rows, len(frames)), dtype=np.float32, order="F")
    decoded: tuple[int, NDArray[Any]] | None = None
    for k, frame in sorted(enumerate(frames), key=lambda pair: (pair[1].image, pair[1].number)):
        if decoded is None or decoded[0] != frame.image:
            decoded = (frame.image, decode_frames(series.objects[frame.image]))
        stacked[:, :, k] = decoded[1][frame.number].T
    return stacked


def thinned_values(series: DicomSeries, frames: Sequence[Frame]) -> NDArray[np.float32]:
    """A rescaled sample (i, j, k) of a phase, alike for all, to find where contrast arrives."""
    step = max(1, len(frames) // _THINNED_SLICES)
    chosen = frames[::step]
    stacked = stored_values(series, chosen)[::_THINNED_STEP, ::_THINNED_STEP]
    return linear_values(stacked, rescaling(chosen))


def linear_values(
    stored: NDArray[np.float32], scales: Sequence[tuple[float, float]]
) -> NDArray[np.float32]:
    """Slope × stored (i, j, k) + intercept, slice by slice along k, in double precision between."""
    values = np.empty_like(stored)
    for k, (slope, intercept) in enumerate(scales):
        values[:, :, k] = stored[:, :, k].astype(np.float64) * slope + intercept
    return values


def rescaling(frames: Sequence[Frame]) -> list[tuple[float, float]]:
    """Slope and intercept of each slice."""
    return [(frame.slope, frame.intercept) for frame in frames]
