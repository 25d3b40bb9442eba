"""NIfTI-1 and NIfTI-2 files, read with distrust and written whole.

The header is checked before anything is allocated: a file can cost no more memory than its own
size justifies. Layout: nifti.nimh.nih.gov, nifti1.h and nifti2.h.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import GeometryError, ImageError
from pcrnet.imaging.volume import Volume, world_corners
from pcrnet.storage import atomic_path

MAX_VOXELS = 100_000_000
"""Larger images are refused at the header (a breast DCE phase has about 50 million voxels)."""

_MAX_OFFSET_BYTES = 16 << 20
_MAX_TRAILING_BYTES = 1 << 16
_CHUNK_VOXELS = 1 << 19
_DEFLATE_MAX_RATIO = 1032  # the most that DEFLATE can achieve
_MAX_DISAGREEMENT_MM = 1.0
_Stream = io.BufferedReader | gzip.GzipFile
_ByteOrder = Literal["<", ">"]
_BYTE_ORDERS: tuple[_ByteOrder, ...] = ("<", ">")
_GZIP_MAGIC = b"\x1f\x8b"

_FIELDS: dict[str, tuple[str, int, str, int]] = {  # NIfTI-1 format and offset, then NIfTI-2
    "sizeof_hdr": ("i4", 0, "i4", 0),
    "magic": ("S4", 344, "S8", 4),
    "dim": ("8i2", 40, "8i8", 16),
    "datatype": ("i2", 70, "i2", 12),
    "bitpix": ("i2", 72, "i2", 14),
    "pixdim": ("8f4", 76, "8f8", 104),
    "vox_offset": ("f4", 108, "i8", 168),
    "scl_slope": ("f4", 112, "f8", 176),
    "scl_inter": ("f4", 116, "f8", 184),
    "xyzt_units": ("u1", 123, "i4", 500),
    "qform_code": ("i2", 252, "i4", 344),
    "sform_code": ("i2", 254, "i4", 348),
    "quatern": ("3f4", 256, "3f8", 352),
    "qoffset": ("3f4", 268, "3f8", 376),
    "srow": ("(3,4)f4", 280, "(3,4)f8", 400),
}


def _layout(size: int, formats: list[str], offsets: list[int]) -> np.dtype[np.void]:
    return np.dtype(
        {"names": list(_FIELDS), "formats": formats, "offsets": offsets, "itemsize": size}
    )


_LAYOUTS = {
    348: _layout(348, [row[0] for row in _FIELDS.values()], [row[1] for row in _FIELDS.values()]),
    540: _layout(540, [row[2] for row in _FIELDS.values()], [row[3] for row in _FIELDS.values()]),
}
_DATATYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8",
    256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_REFUSED_DATATYPES = {
    1: "binary", 32: "complex", 128: "RGB", 1536: "128-bit", 1792: "complex", 2048: "complex",
    2304: "RGBA",
}  # fmt: skip
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # unknown is taken as mm, as everyone does


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What a header promises, once it has been found possible.

    Attributes:
        shape: Voxels along i, j and k.
        affine: Shape (4, 4); voxel index to RAS millimetres.
        dtype: Stored type with its byte order.
        offset: Byte of the first voxel in the decompressed file.
        slope: Value = slope × stored + intercept.
        intercept: See ``slope``.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    dtype: np.dtype[np.generic]
    offset: int
    slope: float
    intercept: float

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read and check the header alone.

    Raises:
        ImageError: Not NIfTI, a type that is no scalar image, or a header that cannot be true.
        GeometryError: Dimensions, spacing or orientation that are missing or contradictory.
    """
    with _open(path) as stream:
        return _read_header(stream, path)


