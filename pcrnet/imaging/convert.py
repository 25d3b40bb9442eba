"""From a DICOM series to a NIfTI file and a sidecar that says where its numbers come from.

The sidecar holds what it takes to compute the values again: the formula, every number used
(weight, dose, half-life, and times as elapsed seconds), coded terms of the standard, and the
warnings. It holds no date, no time of day, no identifier and no free text of any tag.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from pcrnet.config.imaging import ImagingConfig
from pcrnet.errors import ImageError
from pcrnet.imaging.dicom_reader import read_dicom_series
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.reader import check_values
from pcrnet.storage import write_json

_SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Sidecar:
    """The record beside a converted volume.

    Attributes:
        channel: Name of the channel that it was converted as.
        unit: Unit of the values.
        shape: Voxels along i, j and k.
        spacing_mm: Voxel edge lengths.
        formula: From stored values to the unit.
        reference_time: Which tag says to what time a PET is decay corrected; "" elsewhere.
        numbers: Every number used, by the keyword of its tag.
        words: Every coded term used, by the keyword of its tag.
        warnings: What was concluded beyond the letter of the tags, and what was passed over.
    """

    channel: str
    unit: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    formula: str
    reference_time: str
    numbers: dict[str, float]
    words: dict[str, str]
    warnings: tuple[str, ...]


def convert_series(
    source: Path, out: Path, channel: str, settings: ImagingConfig | None = None
) -> Sidecar:
    """Write one DICOM series as NIfTI, and its sidecar beside it (``.json``).

    Args:
        source: Folder or zip of one series, or a single multi-frame file.
        out: Ends in ``.nii.gz`` or ``.nii``. The volume is written whole or not at all.
        channel: Name of the channel; it says what the values mean and which phase is meant.
        settings: Kinds of channels and DICOM settings; the defaults if None.

    Raises:
        ImageError: Another ending, or anything that a scan of a cohort is refused for.
    """
    settings = settings or ImagingConfig()
    stem = next((out.name.removesuffix(s) for s in _SUFFIXES if out.name.endswith(s)), "")
    if not stem:
        raise ImageError(
            "the output is no NIfTI file", remedy=f"end its name in {' or '.join(_SUFFIXES)}"
        )
    kind = settings.channel_kind(channel)
    read = read_dicom_series(source, kind, channel=channel, settings=settings.dicom)
    check_values(read.volume, kind)
    provenance = read.provenance
    sidecar = Sidecar(
        channel=channel,
        unit=read.volume.unit,
        shape=read.volume.array.shape,
        spacing_mm=tuple(round(float(mm), 6) for mm in read.volume.spacing_mm),
        formula=provenance.formula,
        reference_time=provenance.reference_time,
        numbers=dict(provenance.numbers),
        words=dict(provenance.words),
        warnings=provenance.warnings,
    )
    write_nifti(read.volume, out)
    write_json(out.with_name(f"{stem}.json"), asdict(sidecar))
    return sidecar
