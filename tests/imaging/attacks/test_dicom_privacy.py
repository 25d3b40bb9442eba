"""A token in every text tag and path appears in no output, error, warning or log."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from pcrnet.errors import PcrnetError
from pcrnet.imaging.convert import convert_series

MakeSlice = Callable[..., Dataset]
SaveSeries = Callable[..., Path]

TOKEN = "CANARY7"  # noqa: S105 - a token to be found again, no secret
IDENTIFYING = [
    "PatientName", "PatientID", "OtherPatientIDs", "PatientComments", "PatientAddress",
    "PatientBirthName", "InstitutionName", "InstitutionAddress", "ReferringPhysicianName",
    "OperatorsName", "StationName", "StudyDescription", "SeriesDescription", "ProtocolName",
    "AccessionNumber", "StudyID", "ImageComments", "ManufacturerModelName", "Manufacturer",
    "SoftwareVersions", "ContrastBolusAgent", "SequenceName", "ReconstructionMethod",
    "AttenuationCorrectionMethod", "DerivationDescription",
]  # fmt: skip
"""Text tags of any content; the reader never needs them."""


def marked(make_slice: MakeSlice, index: int, modality: str, **tags: Any) -> Dataset:
    header = make_slice(
        index, modality, pixels=np.full((4, 6), 400) + np.arange(24).reshape(4, 6), **tags
    )
    for keyword in IDENTIFYING:
        setattr(header, keyword, TOKEN)
    header.private_block(0x0013, "CTP", create=True).add_new(0x10, "LO", TOKEN)
    header.private_block(0x0029, TOKEN, create=True).add_new(0x10, "UN", TOKEN.encode())
    for item in header.get("RadiopharmaceuticalInformationSequence", ()):
        item.Radiopharmaceutical = f"FDG {TOKEN}"
        item.RadionuclideCodeSequence[0].CodeMeaning = TOKEN
    return header


def overwrite(header: Dataset, keyword: str) -> None:
    """Put the token where a number, a time or a code is expected."""
    holder = header
    for item in header.get("RadiopharmaceuticalInformationSequence", ()):
        holder = item if keyword in item else holder
    if keyword in holder:
        del holder[keyword]
    holder.add_new(keyword, "LO", TOKEN)


class Leaks:
    """Everything that a user or a log could get to see while a block runs."""

    def __init__(
        self, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.caplog, self.capsys = caplog, capsys

    def of(self, action: Callable[[], object]) -> tuple[str, bool]:
        """All text that left, and whether the action was refused."""
        seen: list[str] = []
        refused = False
        self.caplog.clear()
        with warnings.catch_warnings(record=True) as caught, self.caplog.at_level(logging.DEBUG):
            warnings.simplefilter("always")
            try:
                seen.append(repr(action()))
            except PcrnetError as error:
                refused = True
                seen += [str(error), repr(error), repr(vars(error))]
                seen += traceback.format_exception(error)
        out, err = self.capsys.readouterr()
        seen += [out, err, *(str(warning.message) for warning in caught), self.caplog.text]
        return "\n".join(seen), refused


@pytest.fixture
def leaks(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Leaks:
    return Leaks(caplog, capsys)


def files_hold_the_token(files: Iterable[Path]) -> bool:
    return any(TOKEN.encode() in file.read_bytes() or TOKEN in file.name for file in files)


@pytest.mark.parametrize(
    ("modality", "channel"), [("PT", "pet"), ("MR", "adc"), ("MR", "t2"), ("MR", "dce_early")]
)
def test_a_conversion_lets_no_token_out(
    make_slice: MakeSlice,
    save_series: SaveSeries,
    leaks: Leaks,
    tmp_path: Path,
    modality: str,
    channel: str,
) -> None:
    slices = [marked(make_slice, k, modality) for k in range(3)]
    for slice_ in slices:
        slice_.RescaleSlope = 5.0  # what an ADC map in 10⁻⁶ mm²/s can hold
    folder = save_series(slices, TOKEN)
    for file in list(folder.iterdir()):
        file.rename(folder / f"{TOKEN}_{file.name}")
    (folder / f"{TOKEN}.txt").write_text(TOKEN)
    out = tmp_path / "out"
    text, refused = leaks.of(lambda: convert_series(folder, out / "volume.nii", channel))
    assert not refused, text
    assert TOKEN not in text
    assert sorted(file.name for file in out.iterdir()) == ["volume.json", "volume.nii"]
    assert not files_hold_the_token(out.iterdir())


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientWeight", "PatientSize", "PatientSex", "RadionuclideTotalDose",
        "RadionuclideHalfLife", "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime",
        "Radiopharmaceutical", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime",
        "Units", "DecayCorrection", "CorrectedImage", "ActualFrameDuration", "FrameReferenceTime",
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
        "RescaleSlope", "RescaleIntercept", "ImageType", "Rows", "Columns", "NumberOfFrames",
        "SamplesPerPixel", "PhotometricInterpretation", "Modality",
        "SOPClassUID", "SeriesInstanceUID", "TriggerTime", "DiffusionBValue", "RescaleType",
        "ContrastBolusStartTime", "SUVType", "TimezoneOffsetFromUTC", "LossyImageCompression",
        "RadiopharmaceuticalInformationSequence", "SpecificCharacterSet", "AcquisitionDuration",
    ],
)  # fmt: skip
def test_a_token_in_place_of_any_needed_value_is_never_shown(
    make_slice: MakeSlice, save_series: SaveSeries, leaks: Leaks, tmp_path: Path, keyword: str
) -> None:
    slices = [marked(make_slice, k, "PT") for k in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for header in slices:
            overwrite(header, keyword)
        folder = save_series(slices, TOKEN)
    for channel in ("pet", "t2"):
        out = tmp_path / channel
        text, _ = leaks.of(lambda out=out, c=channel: convert_series(folder, out / "v.nii", c))
        assert TOKEN not in text
        assert not out.exists() or not files_hold_the_token(out.iterdir())


def test_a_refused_folder_or_archive_is_not_named(
    make_slice: MakeSlice, save_series: SaveSeries, leaks: Leaks, tmp_path: Path
) -> None:
    two = [
        marked(make_slice, 0, "PT"),
        marked(make_slice, 1, "MR", SeriesInstanceUID="1.2.4"),
    ]
    (tmp_path / f"{TOKEN}.zip").write_bytes(b"PK\x03\x04" + TOKEN.encode())
    for source in (save_series(two, TOKEN), tmp_path / f"{TOKEN}.zip", tmp_path / f"{TOKEN}_no"):
        text, refused = leaks.of(lambda s=source: convert_series(s, tmp_path / "v.nii", "pet"))
        assert refused
        assert TOKEN not in text
