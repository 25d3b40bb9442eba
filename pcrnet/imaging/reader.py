"""One file, or one DICOM series, as a volume in true millimetres and true units."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcrnet.config.imaging import ChannelKind, DicomConfig, ImagingConfig
from pcrnet.errors import GeometryError, ImageError, UnitError
from pcrnet.imaging.nifti.file import read_nifti
from pcrnet.imaging.scan import Provenance, Scan
from pcrnet.imaging.units import require_nifti_unit
from pcrnet.imaging.volume import Volume
from pcrnet.imaging.voxels.order_statistics import Ranked
from pcrnet.imaging.voxels.parts import extremes

_AS_STORED = Provenance("as stored in the NIfTI file")
MASK = "mask"
"""The column, beside the channels, whose files are label images."""

_HIGHEST_HU = 32_767.0  # of 16 bits; metal comes close


def read_volume(
    path: Path,
    channel: str,
    kind: ChannelKind | None = None,
    *,
    settings: DicomConfig | None = None,
) -> Volume:
    """Read the volume of one scan; as :func:`read_scan`, without the provenance."""
    return read_scan(path, channel, kind, settings=settings).volume


def read_scan(
    path: Path,
    channel: str,
    kind: ChannelKind | None = None,
    *,
    settings: DicomConfig | None = None,
) -> Scan:
    """Read one scan, and how its numbers came about.

    Args:
        path: A NIfTI file, or the folder or zip of one DICOM series; told by content.
        channel: Name of the channel; ``mask`` reads a label image.
        kind: What its values mean; by default what the channel's name tells.
        settings: How a DICOM series becomes a volume; the defaults if None.

    Returns:
        float32 in RAS millimetres, in the unit of the channel: SUVbw (or what the settings ask
        for), 10⁻³ mm²/s or arbitrary.

    Raises:
        ImageError: Unreadable, damaged, not an image, or without any contrast. A DICOM series may
            raise more of its subclasses: :func:`~pcrnet.imaging.dicom_reader.read_dicom_series`.
        GeometryError: Not one regular 3D volume.
        UnitError: Values that cannot be in the channel's unit.
    """
    if channel == MASK:
        return Scan(_read_mask(path), _AS_STORED)
    kind = kind or ImagingConfig().channel_kind(channel)
    if is_dicom(path):
        from pcrnet.imaging.dicom_reader import read_dicom_series

        scan = read_dicom_series(path, kind, channel=channel, settings=settings)
    else:
        array, affine = read_nifti(path)
        unit = require_nifti_unit(path, kind, settings or DicomConfig())
        scan = Scan(Volume(array=array, affine=affine, unit=unit), _AS_STORED)
    check_values(scan.volume, kind)
    return scan


def is_dicom(path: Path) -> bool:
    """Whether a path is for the DICOM reader: a folder, a zip, or a file of that format.

    Raises:
        ImageError: There is neither a file nor a folder.
    """
    if path.is_dir():
        return True
    if not path.is_file():
        raise ImageError("is neither a file nor a folder", remedy="correct the path")
    with path.open("rb") as stream:
        start = stream.read(132)
    return start.startswith(b"PK\x03\x04") or start[128:] == b"DICM"


def check_values(volume: Volume, kind: ChannelKind) -> None:
    """Refuse values that cannot be what the channel should hold.

    ADC: the 90th percentile of the positive voxels lies within 0.1–8 (10⁻³ mm²/s; free water at
    37 °C is 3.0). SUV: the 99th percentile of the positive voxels lies within 0.02–100, and
    negative values are noise: at most 5 % of the activity, none below both −1 and a tenth of the
    maximum. Hounsfield units: some voxel is negative, none above 32 767.

    Raises:
        ImageError: All voxels are equal.
        UnitError: Implausible values; the likely factor is named where there is one.
    """
    lowest, highest = extremes(volume.array)
    if lowest == highest:
        raise ImageError(
            f"every voxel is {lowest:g}: the image is empty",
            remedy="convert it anew, or leave the cell empty if the scan was not acquired",
        )
    match kind:
        case "adc":
            _check_adc(volume)
        case "suv":
            _check_suv(volume, lowest, highest)
        case "hu":
            _check_hu(lowest, highest)


def _check_hu(lowest: float, highest: float) -> None:
    """Air and fat lie below water; stored values without their intercept do not."""
    if lowest >= 0:
        raise UnitError(
            f"a CT is expected in Hounsfield units; the lowest value is {lowest:g}, where air is "
            "-1000 and fat -100",
            remedy="apply RescaleSlope and RescaleIntercept (they are, to DICOM), or set "
            "imaging.channels to zscore for an image in other units",
        )
    if highest > _HIGHEST_HU:
        raise UnitError(
            f"a CT is expected in Hounsfield units; a value of {highest:g} is not plausible",
            remedy="give the CT as reconstructed, in Hounsfield units",
        )


def _check_adc(volume: Volume) -> None:
    typical = _positive_percentile(volume, 90)
    if 0.1 <= typical <= 8.0:
        return
    likely = {
        "10⁻⁴ mm²/s": (8.0, 50.0, 0.1),
        "10⁻⁵ mm²/s": (50.0, 300.0, 0.01),
        "10⁻⁶ mm²/s": (300.0, 30_000.0, 0.001),
        "mm²/s": (0.0001, 0.03, 1000.0),
    }
    for unit, (low, high, factor) in likely.items():
        if low <= typical <= high:
            raise UnitError(
                f"ADC is expected in 10⁻³ mm²/s; the values look like {unit} (90th percentile "
                f"{typical:.3g})",
                remedy=f"multiply the image by {factor:g}",
            )
    raise UnitError(
        f"ADC is expected in 10⁻³ mm²/s; a 90th percentile of {typical:.3g} is not plausible",
        remedy="give the ADC map itself, not a diffusion-weighted image, in 10⁻³ mm²/s",
    )


def _check_suv(volume: Volume, lowest: float, highest: float) -> None:
    typical = _positive_percentile(volume, 99)
    if typical > 100.0:
        raise UnitError(
            f"PET is expected in SUV; the values look like Bq/mL (99th percentile {typical:.3g})",
            remedy="give the DICOM series, or the image divided by the SUV factor: decay-corrected "
            "dose in Bq over weight in g",
        )
    if typical < 0.02:
        raise UnitError(
            f"PET is expected in SUV; a 99th percentile of {typical:.3g} is not plausible",
            remedy="give the DICOM series, or the image in g/mL",
        )
    if lowest >= 0:
        return
    array = volume.array
    activity, deficit = (
        float(array.sum(where=of, dtype=np.float64)) for of in (array > 0, array < 0)
    )
    if -deficit > 0.05 * activity or lowest < min(-1.0, -0.1 * highest):
        raise UnitError(
            f"PET in SUV cannot be negative beyond noise; the lowest value is {lowest:.3g}",
            remedy="give the image as reconstructed, neither standardised nor log-transformed",
        )


def _positive_percentile(volume: Volume, percent: float) -> float:
    # Every third slice, and of it every third row, are enough to tell factors of 1000 apart.
    step = 3 if volume.array.size > 1_000_000 else 1
    sample = volume.array[:, ::step, ::step]
    positive = Ranked(sample, above=0.0)
    return positive.percentile(percent) if positive.size else 0.0


def _read_mask(path: Path) -> Volume:
    if is_dicom(path):
        raise ImageError("a mask must be a NIfTI file", remedy="convert it to .nii.gz")
    array, affine = read_nifti(path)
    slices = np.moveaxis(array, -1, 0)  # one by one, so that no copy of the whole is made
    if array.min() < 0 or any((part != np.round(part)).any() for part in slices):
        raise ImageError(
            "a mask holds whole numbers, 0 for background; this one holds others",
            remedy="round the label image, or name the file in the right column",
        )
    if not array.any():
        raise GeometryError(
            "the mask is empty",
            remedy="draw the lesion, or leave the cell empty: the crop is then found without it",
        )
    return Volume(array=array, affine=affine, unit="label")