def read_nifti(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Read a 3D scalar image from ``.nii`` or ``.nii.gz``, which is told by content, not by name.

    A gzip stream is read to its end, so that its checksum is verified. Non-finite voxels are
    refused wherever they are: nobody but the maker of the file can say what they stand for.

    Returns:
        Values float32 (i, j, k) after scl_slope and scl_inter, and the affine to RAS millimetres.

    Raises:
        ImageError: As :func:`read_nifti_header`; also truncated, damaged or over-long files and
            non-finite voxels.
        GeometryError: As :func:`read_nifti_header`.
    """
    with _open(path) as stream:
        header = _read_header(stream, path)
        stream.seek(header.offset)
        values = np.empty(header.voxels, dtype=np.float32)
        for start in range(0, header.voxels, _CHUNK_VOXELS):
            part = values[start : start + _CHUNK_VOXELS]
            stored = np.frombuffer(
                _read_exactly(stream, part.size * header.dtype.itemsize), header.dtype
            )
            if header.slope == 1.0 and header.intercept == 0.0:
                part[:] = stored
            else:
                part[:] = stored.astype(np.float64) * header.slope + header.intercept
        _read_to_end(stream)
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise ImageError(
            f"{bad} of {values.size} voxels are not finite numbers",
            remedy="write the background (0 for PET) where nothing was measured",
        )
    return values.reshape(header.shape, order="F"), header.affine


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI-1, atomically; gzipped where the name ends in ``.gz``.

    Images are float32, labels the smallest integer that holds them. The affine goes into the
    sform, and into the qform too where it has no shear. Equal volumes give equal bytes.
    """
    kind = "f4"
    if volume.unit == "label":
        kind = "u1" if volume.array.max(initial=0) <= 255 else "i4"
    dtype: np.dtype[np.generic] = np.dtype(f"<{kind}")
    header = _header_block(volume, dtype)
    data = np.asarray(volume.array, dtype=dtype).tobytes(order="F")
    with atomic_path(path) as temporary, temporary.open("wb") as raw:
        if path.name.endswith(".gz"):
            with gzip.GzipFile("", "wb", compresslevel=4, fileobj=raw, mtime=0) as stream:
                stream.write(header + data)
        else:
            raw.write(header + data)


@contextmanager
def _open(path: Path) -> Iterator[_Stream]:
    """Open the decompressed bytes; whatever goes wrong while reading becomes an ImageError."""
    if not path.is_file():  # opening a pipe would wait for ever
        raise ImageError("is not a file", remedy="correct the path")
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if not packed:
                yield raw
            else:
                # Python's default buffer of 8 kB makes decompression needlessly slow.
                with gzip.GzipFile(fileobj=io.BufferedReader(raw, 1 << 17)) as stream:
                    yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ImageError(
            f"the gzip stream is damaged or cut short ({type(error).__name__})",
            remedy="copy the file again from its source",
        ) from error
    except OSError as error:
        raise ImageError(
            f"cannot be read ({type(error).__name__})", remedy="check that the file may be read"
        ) from None  # its text holds the path


def _read_exactly(stream: _Stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise ImageError(
            "the file is cut short: it holds fewer bytes than its header states",
            remedy="copy the file again from its source",
        )
    return data


def _read_to_end(stream: _Stream) -> None:
    if len(stream.read(_MAX_TRAILING_BYTES + 1)) > _MAX_TRAILING_BYTES:
        raise ImageError(
            "the file holds more data than its header states",
            remedy="write the image anew, one 3D volume a file",
        )


def _read_header(stream: _Stream, path: Path) -> NiftiHeader:
    size = path.stat().st_size
    packed = isinstance(stream, gzip.GzipFile)
    record, order = _unpack(stream.read(540))
    dtype = _stored_type(record, order)
    shape = _shape(record)
    offset = _offset(record)
    implied = offset + math.prod(shape) * dtype.itemsize
    if implied > (size * _DEFLATE_MAX_RATIO if packed else size):
        raise ImageError(
            f"the header states {implied} bytes, which a file of {size} bytes cannot hold",
            field="dim",
            remedy="copy the file again from its source",
        )
    slope, intercept = float(record["scl_slope"]), float(record["scl_inter"])
    if slope == 0.0:  # defined as: not scaled
        slope, intercept = 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise ImageError(
            "scl_slope and scl_inter are not finite numbers",
            field="scl_slope",
            remedy="write the image anew with the scaling that it was made with",
        )
    return NiftiHeader(shape, _affine(record, shape), dtype, offset, slope, intercept)


def _unpack(block: bytes) -> tuple[np.void, _ByteOrder]:
    """The header record and its byte order."""
    for size, layout in _LAYOUTS.items():
        for order in _BYTE_ORDERS:
            if (
                len(block) >= size
                and int.from_bytes(block[:4], "little" if order == "<" else "big") == size
            ):
                record = np.frombuffer(block, layout.newbyteorder(order), count=1)[0]
                _check_magic(bytes(record["magic"]), size)
                return record, order
    raise ImageError(
        "is not a NIfTI file",
        remedy="give a .nii or .nii.gz file, or the folder or zip of one DICOM series",
    )


def _check_magic(magic: bytes, size: int) -> None:
    if magic in (b"ni1", b"ni2", b""):
        raise ImageError(
            "is the header of a pair of files (.hdr and .img), or Analyze without orientation",
            field="magic",
            remedy="convert it to one .nii.gz file, from the original DICOM if it is Analyze",
        )
    # numpy strips trailing zero bytes, not the line ends that guard NIfTI-2 against text mode.
    if magic != (b"n+1" if size == 348 else b"n+2\0\r\n\x1a\n"):
        raise ImageError(
            "is not a NIfTI file, or was altered in transfer",
            field="magic",
            remedy="copy the file again in binary mode",
        )


def _stored_type(record: np.void, order: _ByteOrder) -> np.dtype[np.generic]:
    code = int(record["datatype"])
    if code in _REFUSED_DATATYPES:
        raise ImageError(
            f"holds {_REFUSED_DATATYPES[code]} voxels; expected one real number a voxel",
            field="datatype",
            remedy="export the magnitude or the original scalar image",
        )
    if code not in _DATATYPES:
        raise ImageError(f"unknown datatype {code}", field="datatype", remedy="write it anew")
    dtype = np.dtype(_DATATYPES[code]).newbyteorder(order)
    if int(record["bitpix"]) != dtype.itemsize * 8:
        raise ImageError(
            f"bitpix {int(record['bitpix'])} contradicts the datatype, {dtype.itemsize * 8} bits",
            field="bitpix",
            remedy="write the image anew",
        )
    return dtype


def _shape(record: np.void) -> tuple[int, int, int]:
    dim = [int(n) for n in record["dim"]]
    if not 1 <= dim[0] <= 7:
        raise GeometryError(f"states {dim[0]} dimensions", field="dim[0]", remedy="write it anew")
    for position in range(1, dim[0] + 1):
        if dim[position] < 1:
            raise GeometryError(
                f"states {dim[position]} voxels along an axis",
                field=f"dim[{position}]",
                remedy="write the image anew",
            )
    spatial, further = dim[1 : dim[0] + 1][:3], dim[4 : dim[0] + 1]
    first, second, third = (*spatial, 1, 1)[:3]
    shape = (first, second, third)
    if math.prod(shape) > MAX_VOXELS:
        raise GeometryError(
            f"states {' × '.join(map(str, shape))} voxels, more than {MAX_VOXELS}",
            field="dim",
            remedy="crop or resample the image; if it is smaller, the header is damaged",
        )
    if math.prod(further) > 1:
        raise GeometryError(
            f"has {dim[0]} dimensions ({' × '.join(map(str, spatial + further))}); expected 3",
            field="dim",
            remedy="split it into one file a phase (fslsplit, or nibabel.funcs.four_to_three) "
            "and name each in a column of its own",
        )
    if min(shape) < 2:
        raise GeometryError(
            f"is a single slice ({' × '.join(map(str, shape))}); expected a volume",
            field="dim",
            remedy="give the whole series, not one image of it",
        )
    return shape


def _offset(record: np.void) -> int:
    stated = float(record["vox_offset"])
    least = int(record["sizeof_hdr"]) + 4
    if stated == 0.0:  # some writers leave it out of single files
        return least
    if not least <= stated <= _MAX_OFFSET_BYTES or stated != int(stated):
        raise ImageError(
            f"the voxels cannot begin at byte {stated:g}",
            field="vox_offset",
            remedy="write the image anew",
        )
    return int(stated)


def _affine(record: np.void, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    pixdim = np.asarray(record["pixdim"], dtype=np.float64)
    for axis in (1, 2, 3):
        if not (math.isfinite(pixdim[axis]) and pixdim[axis] > 0):
            raise GeometryError(
                f"the voxel size is {pixdim[axis]:g}",
                field=f"pixdim[{axis}]",
                remedy="convert the image anew from DICOM",
            )
    coded = {
        name: matrix
        for name, matrix in (("sform", _sform(record)), ("qform", _qform(record, pixdim)))
        if int(record[f"{name}_code"]) > 0
    }
    if not coded:
        raise GeometryError(
            "states no orientation: sform_code and qform_code are both 0",
            field="sform_code",
            remedy="convert the image anew from DICOM; set the code only if you know that the "
            "matrix is true",
        )
    unit = int(record["xyzt_units"]) & 7
    if unit not in _MM_PER_UNIT:
        raise GeometryError(
            f"states an unknown unit of length ({unit})", field="xyzt_units", remedy="set it to mm"
        )
    for name, matrix in coded.items():
        matrix[:3] *= _MM_PER_UNIT[unit]
        _check_matrix(matrix, name)
    if len(coded) == 2:
        apart = max(
            float(np.linalg.norm(difference))
            for difference in world_corners(coded["sform"], shape)
            - world_corners(coded["qform"], shape)
        )
        if apart > _MAX_DISAGREEMENT_MM:
            raise GeometryError(
                f"sform and qform disagree by {apart:.1f} mm at a corner of the volume",
                field="sform",
                remedy="convert the image anew from DICOM, or set the code of the wrong one to 0",
            )
    return next(iter(coded.values()))


def _sform(record: np.void) -> NDArray[np.float64]:
    return np.vstack([np.asarray(record["srow"], dtype=np.float64), [0.0, 0.0, 0.0, 1.0]])


def _qform(record: np.void, pixdim: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation from the quaternion (nifti1.h, method 2)."""
    b, c, d = (float(part) for part in record["quatern"])
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    qfac = -1.0 if pixdim[0] < 0 else 1.0
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * pixdim[1:4] * [1.0, 1.0, qfac]
    matrix[:3, 3] = record["qoffset"]
    return matrix


def _check_matrix(matrix: NDArray[np.float64], name: str) -> None:
    if not np.isfinite(matrix).all():
        raise GeometryError(
            f"the {name} matrix holds numbers that are not finite",
            field=name,
            remedy="convert the image anew from DICOM",
        )
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (spacing.min() > 0.01 and spacing.max() < 100.0):
        raise GeometryError(
            f"the {name} states voxels of {spacing[0]:g} × {spacing[1]:g} × {spacing[2]:g} mm",
            field=name,
            remedy="check the unit of length (xyzt_units), or convert anew from DICOM",
        )
    if abs(np.linalg.det(matrix[:3, :3] / spacing)) < 0.1:
        raise GeometryError(
            f"the axes of the {name} do not span space",
            field=name,
            remedy="convert the image anew from DICOM",
        )


def _header_block(volume: Volume, dtype: np.dtype[np.generic]) -> bytes:
    """A NIfTI-1 header of 348 bytes and the four that say that no extension follows."""
    block = np.zeros((), dtype=_LAYOUTS[348])
    block["sizeof_hdr"] = 348
    block["magic"] = b"n+1"
    block["dim"] = [3, *volume.array.shape, 1, 1, 1, 1]
    block["datatype"] = next(
        code for code, kind in _DATATYPES.items() if dtype == np.dtype(f"<{kind}")
    )
    block["bitpix"] = dtype.itemsize * 8
    block["vox_offset"] = 352
    block["scl_slope"] = 1.0
    block["xyzt_units"] = 2
    block["sform_code"] = 1
    block["srow"] = volume.affine[:3]
    directions = volume.affine[:3, :3] / volume.spacing_mm
    qfac = 1.0 if np.linalg.det(directions) > 0 else -1.0
    block["pixdim"] = [qfac, *volume.spacing_mm, 0, 0, 0, 0]
    if np.allclose(directions.T @ directions, np.eye(3), atol=1e-6):
        from scipy.spatial.transform import Rotation

        rotation = Rotation.from_matrix(directions * [1.0, 1.0, qfac])
        block["qform_code"] = 1
        block["quatern"] = rotation.as_quat(canonical=True)[:3]  # scalar last, made non-negative
        block["qoffset"] = volume.affine[:3, 3]
    return block.tobytes() + bytes(4)
