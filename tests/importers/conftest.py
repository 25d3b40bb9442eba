"""Small DICOM series and images in the layouts of archives."""

import importlib.util
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, SegmentationStorage

from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.volume import Volume

_numbers = itertools.count(1)


def _new_series():
    return f"1.2.826.{next(_numbers)}"


def _header(storage, series, number, tags):
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = storage
    uid = f"{series}.{number}"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = uid
    header.SeriesInstanceUID = series
    header.StudyInstanceUID = "1.2.9"
    header.Modality = "MR"
    header.PatientID = "SECRET-NAME"
    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.PixelRepresentation = 0
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    return header


def _pixels(header, array):
    bits = 8 * array.dtype.itemsize
    header.Rows, header.Columns = array.shape[-2:]
    header.BitsAllocated = header.BitsStored = bits
    header.HighBit = bits - 1
    header.PixelData = array.tobytes()


@pytest.fixture
def save_mr():
    """Writes an MR series of ``phases`` volumes, 4 slices of 6 × 8 pixels, 2 mm apart."""

    def save(folder, *, phases=1, **tags):
        folder.mkdir(parents=True)
        series = _new_series()
        for phase in range(phases):
            for k in range(4):
                header = _header(MRImageStorage, series, 10 * phase + k + 1, tags)
                header.ImagePositionPatient = [0.0, 0.0, 2.0 * k]
                header.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
                header.PixelSpacing = [2.0, 2.0]
                header.SliceThickness = 2.0
                header.AcquisitionDate = "19930102"
                header.AcquisitionTime = f"10{2 * phase:02d}00"
                values = 100 + np.arange(48).reshape(6, 8) + 60 * (phase > 0)
                _pixels(header, values.astype("<u2"))
                path = folder / f"1-{10 * phase + k + 1:03d}.dcm"
                header.save_as(path, enforce_file_format=True)
        return folder

    return save


@pytest.fixture
def save_mask():
    """Writes an 8-bit segmentation, values of shape (slice, row, column), on that grid."""

    def save(folder, values, **tags):
        folder.mkdir(parents=True)
        header = _header(SegmentationStorage, _new_series(), 1, {"Modality": "SEG"} | tags)
        header.NumberOfFrames = len(values)
        _pixels(header, np.asarray(values, np.uint8))
        shared, orientation, measures = Dataset(), Dataset(), Dataset()
        orientation.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        measures.PixelSpacing, measures.SliceThickness = [2.0, 2.0], 2.0
        shared.PlaneOrientationSequence = [orientation]
        shared.PixelMeasuresSequence = [measures]
        header.SharedFunctionalGroupsSequence = [shared]
        header.PerFrameFunctionalGroupsSequence = []
        for k in range(len(values)):
            own, position = Dataset(), Dataset()
            position.ImagePositionPatient = [0.0, 0.0, 2.0 * k]
            own.PlanePositionSequence = [position]
            header.PerFrameFunctionalGroupsSequence.append(own)
        header.save_as(folder / "1-1.dcm", enforce_file_format=True)
        return folder

    return save


def _save_image(path, scale=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = scale * np.random.default_rng(0).uniform(0.5, 5.0, (6, 6, 6)).astype(np.float32)
    write_nifti(Volume(values, np.eye(4), "arbitrary"), path)


@pytest.fixture
def write_example(save_mr):
    """Writes the smallest data set of a layout into a folder; returns what to import.

    The example of a layout is the function ``write(folder, make)`` in ``examples/<layout>.py``.
    ``make.image(path, scale)`` writes NIfTI of 6³ voxels, ``make.mr(folder, phases, **tags)`` a
    DICOM series.
    """

    def write(layout, folder):
        path = Path(__file__).parent / "examples" / f"{layout.replace('-', '_')}.py"
        assert path.is_file(), f"give the layout {layout} an example: {path}"
        spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.write(folder, SimpleNamespace(image=_save_image, mr=save_mr))

    return write
