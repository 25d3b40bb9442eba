"""Good scans and what can befall them: the NIfTI and DICOM part of ``mutations.py``."""

from __future__ import annotations

import gzip
import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.reader import read_scan
from pcrnet.imaging.volume import Volume

_SHAPE = (24, 20, 12)
_REAL_BYTES = 1_500_000
"""Of the real scans in PCRNET_TEST_DATA only the small ones, so that a thousand reads are quick."""

_Damage = Callable[[np.random.Generator, Path, Sequence[Path]], tuple[str, bool]]


def read_mutated_scan(path: Path) -> tuple[object, tuple[str, ...]]:
    """Read a scan as the channel that its name begins with; the answer is a digest."""
    channel = path.name.split(".")[0].split("-")[0]
    scan = read_scan(path, channel)
    digest = hashlib.sha256(np.ascontiguousarray(scan.volume.array).tobytes())
    digest.update(np.round(scan.volume.affine, 4).tobytes())
    return (scan.volume.unit, digest.hexdigest()), scan.provenance.warnings


def prepare_nifti(folder: Path) -> list[Path]:
    """PET, ADC, T2 and a mask, packed and not, with some small real files."""
    rng = np.random.default_rng(0)
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    affine[:3, 3] = [-40.0, -35.0, 12.0]
    values = {
        "pet": rng.uniform(0.2, 6.0, _SHAPE),
        "adc": rng.uniform(0.5, 2.5, _SHAPE),
        "t2": rng.uniform(10.0, 900.0, _SHAPE),
        "mask": rng.uniform(0.0, 1.0, _SHAPE) > 0.9,
    }
    paths = []
    for name, array in values.items():
        volume = Volume(
            array.astype(np.float32), affine, "label" if name == "mask" else "arbitrary"
        )
        for suffix in (".nii", ".nii.gz"):
            write_nifti(volume, folder / f"{name}{suffix}")
            paths.append(folder / f"{name}{suffix}")
    return paths


def damage_nifti(rng: np.random.Generator, path: Path, _: Sequence[Path]) -> tuple[str, bool]:
    """One of the things that befall a file, on its bytes or on what is packed in it."""
    packed = path.name.endswith(".gz")
    if packed and rng.random() < 0.5:  # the file, so that its checksum is wrong
        data, what, must_notice = _damaged_bytes(rng, path.read_bytes())
        path.write_bytes(data)
        return f"packed, {what}", True
    data = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    if rng.random() < 0.5:
        data, what, must_notice = _header_field(rng, data)
    else:
        data, what, must_notice = _damaged_bytes(rng, data)
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    # Of a mask the end is background, which is as good as padding.
    too_long = what == "doubled a piece" and not path.name.startswith("mask")
    return what, must_notice or too_long


def _damaged_bytes(rng: np.random.Generator, data: bytes) -> tuple[bytes, str, bool]:
    """Flipped bits, a cut, a block of zeros, or a piece that is there twice."""
    array = bytearray(data)
    at = int(rng.integers(len(array)))
    match int(rng.integers(4)):
        case 0:
            flips = int(rng.integers(1, 9))
            for place in rng.integers(len(array), size=flips):
                array[place] ^= 1 << int(rng.integers(8))
            return bytes(array), f"flipped {flips} bits", False
        case 1:
            return bytes(array[:at]), f"cut at {at} of {len(array)}", True
        case 2:
            length = min(int(rng.integers(1, 4096)), len(array) - at)
            array[at : at + length] = bytes(length)
            return bytes(array), f"zeroed {length} bytes at {at}", False
        case _:
            length = min(int(rng.integers(1, 4096)), len(array) - at)
            return (
                bytes(array[:at] + array[at : at + length] + array[at:]),
                "doubled a piece",
                False,
            )


_NIFTI_FIELDS = {
    "sizeof_hdr": (0, "i4"), "dim": (40, "i2"), "dim1": (42, "i2"), "dim3": (46, "i2"),
    "dim4": (48, "i2"), "datatype": (70, "i2"), "bitpix": (72, "i2"), "pixdim1": (80, "f4"),
    "vox_offset": (108, "f4"), "scl_slope": (112, "f4"), "scl_inter": (116, "f4"),
    "xyzt_units": (123, "u1"), "qform_code": (252, "i2"), "sform_code": (254, "i2"),
    "quatern": (256, "f4"), "srow": (280, "f4"), "magic": (344, "i4"),
}  # fmt: skip


