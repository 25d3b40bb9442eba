"""Pixels of DICOM slices: decoded, stacked and brought to the values that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import DicomFileError
from pcrnet.imaging.dicom.frames import Frame
from pcrnet.imaging.dicom.series import DicomSeries, decode_frames
from pcrnet.imaging.dicom.tags import number
from pcrnet.imaging.nifti.file import MAX_VOXELS

if TYPE_CHECKING:
    from pydicom import Dataset

_THINNED_SLICES = 16
_THINNED_STEP = 2


def stored_values(series: DicomSeries, frames: Sequence[Frame]) -> NDArray[np.float32]:
    """Stored values, before rescaling, as (column, row, slice); NaN where a pixel is padding.

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
        pixels = decoded[1][frame.number].T
        stacked[:, :, k] = pixels
        if not np.issubdtype(pixels.dtype, np.integer):
            # NaN means padding from here on; one that the file itself holds is still to be refused.
            stacked[:, :, k][np.isnan(pixels)] = np.inf
        elif (limits := _padding(series.objects[frame.image].header)) is not None:
            stacked[:, :, k][(pixels >= limits[0]) & (pixels <= limits[1])] = np.nan
    return stacked


def _padding(header: Dataset) -> tuple[int, int] | None:
    """The range of stored values that stand for no image (PS3.3 C.7.5.1.1.2); None for none."""
    try:
        stated = number(header, "PixelPaddingValue")
        limit = number(header, "PixelPaddingRangeLimit")
    except DicomFileError:  # of no known type: as good as not stated
        return None
    if stated is None:
        return None
    # Written by some as signed where the pixels are unsigned, or the other way about.
    bits = int(number(header, "BitsAllocated") or 16)
    signed = number(header, "PixelRepresentation") == 1
    ends = [int(end) % (1 << bits) for end in (stated, stated if limit is None else limit)]
    if signed:
        ends = [end - (1 << bits) if end >= 1 << (bits - 1) else end for end in ends]
    return min(ends), max(ends)


def thinned_values(series: DicomSeries, frames: Sequence[Frame]) -> NDArray[np.float32]:
    """A rescaled sample (i, j, k) of a phase, alike for all, to find where contrast arrives."""
    step = max(1, len(frames) // _THINNED_SLICES)
    chosen = frames[::step]
    stacked = stored_values(series, chosen)[::_THINNED_STEP, ::_THINNED_STEP]
    return linear_values(stacked, rescaling(chosen))


def linear_values(
    stored: NDArray[np.float32], scales: Sequence[tuple[float, float]], *, padding: float = 0.0
) -> NDArray[np.float32]:
    """Slope × stored (i, j, k) + intercept, slice by slice along k, in double precision between.

    Args:
        stored: As :func:`stored_values` returns them.
        scales: Slope and intercept of each slice.
        padding: What is put where a pixel is padding: the value of empty space.
    """
    values = np.empty_like(stored)
    for k, (slope, intercept) in enumerate(scales):
        values[:, :, k] = stored[:, :, k].astype(np.float64) * slope + intercept
    values[np.isnan(stored)] = padding
    return values


def rescaling(frames: Sequence[Frame]) -> list[tuple[float, float]]:
    """Slope and intercept of each slice."""
    return [(frame.slope, frame.intercept) for frame in frames]
