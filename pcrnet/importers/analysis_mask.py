"""The analysis masks of the I-SPY trials: DICOM segmentations whose values are reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from pcrnet.errors import GeometryError, SeriesError
from pcrnet.imaging.dicom.files import open_files
from pcrnet.imaging.dicom.frames import read_frames
from pcrnet.imaging.dicom.geometry import sort_slices, stack_affine
from pcrnet.imaging.dicom.series import ImageObject, decode_frames, read_header
from pcrnet.imaging.dicom.tags import quiet, word
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.reader import read_volume
from pcrnet.imaging.volume import Volume

_GAP_TOLERANCE = 0.05


def convert_analysis_mask(
    segmentation: Path, dynamic: Path, out: Path, *, lesion: Literal["zero", "nonzero"]
) -> None:
    """Write an analysis mask as a lesion mask on the grid of the dynamic series.

    Args:
        segmentation: Folder, zip or file of one DICOM segmentation.
        dynamic: The series that it was drawn on.
        out: NIfTI file to write.
        lesion: Which values are lesion. As published, each bit of a value is a reason to leave the
            voxel out (background, percent enhancement, connectivity, region), and 0 is kept.

    Raises:
        SeriesError: No segmentation, or several.
        GeometryError: Slices that are no regular volume, or no lesion on the series' grid.
    """
    stored = read_segmentation(segmentation)
    keep = stored.array == 0 if lesion == "zero" else stored.array != 0
    scan = read_volume(dynamic, "dce_pre")
    i, j, k = scan.array.shape
    mask = Volume(keep.astype(np.float32), stored.affine, "label")
    on_scan, _ = resample(mask, Grid(scan.affine, (i, j, k)))
    if not on_scan.any():
        raise GeometryError(
            "holds no lesion on the grid of its dynamic series",
            remedy="check the mask convention: zero as published, nonzero for inverted masks",
        )
    write_nifti(Volume(on_scan, scan.affine, "label"), out)


def read_segmentation(path: Path) -> Volume:
    """The stored values of one DICOM segmentation, (column, row, slice), as they are.

    Raises:
        SeriesError: No segmentation object, or several.
        DicomFileError, GeometryError: As for any series.
    """
    with quiet(), open_files(path) as files:
        headers = [(file, read_header(file)) for file in files]
        objects = [
            ImageObject(header, file)
            for file, header in headers
            if header is not None and word(header, "Modality") == "SEG"
        ]
        if len(objects) != 1:
            raise SeriesError(
                f"holds {len(objects)} DICOM segmentations; expected one",
                remedy="keep one segmentation a folder",
            )
        frames = sort_slices(read_frames(objects), _GAP_TOLERANCE)
        pixels = decode_frames(objects[0])
        array = np.stack([pixels[frame.number].T for frame in frames], axis=-1)
        return Volume(array.astype(np.float32), stack_affine(frames), "label")
