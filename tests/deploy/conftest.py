"""Small DICOM series whose headers say what a test wants."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

_numbers = itertools.count(1)


@pytest.fixture
def save_adc():
    """Writes an ADC map of 8 slices of 16 × 16 pixels, 12 mm apart, in 10⁻⁶ mm²/s."""

    def save(folder: Path, *, person: str = "Person", study: str = "1.2.3", **tags: object) -> Path:
        folder.mkdir(parents=True)
        series = f"1.2.826.7.{next(_numbers)}"
        for k in range(8):
            header = Dataset()
            header.file_meta = FileMetaDataset()
            header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
            uid = f"{series}.{k + 1}"
            header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = uid
            header.SeriesInstanceUID, header.StudyInstanceUID = series, f"{study}.9"
            header.Modality, header.PatientID, header.PatientName = "MR", person, f"{person}^A"
            header.ImageType = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
            header.SeriesDescription = "ep2d ADC"
            header.ImagePositionPatient = [0.0, 0.0, 12.0 * k]
            header.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
            header.PixelSpacing, header.SliceThickness = [12.0, 12.0], 12.0
            header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
            header.PixelRepresentation = 0
            header.BitsAllocated = header.BitsStored = 16
            header.HighBit = 15
            header.RescaleSlope, header.RescaleIntercept = 1, 0
            header.RescaleType = "US"
            for keyword, value in tags.items():
                setattr(header, keyword, value)
            x, y = np.mgrid[-8:8, -8:8]
            body = (x**2 + y**2 < 49) & (1 <= k <= 6)
            values = np.where(body, 1500 + 40 * x + 10 * k, 0).astype("<u2")
            header.Rows, header.Columns = values.shape
            header.PixelData = values.tobytes()
            header.save_as(folder / f"{k}.dcm", enforce_file_format=True)
        return folder

    return save
