"""DICOM series and small cohorts made to order."""

import itertools

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

_NAMES = itertools.count(1)


def _make_slice(index=0, modality="MR", **tags):
    """A slice of 4 rows × 6 columns, 2.0 × 1.5 mm, 3 mm from the next; None deletes a tag."""
    storage = PositronEmissionTomographyImageStorage if modality == "PT" else MRImageStorage
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = storage
    name = f"1.2.3.{next(_NAMES)}"
    header.file_meta.MediaStorageSOPInstanceUID = name
    header.SOPClassUID = storage
    header.SOPInstanceUID = name
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


def _item(**tags):
    item = Dataset()
    for keyword, found in tags.items():
        setattr(item, keyword, found)
    return item


def _make_enhanced(slices, **tags):
    """The same scan as one enhanced multi-frame object, its frames in the order of the slices."""
    first = slices[0]
    storage = EnhancedPETImageStorage if first.Modality == "PT" else EnhancedMRImageStorage
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = storage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = "1.2.3.0"
    header.SeriesInstanceUID, header.Modality = "1.2.3", first.Modality
    header.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
                    "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation",
                    "PatientWeight", "PatientSize", "PatientSex"):  # fmt: skip
        if keyword in first:
            setattr(header, keyword, first[keyword].value)
    header.NumberOfFrames = len(slices)
    header.PixelData = b"".join(slice_.PixelData for slice_ in slices)
    measures = _item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)
    orientation = _item(ImageOrientationPatient=first.ImageOrientationPatient)
    header.SharedFunctionalGroupsSequence = [
        _item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[orientation])
    ]
    header.PerFrameFunctionalGroupsSequence = [_groups_of(slice_) for slice_ in slices]
    if first.Modality == "PT":
        _add_enhanced_pet_tags(header, first)
    for keyword, found in tags.items():
        if found is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, found)
    return header


def _groups_of(slice_):
    """Plane, time and scale of one frame; a PET frame says its unit, an MR frame its weighting."""
    content = _item(FrameAcquisitionDateTime=slice_.AcquisitionDate + slice_.AcquisitionTime)
    if "ActualFrameDuration" in slice_:
        content.FrameAcquisitionDuration = float(slice_.ActualFrameDuration)
    group = _item(
        FrameContentSequence=[content],
        PlanePositionSequence=[_item(ImagePositionPatient=slice_.ImagePositionPatient)],
    )
    slope, intercept = float(slice_.RescaleSlope), float(slice_.RescaleIntercept)
    if slice_.Modality == "PT":
        unit = _item(CodeValue="Bq/ml", CodingSchemeDesignator="UCUM", CodeMeaning="Bq/ml")
        group.RealWorldValueMappingSequence = [
            _item(
                RealWorldValueSlope=slope,
                RealWorldValueIntercept=intercept,
                MeasurementUnitsCodeSequence=[unit],
            )
        ]
        slope, intercept = 1.0, 0.0
    elif "DiffusionBValue" in slice_:
        group.MRDiffusionSequence = [_item(DiffusionBValue=slice_.DiffusionBValue)]
    group.PixelValueTransformationSequence = [
        _item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")
    ]
    return group


def _add_enhanced_pet_tags(header, first):
    """As DICOM PS3.3 C.8.22 has them: the dose in MBq, the decay reference as a moment."""
    of_slice = first.RadiopharmaceuticalInformationSequence[0]
    dose = _item(
        RadiopharmaceuticalAgentNumber=1,
        RadionuclideTotalDose=float(of_slice.RadionuclideTotalDose) / 1e6,
        RadionuclideHalfLife=of_slice.RadionuclideHalfLife,
        RadiopharmaceuticalStartDateTime=of_slice.RadiopharmaceuticalStartDateTime,
        RadionuclideCodeSequence=of_slice.RadionuclideCodeSequence,
        RadiopharmaceuticalCodeSequence=[
            _item(CodeValue="35321007", CodingSchemeDesignator="SCT", CodeMeaning="FDG F^18^")
        ],
    )
    header.RadiopharmaceuticalInformationSequence = [dose]
    header.DecayCorrected = "NO" if first.DecayCorrection == "NONE" else "YES"
    if header.DecayCorrected == "YES":
        header.DecayCorrectionDateTime = first.SeriesDate + first.SeriesTime
    header.AttenuationCorrected = "YES" if "ATTN" in first.CorrectedImage else "NO"
    header.ScatterCorrected = "YES"


@pytest.fixture(scope="session")
def make_enhanced():
    """Joins slices of ``make_slice`` to one enhanced object: ``make_enhanced(slices, **tags)``."""
    return _make_enhanced


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