def _header_field(rng: np.random.Generator, data: bytes) -> tuple[bytes, str, bool]:
    name = str(rng.choice(list(_NIFTI_FIELDS)))
    offset, form = _NIFTI_FIELDS[name]
    dtype = np.dtype(f"<{form}")
    if dtype.kind == "f":
        value = rng.choice([0.0, -1.0, 1e30, 1e-30, np.nan, np.inf, float(rng.normal())])
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        value = rng.choice([0, 1, -1 if low < 0 else 0, low, high, int(rng.integers(low, high))])
    array = bytearray(data)
    array[offset : offset + dtype.itemsize] = np.array([value]).astype(dtype).tobytes()
    # A slope or an affine that is no number is noticed; another number cannot be told from a true.
    must_notice = dtype.kind == "f" and not np.isfinite(value) and name in ("scl_slope", "srow")
    return bytes(array), f"{name} = {value}", must_notice


def prepare_dicom(folder: Path) -> list[Path]:
    """A PET, an ADC map, a dynamic series and a T2, as folders and zips; some small real series."""
    paths = []
    for name in ("pet", "adc", "dce_early", "t2"):
        series = folder / name
        series.mkdir()
        for number, header in enumerate(_series(name)):
            header.save_as(series / f"IM{number:04d}", enforce_file_format=True)
        archive = folder / f"{name}-.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(series.iterdir()):
                packed.write(file, file.name)
        paths += [series, archive]
    _enhanced(_series("pet")).save_as(folder / "pet-enhanced.dcm", enforce_file_format=True)
    return [*paths, folder / "pet-enhanced.dcm", *_real_series(folder)]


def _real_series(folder: Path) -> list[Path]:
    root = os.environ.get("PCRNET_TEST_DATA")
    found = []
    for path in sorted(Path(root).glob("dicom_edge_cases/*.zip")) if root else ():
        if path.stat().st_size < _REAL_BYTES and not path.name.startswith("failing"):
            series = folder / f"t2-{path.stem}"
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                series.mkdir()
                for number, member in enumerate(members):
                    data = archive.read(member)
                    if data[128:132] == b"DICM":
                        (series / f"{number:04d}.dcm").write_bytes(data)
            if len(list(series.iterdir())) > 1:
                found.append(series)
    return found


def damage_dicom(rng: np.random.Generator, path: Path, sources: Sequence[Path]) -> tuple[str, bool]:
    """Damage an archive or a single file, or one file of a folder, or all of them."""
    if path.suffix == ".dcm":
        return (_file_bytes if rng.random() < 0.5 else _element)(rng, path, sources)
    if path.is_file():
        data, what, must_notice = _damaged_bytes(rng, path.read_bytes())
        path.write_bytes(data)
        # A checksum stands for each member; the directory at the end repeats the local headers.
        return f"archive, {what}", must_notice
    files = sorted(path.iterdir())
    damages: tuple[_Damage, ...] = (_file_bytes, _element, _element_of_all, _lost, _foreign)
    damage = damages[int(rng.choice(len(damages), p=[0.35, 0.25, 0.1, 0.2, 0.1]))]
    return damage(rng, files[int(rng.integers(len(files)))], sources)


def _file_bytes(rng: np.random.Generator, file: Path, _: Sequence[Path]) -> tuple[str, bool]:
    data, what, must_notice = _damaged_bytes(rng, file.read_bytes())
    file.write_bytes(data)
    return f"one file, {what}", must_notice


def _element(rng: np.random.Generator, file: Path, _: Sequence[Path]) -> tuple[str, bool]:
    header = dcmread(file)
    what, keyword = _changed(rng, header)
    header.save_as(file)
    shared = ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "Modality", "BitsStored")
    return f"one file, {what}", keyword in shared


def _element_of_all(rng: np.random.Generator, file: Path, _: Sequence[Path]) -> tuple[str, bool]:
    state = rng.bit_generator.state
    what = ""
    for other in sorted(file.parent.iterdir()):
        rng.bit_generator.state = state
        header = dcmread(other)
        what, _keyword = _changed(rng, header)
        header.save_as(other)
    return f"all files, {what}", False


