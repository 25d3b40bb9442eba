"""Maps as DICOM lie where their scan lies, say what they are, and are filed with it."""

import dataclasses
import warnings

import highdicom
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, ParametricMapStorage

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient, Visit
from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.errors import ConfigError, ProblemListError
from pcrnet.explain.maps import NativeMap, native_maps
from pcrnet.explain.occlusion import OcclusionMap
from pcrnet.explain.parametric_map import make_parametric_map, write_parametric_maps
from pcrnet.explain.patient import explain_patient
from pcrnet.imaging.grid import Grid
from pcrnet.imaging.reader import read_scan
from pcrnet.imaging.volume import Volume

SHAPE = (20, 16, 12)  # columns, rows, slices
SPACING = (4.0, 5.0, 6.0)
ANGLE = 0.2
ROW = (np.cos(ANGLE), np.sin(ANGLE), 0.0)
COLUMN = (-np.sin(ANGLE), np.cos(ANGLE), 0.0)


def _position(k):
    return [-30.0, -40.0, 10.0 + SPACING[2] * k]


def _save(folder, **tags):
    """An oblique ADC map; its files are named against their order."""
    folder.mkdir(parents=True)
    x, y, z = np.indices(SHAPE)
    centre = np.array(SHAPE) / 2
    body = ((x - centre[0]) / 9) ** 2 + ((y - centre[1]) / 7) ** 2 < 1
    for k in range(SHAPE[2]):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
        header.SOPInstanceUID = f"1.2.826.8.{k + 1}"
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.SeriesInstanceUID, header.StudyInstanceUID = "1.2.826.8", "1.2.826.9"
        header.FrameOfReferenceUID = "1.2.826.10"
        header.Modality, header.PatientID, header.PatientName = "MR", "P1", "Kanarienvogel^A"
        header.ImageType = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]
        header.ImagePositionPatient = _position(k)
        header.ImageOrientationPatient = [*ROW, *COLUMN]
        header.PixelSpacing, header.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.PixelRepresentation, header.BitsAllocated, header.BitsStored = 0, 16, 16
        header.HighBit, header.RescaleSlope, header.RescaleIntercept = 15, 1, 0
        header.RescaleType = "US"
        for keyword, value in tags.items():
            setattr(header, keyword, value)
        values = np.where(body, 1400 + 20 * x + 10 * y + 5 * z, 0)[:, :, k].T.astype("<u2")
        header.Rows, header.Columns = values.shape
        header.PixelData = values.tobytes()
        header.save_as(folder / f"{99 - k}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture(scope="module")
def bundle(small_bundle):
    return load_predictor(small_bundle).bundle


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return _save(tmp_path_factory.mktemp("dicom") / "adc")


@pytest.fixture(scope="module")
def explained(bundle, series):
    timepoints = bundle.manifest.data.timepoints
    visits = {t: Visit(t, {"adc": series} if t == timepoints[0] else {}) for t in timepoints}
    found = explain_patient(bundle, Patient("P1", 2, None, visits, Outcome(), {}), block_mm=60.0)
    # The network of this bundle was never trained: what it rests on is planted.
    rng = np.random.default_rng(0)
    grid = Grid.centred(found.crop.affine[:3, 3] + 40.0, (8.0,) * 3, (12, 12, 12))
    density = rng.normal(size=grid.shape).astype(np.float32)
    return dataclasses.replace(
        found,
        gradients=rng.normal(size=found.gradients.shape),
        occlusion=(OcclusionMap(timepoints[0], "adc", density, (), grid),),
    )


@pytest.fixture(scope="module")
def written(explained, bundle, tmp_path_factory):
    return write_parametric_maps(explained, bundle, tmp_path_factory.mktemp("maps"))


def test_every_map_is_written_and_holds_what_the_nifti_holds(written, explained, bundle):
    maps = {found.name: found for found in native_maps(explained, bundle)}
    assert {path.stem for path in written} == set(maps)
    assert {path.stem for path in written} == {"baseline_adc_occlusion", "baseline_adc_gradients"}
    for path in written:
        read = dcmread(path)
        assert read.SOPClassUID == ParametricMapStorage
        floats = np.frombuffer(read.FloatPixelData, dtype="<f4").reshape(
            read.NumberOfFrames, read.Rows, read.Columns
        )
        heights = [
            frame.PlanePositionSequence[0].ImagePositionPatient[2]
            for frame in read.PerFrameFunctionalGroupsSequence
        ]
        slices = [round((float(height) - _position(0)[2]) / SPACING[2]) for height in heights]
        assert sorted(slices) == list(range(SHAPE[2]))
        volume = maps[path.stem].volume  # its slices may be counted from either end
        up = slices if volume.affine[2, 2] > 0 else [SHAPE[2] - 1 - k for k in slices]
        np.testing.assert_array_equal(floats, volume.array.transpose(2, 1, 0)[up])
        assert np.unique(floats).size > 100


def test_each_frame_lies_where_its_image_lies(written, series):
    images = {tuple(dcmread(path).ImagePositionPatient): dcmread(path) for path in series.iterdir()}
    read = dcmread(written[0])
    shared = read.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    assert list(measures.PixelSpacing) == [SPACING[1], SPACING[0]]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    assert np.asarray(orientation, float) == pytest.approx([*ROW, *COLUMN], abs=1e-6)
    assert len(read.PerFrameFunctionalGroupsSequence) == SHAPE[2]
    for frame in read.PerFrameFunctionalGroupsSequence:
        position = np.asarray(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        apart = [np.abs(position - np.asarray(place, float)).max() for place in images]
        assert min(apart) < 1e-4
    some = next(iter(images.values()))
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName"):
        assert read[keyword].value == some[keyword].value
    assert read.SeriesInstanceUID != some.SeriesInstanceUID
    (referenced,) = read.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == some.SeriesInstanceUID
    named = {one.ReferencedSOPInstanceUID for one in referenced.ReferencedInstanceSequence}
    assert named == {image.SOPInstanceUID for image in images.values()}


def test_highdicom_reads_it_back_on_the_grid_of_the_scan(written, series):
    """highdicom reads any multi-frame image as a volume with an affine of its own."""
    stack = highdicom.imread(written[0]).get_volume()
    scan = read_scan(series, "adc").volume
    for index in ((0, 0, 0), (5, 3, 7), (11, 15, 19)):
        slice_, row, column = index
        here = scan.affine @ np.array([column, row, slice_, 1.0])
        there = stack.map_indices_to_reference(np.array([index]))[0]
        if stack.affine[2, 0] * scan.affine[2, 2] < 0:  # it may count slices from the other end
            there = stack.map_indices_to_reference(
                np.array([[SHAPE[2] - 1 - slice_, row, column]])
            )[0]
        assert there * [-1, -1, 1] == pytest.approx(here[:3], abs=1e-3)


def test_it_says_what_its_numbers_are_and_by_what_model(written, bundle):
    read = dcmread(next(path for path in written if path.stem.endswith("occlusion")))
    group = read.SharedFunctionalGroupsSequence[0]
    (mapping,) = group.RealWorldValueMappingSequence
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1.0, 0.0)
    (unit,) = mapping.MeasurementUnitsCodeSequence
    assert (unit.CodeValue, unit.CodingSchemeDesignator) == ("{log-odds}/mL", "UCUM")
    (quantity,) = mapping.QuantityDefinitionSequence
    (code,) = quantity.ConceptCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("occlusion", "99PCRNET")
    assert read.DeviceSerialNumber == bundle.sha256
    assert read.ContentQualification == "RESEARCH"
    assert "SIMULATED" in read.SeriesDescription
    window = group.FrameVOILUTSequence[0]
    assert float(window.WindowCenter) == 0.0


def test_a_map_of_zeros_can_be_written(bundle, series):
    scan = read_scan(series, "adc").volume
    zeros = Volume(np.zeros_like(scan.array), scan.affine, "arbitrary")
    images = [dcmread(path) for path in series.iterdir()]
    for image in images:
        image.PatientBirthDate = image.PatientSex = image.AccessionNumber = ""
        image.StudyID = image.StudyDate = image.StudyTime = ""
    found = NativeMap("baseline", "adc", "occlusion", zeros)
    made = make_parametric_map(found, "yT0", images, bundle, 1)
    assert made.NumberOfFrames == SHAPE[2]


def test_a_series_without_frame_of_reference_is_named_and_the_rest_is_written(
    explained, bundle, series, tmp_path
):
    bare = _save(tmp_path / "bare", FrameOfReferenceUID="")
    timepoint = bundle.manifest.data.timepoints[0]
    visits = {**explained.patient.visits, timepoint: Visit(timepoint, {"adc": bare})}
    patient = dataclasses.replace(explained.patient, visits=visits)
    with pytest.raises(ProblemListError, match="FrameOfReferenceUID") as caught:
        write_parametric_maps(
            dataclasses.replace(explained, patient=patient), bundle, tmp_path / "out"
        )
    assert "Kanarienvogel" not in str(caught.value)


def test_scans_that_are_no_dicom_have_none(explained, bundle, small_bundle, tmp_path):
    timepoint = bundle.manifest.data.timepoints[0]
    nifti = small_bundle / "golden" / f"complete_{timepoint}_adc.nii.gz"
    visits = {**explained.patient.visits, timepoint: Visit(timepoint, {"adc": nifti})}
    patient = dataclasses.replace(explained.patient, visits=visits)
    explanation = dataclasses.replace(explained, patient=patient)
    assert write_parametric_maps(explanation, bundle, tmp_path) == ()
    assert not list(tmp_path.iterdir())


def test_no_name_of_a_patient_is_printed(explained, bundle, tmp_path, capfd):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write_parametric_maps(explained, bundle, tmp_path)
    said = capfd.readouterr()
    assert "Kanarienvogel" not in said.out + said.err + "".join(str(one.message) for one in caught)


def test_without_the_library_the_extra_is_named(explained, bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("pcrnet.extras.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        write_parametric_maps(explained, bundle, tmp_path)
    assert "pcrnet[sr]" in caught.value.remedy
