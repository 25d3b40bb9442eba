"""What refusing a bad file costs: seconds and memory for rows that attack a reader of images.

python benchmarks/bad_inputs.py [--out FILE.json]

Each file is made in a temporary folder and read as a scan of a cohort would be; the memory is how
far the resident set of the reading process rises above where it stood (Linux only). The limits are
one second and 50 MB.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from harness import begin_peak_mb, describe_machine, peak_mb, publish
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    MRImageStorage,
)

from pcrnet.errors import PcrnetError
from pcrnet.imaging import Volume, read_volume
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.tensors.cache import open_tensor

SLICES = 4


def bad_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """What is wrong with a file, and the file."""
    yield from _bad_nifti(folder)
    yield from _bad_dicom(folder)
    tensor = folder / "tensor.safetensors"
    for what, start in (
        ("a tensor whose header claims 2^62 bytes", struct.pack("<Q", 1 << 62) + b"{}"),
        ("a tensor whose arrays overlap", _overlapping()),
    ):
        tensor.write_bytes(start)
        yield what, tensor


def _bad_nifti(folder: Path) -> Iterator[tuple[str, Path]]:
    good = folder / "good.nii"
    values = np.random.default_rng(0).uniform(1, 100, (20, 18, 16)).astype(np.float32)
    write_nifti(Volume(values, np.diag([2.0, 2.0, 3.0, 1.0]), "arbitrary"), good)
    content = good.read_bytes()
    packed = gzip.compress(content)

    def patched(offset: int, form: str, *stated: float) -> bytes:
        new = struct.pack(f"<{form}", *stated)
        return content[:offset] + new + content[offset + len(new) :]

    def dims(*n: int) -> bytes:
        return patched(40, "4h", 3, *n)

    zeros = 64 * _member(bytes(1 << 24))
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0x10
    wrong_sum = packed[:-8] + bytes(4) + packed[-4:]
    cases = {
        "1.07 GB in 1 MB, as its header says": _member(dims(800, 800, 420)[:352]) + zeros,
        "1.07 GB in 1 MB, hidden by its header": _member(content[:352]) + zeros,
        "800³ voxels in 61 bytes": _member(dims(800, 800, 800)[:352])[:61],
        "400³ voxels in a hundred bytes": _member(dims(400, 400, 400)[:352]),
        "32767³ voxels": dims(32767, 32767, 32767),
        "no voxels along an axis": dims(0, 18, 16),
        "a negative number of voxels": dims(-20, 18, 16),
        "a spacing that is no number": patched(84, "f", np.nan),
        "a spacing of zero": patched(84, "f", 0.0),
        "a flipped byte in a gzip stream": bytes(flipped),
        "a wrong checksum of gzip": wrong_sum,
        "a gzip stream cut short": packed[: len(packed) // 2],
        "random bytes": np.random.default_rng(1).bytes(50_000),
    }
    for what, data in cases.items():
        path = folder / "bad.nii.gz"
        path.write_bytes(data)
        yield what, path


def _bad_dicom(folder: Path) -> Iterator[tuple[str, Path]]:
    deflated = _series(folder / "deflated", DeflatedExplicitVRLittleEndian)
    for path in sorted(deflated.iterdir()):
        _deflate_more(path)
    yield "deflated DICOM of 512 MB in 0.5 MB", deflated
    yield (
        "DICOM of 65535 × 65535 × 1000 voxels",
        _series(
            folder / "claims",
            ExplicitVRLittleEndian,
            Rows=65535,
            Columns=65535,
            NumberOfFrames=1000,
        ),
    )
    nested = _series(folder / "nested", ExplicitVRLittleEndian)
    for path in nested.iterdir():
        _nest(path, 2000)
    yield "DICOM of 2000 sequences in one another", nested
    cut = _series(folder / "cut", ExplicitVRLittleEndian)
    for path in cut.iterdir():
        path.write_bytes(path.read_bytes()[:260])
    yield "DICOM cut at 260 bytes", cut
    noise = folder / "noise"
    noise.mkdir()
    for number in range(SLICES):
        (noise / f"{number}.dcm").write_bytes(np.random.default_rng(number).bytes(30_000))
    yield "random bytes named .dcm", noise


def _series(folder: Path, syntax: UID, **tags: object) -> Path:
    """A sound axial MR of four slices but for the tags given."""
    folder.mkdir()
    for number in range(SLICES):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = syntax
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = MRImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = UID(f"1.2.3.{number}")
        header.SeriesInstanceUID, header.Modality = "1.2.3", "MR"
        header.ImageType = ["ORIGINAL", "PRIMARY"]
        header.ImagePositionPatient = [0.0, 0.0, 3.0 * number]
        header.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        header.PixelSpacing, header.SliceThickness = [2.0, 2.0], 3.0
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated = header.BitsStored = 16
        header.HighBit, header.PixelRepresentation = 15, 0
        header.Rows = header.Columns = 16
        header.PixelData = np.arange(number, number + 256, dtype="<u2").tobytes()
        for keyword, value in tags.items():
            setattr(header, keyword, value)
        header.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def _deflate_more(path: Path) -> None:
    """Write the file anew with 512 MB of zeros behind its tags."""
    data = path.read_bytes()
    # The preamble, DICM, and the group of file meta information, whose length is in its first tag.
    start = 144 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = io.BytesIO()
    out.write(data[:start])
    out.write(packer.compress(zlib.decompress(data[start:], -15)[: -2 * 256 - 12]))
    size = 1 << 29
    out.write(packer.compress(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size)))
    for _ in range(32):
        out.write(packer.compress(bytes(size // 32)))
    out.write(packer.flush())
    path.write_bytes(out.getvalue())


def _nest(path: Path, depth: int) -> None:
    """Put a sequence in a sequence, and so on, before the pixels."""
    data = path.read_bytes()
    pixels = data.rindex(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OW"))
    begin = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF)
    begin += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    path.write_bytes(data[:pixels] + depth * begin + depth * end + data[pixels:])


def _member(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(content) + packer.flush()


def _overlapping() -> bytes:
    array = {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}
    about = {"pcrnet": json.dumps({"crop": "mask", "sha256": "0"})}
    names = ("image", "present", "days", "centre_mm")
    header = json.dumps(dict.fromkeys(names, array) | {"__metadata__": about}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


def cost_of_refusal(path: Path) -> dict[str, object]:
    """Seconds, megabytes and the name of the error with which a file is refused."""
    before = begin_peak_mb()
    start = time.perf_counter()
    error = None
    try:
        if path.suffix == ".safetensors":
            open_tensor(path)
        else:
            read_volume(path, "t2")
    except PcrnetError as refusal:
        error = type(refusal).__name__
    seconds = time.perf_counter() - start
    return {
        "refused_as": error,
        "seconds": round(seconds, 4),
        "megabytes": round(max(0.0, peak_mb() - before), 1),
    }


def measure() -> dict[str, dict[str, object]]:
    """What is wrong with a file to what its refusal costs a process that has read a sound one."""
    with (
        tempfile.TemporaryDirectory() as name,
        ProcessPoolExecutor(1, get_context("spawn")) as reader,
    ):
        folder = Path(name)
        reader.submit(read_volume, _series(folder / "sound", ExplicitVRLittleEndian), "t2").result()
        return {
            what: reader.submit(cost_of_refusal, path).result() for what, path in bad_files(folder)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    publish({"machine": describe_machine(), "refusals": measure()}, options.out)


if __name__ == "__main__":
    main()