def _changed(rng: np.random.Generator, header: Dataset) -> tuple[str, str]:
    """Delete, empty or replace one element, at the top or in a sequence."""
    import warnings

    held: list[tuple[Dataset, str]] = [
        (holder, element.keyword)
        for holder in (header, *(item for of in header if of.VR == "SQ" for item in of.value))
        for element in holder
        if element.keyword and element.keyword != "PixelData"
    ]
    holder, keyword = held[int(rng.integers(len(held)))]
    values = ["", "CANARY", "0", "-1", "1e38", "99991399", "250000+9900", "ORIGINAL"]
    value = values[int(rng.integers(len(values)))]
    how = int(rng.integers(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        element = holder[keyword]
        if how == 0:
            del holder[keyword]
            return f"{keyword} deleted", keyword
        if how == 1 or element.VR in ("SQ", "OB", "OW", "US", "UL", "FD", "FL", "SS"):
            number = int(rng.integers(0, 65535))
            if element.VR in ("US", "UL", "SS"):
                holder[keyword].value = number % 32768
                return f"{keyword} = {number % 32768}", keyword
            holder[keyword].value = [] if element.VR == "SQ" else None
            return f"{keyword} emptied", keyword
        vr = "LO"
        del holder[keyword]
        holder.add_new(keyword, vr, value)
        return f"{keyword} = {value!r} as {vr}", keyword


def _lost(rng: np.random.Generator, file: Path, _: Sequence[Path]) -> tuple[str, bool]:
    """A slice that is gone, empty, zeroed, a link to nothing, a pipe, or there twice."""
    files = sorted(file.parent.iterdir())
    file = files[-1] if rng.random() < 0.5 else file
    match int(rng.integers(6)):
        case 0:
            stated = "NumberOfSlices" in dcmread(file, stop_before_pixels=True)
            file.unlink()
            return f"{file.name} removed", stated
        case 1:
            file.write_bytes(b"")
            return f"{file.name} emptied", True
        case 2:
            file.write_bytes(bytes(file.stat().st_size))
            return f"{file.name} zeroed", True
        case 3:
            file.unlink()
            file.symlink_to(file.with_name("CANARY"))
            return f"{file.name} a dangling link", True
        case 4:
            file.unlink()
            os.mkfifo(file)
            return f"{file.name} a pipe", True
        case _:
            file.with_name(f"copy{file.suffix}").write_bytes(file.read_bytes())
            return f"{file.name} twice", True


def _foreign(rng: np.random.Generator, file: Path, sources: Sequence[Path]) -> tuple[str, bool]:
    """A slice of another scan in the place of one, under its own or under this series' name."""
    folders = [source for source in sources if source.is_dir() and source.name != file.parent.name]
    others = sorted(folders[int(rng.integers(len(folders)))].iterdir())
    other = others[int(rng.integers(len(others)))]
    if rng.random() < 0.5:
        file.write_bytes(other.read_bytes())
        return f"{file.name} replaced by one of {other.parent.name}", True
    header, own = dcmread(other), dcmread(file, stop_before_pixels=True)
    header.SeriesInstanceUID = own.SeriesInstanceUID
    header.ImagePositionPatient = own.get("ImagePositionPatient", [0, 0, 0])
    header.save_as(file)
    return f"{file.name} replaced by one of {other.parent.name} under this name", True


def _series(name: str) -> list[Dataset]:
    phases = ((0, 100), (60, 100), (150, 220), (240, 280), (400, 290))
    return [
        _slice(name, k, phase, seconds, level)
        for phase, (seconds, level) in enumerate(phases if name == "dce_early" else phases[:1])
        for k in range(5)
    ]


def _slice(name: str, k: int, phase: int, seconds: int, level: int) -> Dataset:
    """A slice of 12 × 10 pixels with all the identifiers that a real one has."""
    of_pet = name == "pet"
    storage = PositronEmissionTomographyImageStorage if of_pet else MRImageStorage
    root = f"1.2.826.0.{sorted(('pet', 'adc', 'dce_early', 't2')).index(name) + 1}"
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = storage
    header.SOPInstanceUID = f"{root}.9.{100 * phase + k + 1}"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.PatientID, header.StudyInstanceUID = f"CANARY {name}", f"{root}.1"
    header.SeriesInstanceUID, header.FrameOfReferenceUID = f"{root}.2", f"{root}.3"
    header.Modality = "PT" if of_pet else "MR"
    header.ImageType = ["DERIVED" if name == "adc" else "ORIGINAL", "PRIMARY"]
    header.ImagePositionPatient = [10.0, -20.0, 30.0 + 3.0 * k]
    header.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    header.PixelSpacing, header.SliceThickness = [2.0, 1.5], 3.0
    header.SeriesDate = header.AcquisitionDate = "20240102"
    header.SeriesTime = "100000"
    header.AcquisitionTime = f"10{seconds // 60:02d}{seconds % 60:02d}"
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.PixelRepresentation, header.BitsAllocated, header.BitsStored = 0, 16, 16
    header.HighBit, header.Rows, header.Columns = 15, 12, 10
    header.RescaleSlope, header.RescaleIntercept = 1.0, 0.0
    noise = np.random.default_rng([k, len(name)]).integers(0, 20, (12, 10))
    pixels = {"pet": 3000, "adc": 1200}.get(name, level) + noise
    header.PixelData = pixels.astype("<u2").tobytes()
    if name == "adc":
        header.ImageType, header.RescaleType = ["DERIVED", "PRIMARY", "ADC"], "10^-6 mm^2/s"
    if of_pet:
        _add_pet_tags(header)
    return header


def _add_pet_tags(header: Dataset) -> None:
    header.Units, header.DecayCorrection, header.NumberOfSlices = "BQML", "START", 5
    header.CorrectedImage, header.TimezoneOffsetFromUTC = ["DECY", "ATTN"], "+0100"
    header.PatientWeight, header.PatientSize, header.PatientSex = 70.0, 1.75, "F"
    header.ActualFrameDuration, header.FrameReferenceTime = 300_000, 149_600.0
    nuclide = Dataset()
    nuclide.CodeValue, nuclide.CodingSchemeDesignator = "C-111A1", "SRT"
    nuclide.CodeMeaning = "^18^Fluorine"
    dose = Dataset()
    dose.Radiopharmaceutical, dose.RadionuclideTotalDose = "FDG", 350e6
    dose.RadionuclideHalfLife = 6586.2
    dose.RadiopharmaceuticalStartDateTime = "20240102080000+0000"
    dose.RadionuclideCodeSequence = [nuclide]
    header.RadiopharmaceuticalInformationSequence = [dose]


def _enhanced(slices: Sequence[Dataset]) -> Dataset:
    """The PET as one multi-frame object, its unit in a real world value mapping."""
    header = slices[0]
    content = [header.AcquisitionDate + of.AcquisitionTime + "+0100" for of in slices]
    places = [of.ImagePositionPatient for of in slices]
    dose = header.RadiopharmaceuticalInformationSequence[0]
    dose.RadionuclideTotalDose = 350.0
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = EnhancedPETImageStorage
    header.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    header.NumberOfFrames = len(slices)
    header.PixelData = b"".join(of.PixelData for of in slices)
    header.DecayCorrected = header.AttenuationCorrected = "YES"
    header.DecayCorrectionDateTime = content[0]
    unit = _item(CodeValue="Bq/ml", CodingSchemeDesignator="UCUM", CodeMeaning="Bq/ml")
    scale = _item(
        RealWorldValueSlope=1.0, RealWorldValueIntercept=0.0, MeasurementUnitsCodeSequence=[unit]
    )
    header.SharedFunctionalGroupsSequence = [
        _item(
            PixelMeasuresSequence=[
                _item(PixelSpacing=header.PixelSpacing, SliceThickness=header.SliceThickness)
            ],
            PlaneOrientationSequence=[
                _item(ImageOrientationPatient=header.ImageOrientationPatient)
            ],
            RealWorldValueMappingSequence=[scale],
        )
    ]
    header.PerFrameFunctionalGroupsSequence = [
        _item(
            FrameContentSequence=[
                _item(FrameAcquisitionDateTime=moment, FrameAcquisitionDuration=300_000.0)
            ],
            PlanePositionSequence=[_item(ImagePositionPatient=place)],
        )
        for moment, place in zip(content, places, strict=True)
    ]
    for keyword in (
        "Units", "DecayCorrection", "CorrectedImage", "PixelSpacing", "SliceThickness",
        "ImagePositionPatient", "ImageOrientationPatient", "AcquisitionDate", "AcquisitionTime",
        "RescaleSlope", "RescaleIntercept", "ActualFrameDuration", "FrameReferenceTime",
    ):  # fmt: skip
        delattr(header, keyword)
    return header


def _item(**tags: object) -> Dataset:
    item = Dataset()
    for keyword, stored in tags.items():
        setattr(item, keyword, stored)
    return item
