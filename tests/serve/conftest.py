"""Archives to send, good and bad."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

SCANS = {f"{t}.{c}": f"{t}/{c}.nii.gz" for t in ("baseline", "interim") for c in ("pet", "adc")}


@pytest.fixture(scope="session")
def scans(small_bundle: Path) -> dict[str, bytes]:
    """Name in an archive to the bytes of a phantom: all scans of one patient."""
    golden = small_bundle / "golden"
    return {
        name: (golden / f"complete_{scan.replace('.', '_')}.nii.gz").read_bytes()
        for scan, name in SCANS.items()
    }


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.fixture(scope="session")
def make_zip():
    return zipped


@pytest.fixture(scope="session")
def question() -> str:
    return json.dumps({"scans": SCANS, "covariates": {"age": "60", "grade": "high"}})
