"""Headers of NIfTI-1 and NIfTI-2: layout, and what is believed of them.

Layout: nifti.nimh.nih.gov, nifti1.h and nifti2.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import GeometryError, ImageError
from pcrnet.imaging.nifti.affine import header_affine, quaternion
from pcrnet.imaging.volume import Volume

MAX_VOXELS = 100_000_000
"""Larger images are refused at the header (a breast DCE phase has about 50 million voxels)."""
MAX_HEADER_BYTES = 540

_MAX_OFFSET_BYTES = 16 << 20
_ByteOrder = Literal["<", ">"]
_BYTE_ORDERS: tuple[_ByteOrder, ...] = ("<", ">")
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

    @property
    def implied_bytes(self) -> int:
        """Length of the decompressed file, as far as the voxels reach."""
        return self.offset + self.voxels * self.dtype.itemsize


def parse_header(block: bytes) -> NiftiHeader:
    """Read and check a header.

    Args:
        block: The first :data:`MAX_HEADER_BYTES` of a decompressed file, or as many as it has.

    Raises:
        ImageError: Not NIfTI, a type that is no scalar image, or a header that cannot be true.
        GeometryError: Dimensions, spacing or orientation that are missing or contradictory.
    """
    record, order = _unpack(block)
    dtype = _stored_type(record, order)
    shape = _shape(record)
    offset = _offset(record)
    slope, intercept = _scaling(record)
    return NiftiHeader(shape, header_affine(record, shape), dtype, offset, slope, intercept)


def header_block(volume: Volume, dtype: np.dtype[np.generic]) -> bytes:
    """A NIfTI-1 header of 348 bytes and the four that say that no extension follows.

    Args:
        volume: Gives shape and affine.
        dtype: Little-endian type in which its voxels will be stored.
    """
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
    block["pixdim"] = [1.0, *volume.spacing_mm, 0, 0, 0, 0]
    rotation = quaternion(volume.affine[:3, :3] / volume.spacing_mm)
    if rotation is not None:
        block["qform_code"] = 1
        block["pixdim"][0], block["quatern"] = rotation
        block["qoffset"] = volume.affine[:3, 3]
    return block.tobytes() + bytes(4)


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


def _scaling(record: np.void) -> tuple[float, float]:
    slope, intercept = float(record["scl_slope"]), float(record["scl_inter"])
    if slope == 0.0:  # defined as: not scaled
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise ImageError(
            "scl_slope and scl_inter are not finite numbers",
            field="scl_slope",
            remedy="write the image anew with the scaling that it was made with",
        )
    return slope, intercept
