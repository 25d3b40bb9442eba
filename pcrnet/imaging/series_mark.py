"""What a scan is known again by, whatever its patient or file is called."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pcrnet.imaging.dicom.files import files_below
from pcrnet.storage import sha256_file

DIGITS = 16
"""Hexadecimal digits of SHA-256: two scans of a million share them with a chance of 3e-8."""


def series_mark(path: Path) -> str:
    """The start of the SHA-256 of a file, or of a folder's files taken together.

    Raises:
        OSError: A file cannot be read.
        ImageError: A folder that holds a link to nothing, a pipe or a device.
    """
    if not path.is_dir():
        return sha256_file(path)[:DIGITS]
    parts = sorted(sha256_file(file) for file in files_below(path))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:DIGITS]
