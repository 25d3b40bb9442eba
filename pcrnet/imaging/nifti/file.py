"""NIfTI files, read with distrust and written whole.

The header is checked before anything is allocated: a file can cost no more memory than its own
size justifies.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcrnet.errors import ImageError
from pcrnet.imaging.finite import not_finite, refuse_not_finite
from pcrnet.imaging.nifti.header import (
    MAX_HEADER_BYTES,
    MAX_VOXELS,
    NiftiHeader,
    header_block,
    parse_header,
)
from pcrnet.imaging.volume import Volume
from pcrnet.imaging.voxels.parts import parts_of
from pcrnet.storage import atomic_path

__all__ = ["MAX_VOXELS", "read_nifti", "read_nifti_header", "write_nifti"]

_MAX_TRAILING_BYTES = 1 << 16
_CHUNK_VOXELS = 1 << 19
_FEW = 4099
_DEFLATE_MAX_RATIO = 1032  # the most that DEFLATE can achieve
_FREE_BYTES = 160 << 20
_MAX_EXPANSION = 100
"""Images reach 10:1 or so, masks are zero almost everywhere, bombs reach 1000:1."""
_GZIP_MAGIC = b"\x1f\x8b"
_Stream = io.BufferedReader | gzip.GzipFile


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
        if _as_needed(header) and _on_disk(stream) >= header.implied_bytes:
            values, bad = _read_in_place(stream, header)
        else:
            values, bad = _read_values(stream, header, path.stat().st_size)
        _read_to_end(stream)
    refuse_not_finite(bad, values.size)
    return values.reshape(header.shape, order="F"), header.affine


def _as_needed(header: NiftiHeader) -> bool:
    """Whether the stored voxels are those that are wanted, bit for bit."""
    unscaled = header.slope == 1.0 and header.intercept == 0.0
    return unscaled and header.dtype == np.dtype(np.float32)


def _on_disk(stream: _Stream) -> int:
    """Bytes of the disk that a file takes; 0 where it is packed or nobody knows."""
    if isinstance(stream, gzip.GzipFile):
        return 0
    return 512 * int(getattr(os.fstat(stream.fileno()), "st_blocks", 0))


def _read_in_place(stream: _Stream, header: NiftiHeader) -> tuple[NDArray[np.float32], int]:
    """The voxels, in stored order, of a file that takes as much of the disk as they of memory.

    And how many are not finite: each part is looked at while the processor still has it.

    Raises:
        ImageError: A file that is cut short.
    """
    values, bad = np.empty(header.voxels, dtype=np.float32), 0
    for part in parts_of(values):
        if stream.readinto(part.data.cast("B")) != part.nbytes:
            raise _cut_short()
        bad += not_finite(part)
    return values, bad


def _read_values(
    stream: _Stream, header: NiftiHeader, packed_bytes: int
) -> tuple[NDArray[np.float32], int]:
    """The voxels, in stored order, and how many are not finite.

    Memory that only zeros would fill is not touched.

    Raises:
        ImageError: A file that is cut short, or unpacks like a bomb.
    """
    values, bad = np.zeros(header.voxels, dtype=np.float32), 0
    left = max(_FREE_BYTES, _MAX_EXPANSION * packed_bytes)
    for start in range(0, header.voxels, _CHUNK_VOXELS):
        part = values[start : start + _CHUNK_VOXELS]
        stored = np.frombuffer(
            _read_exactly(stream, part.size * header.dtype.itemsize), header.dtype
        )
        with np.errstate(over="ignore", invalid="ignore"):
            if header.slope != 1.0 or header.intercept != 0.0:
                stored = stored.astype(np.float64) * header.slope + header.intercept
            # A few voxels tell of most chunks that they are not empty.
            empty = not (stored[::_FEW].any() or stored.any())
        if empty:
            continue
        left -= part.nbytes
        if left < 0:
            raise ImageError(
                f"a file of {packed_bytes} bytes unpacks to more than {_MAX_EXPANSION} times its "
                "size",
                remedy="crop the image; if it is smaller, the file is damaged",
            )
        with np.errstate(over="ignore", invalid="ignore"):
            part[:] = stored
        bad += not_finite(part)
    return values, bad


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI-1, atomically; gzipped where the name ends in ``.gz``.

    Images are float32, labels the smallest integer that holds them. The affine goes into the
    sform, and into the qform too where it has no shear. Equal volumes give equal bytes.
    """
    kind = "f4"
    if volume.unit == "label":
        kind = "u1" if volume.array.max(initial=0) <= 255 else "i4"
    dtype: np.dtype[np.generic] = np.dtype(f"<{kind}")
    header = header_block(volume, dtype)
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
        raise _cut_short()
    return data


def _cut_short() -> ImageError:
    return ImageError(
        "the file is cut short: it holds fewer bytes than its header states",
        remedy="copy the file again from its source",
    )


def _read_to_end(stream: _Stream) -> None:
    """Padding with zeros may follow the voxels; anything else means that they are not in place."""
    rest = stream.read(_MAX_TRAILING_BYTES + 1)
    if len(rest) > _MAX_TRAILING_BYTES or rest.strip(b"\0"):
        raise ImageError(
            "the file holds more data than its header states",
            remedy="write the image anew, one 3D volume a file",
        )


def _read_header(stream: _Stream, path: Path) -> NiftiHeader:
    header = parse_header(stream.read(MAX_HEADER_BYTES))
    size = path.stat().st_size
    most = size * _DEFLATE_MAX_RATIO if isinstance(stream, gzip.GzipFile) else size
    if header.implied_bytes > most:
        raise ImageError(
            f"the header states {header.implied_bytes} bytes, which a file of {size} bytes cannot "
            "hold",
            field="dim",
            remedy="copy the file again from its source",
        )
    return header
