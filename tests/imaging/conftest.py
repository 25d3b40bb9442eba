"""DICOM series made to order."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)


def _make_slice(index=0, modality="MR", **tags):
    """A slice of 4 rows × 6 columns, 2.0 × 1.5 mm, 3 mm from the next; None deletes a tag."""
    storage = PositronEmissionTomographyImageStorage if modality == "PT" else MRImageStorage
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = storage
    header.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{index}"
    header.SOPClassUID = storage
    header.SOPInstanceUID = f"1.2.3.{index}"
    header.SeriesInstanceUID = "1.2.3"
    header.Modality = modality
    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.ImagePositionPatient = [10.0, -20.0, 30.0 + 3.0 * index]
    header.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    header.PixelSpacing = [2.0, 1.5]
    header.SliceThickness = 3.0
    header.AcquisitionDate = "20240102"
    header.AcquisitionTime = "100000"
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.PixelRepresentation = 0
    header.RescaleSlope = 1.0
    header.RescaleIntercept = 0.0
    if modality == "PT":
        _add_pet_tags(header)
    _set_pixels(header, tags.pop("pixels", np.arange(24).reshape(4, 6) + 100 * index))
    for keyword, found in tags.items():
        if found is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, found)
    return header


def _set_pixels(header, pixels):
    array = np.asarray(pixels, dtype="<u2")
    header.Rows, header.Columns = array.shape
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit = 15
    header.PixelData = array.tobytes()


def _add_pet_tags(header):
    """70 kg, 350 MBq of FDG, scanned an hour later for five minutes."""
    header.SeriesDate, header.SeriesTime = "20240102", "100000"
    header.Units = "BQML"
    header.DecayCorrection = "START"
    header.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    header.PatientWeight, header.PatientSize, header.PatientSex = 70.0, 1.75, "F"
    header.ActualFrameDuration = 300_000
    header.FrameReferenceTime = 149_600.0
    nuclide = Dataset()
    nuclide.CodeValue, nuclide.CodingSchemeDesignator = "C-111A1", "SRT"
    nuclide.CodeMeaning = "^18^Fluorine"
    dose = Dataset()
    dose.Radiopharmaceutical = "FDG"
    dose.RadionuclideTotalDose = 350e6
    dose.RadionuclideHalfLife = 6586.2
    dose.RadiopharmaceuticalStartTime = "090000"
    dose.RadiopharmaceuticalStartDateTime = "20240102090000"
    dose.RadionuclideCodeSequence = [nuclide]
    header.RadiopharmaceuticalInformationSequence = [dose]


@pytest.fixture(scope="session")
def make_slice():
    """Builds the header and pixels of one DICOM slice: ``make_slice(index, modality, **tags)``."""
    return _make_slice


@pytest.fixture
def save_series(tmp_path):
    """Writes slices into a folder, under names that say nothing of their order."""

    def save(slices, folder="series"):
        target = tmp_path / folder
        target.mkdir(exist_ok=True)
        for number, header in enumerate(slices):
            scrambled = (number * 7919 + 13) % 1009
            header.save_as(target / f"{scrambled:04d}.dcm", enforce_file_format=True)
        return target

    return save
