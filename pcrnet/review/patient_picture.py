"""The picture of one patient: what the network sees, drawn as a radiologist would read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.imaging.volume import Unit
from pcrnet.review.display import (
    SIMULATED,
    ShownScans,
    describe_days,
    focus,
    label_columns,
    window_note,
)
from pcrnet.review.panels import Plane, axis_of, extent_mm
from pcrnet.review.sheet import Sheet

if TYPE_CHECKING:
    from pcrnet.imaging.tensors.preprocess import PatientTensor


def patient_picture(
    tensor: PatientTensor,
    channels: Sequence[str],
    timepoints: Sequence[str],
    *,
    spacing_mm: Sequence[float],
    kinds: Mapping[str, ChannelKind],
    mask: NDArray[np.bool_] | None = None,
    title: str,
    simulated: bool,
    plane: Plane = "axial",
    suv_unit: Unit = "SUVbw",
) -> bytes:
    """Draw all scans of one patient in one plane.

    Rows are timepoints, columns are channels and PET over MR. All cells show the same slice, which
    lies at the highest FDG uptake, else the strongest early enhancement, else the middle.

    Args:
        tensor: What the network sees; image (T, C, X, Y, Z) on RAS axes, SUV and ADC absolute.
        channels: Names along C.
        timepoints: Names along T.
        spacing_mm: Voxel edge lengths along x, y and z.
        kinds: Intensity rule of each channel; decides window and colours.
        mask: Lesion, shape (X, Y, Z) or (T, X, Y, Z); outlined, and searched first for the slice.
        title: Printed above; a pseudonym, never a name.
        simulated: Whether to print that this is no patient.
        plane: Which plane.
        suv_unit: What PET is in.

    Returns:
        PNG bytes, equal for equal input.
    """
    scans = ShownScans.of(tensor, channels, kinds, spacing_mm, mask, suv_unit)
    point, why = focus(scans)
    axis = axis_of(plane)
    width, height = extent_mm(scans.shape, scans.spacing_mm, plane)
    offset_mm = (point[axis] - (scans.shape[axis] - 1) / 2) * scans.spacing_mm[axis]
    foot = (
        f"{plane} plane through {why}, {offset_mm:+.0f} mm from the crop's centre · voxels "
        f"{' × '.join(f'{edge:g}' for edge in scans.spacing_mm)} mm · "
        f"{window_note(scans)}the patient's right is on the left"
    )
    sheet = Sheet([height / width] * len(timepoints), len(scans.columns), foot=foot)
    sheet.head(title, SIMULATED if simulated else "")
    for row, timepoint in enumerate(timepoints):
        sheet.label_row(row, timepoint, describe_days(float(tensor.days[row])))
        for number, column in enumerate(scans.columns):
            column.draw(sheet.panel(row, number), scans, row, plane, point[axis])
    label_columns(sheet, scans.columns)
    return sheet.png()
