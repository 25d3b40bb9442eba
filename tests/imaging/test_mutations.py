"""A short form of benchmarks/mutations.py: damaged scans are refused, noted, or read as before."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_a_hundred_damaged_scans_are_faultless(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "mutations.json"
    script = _ROOT / "benchmarks" / "mutations.py"
    done = subprocess.run(
        [sys.executable, script, "--kinds", kind, "--count", "100", "--seed", "7", "--out", out],
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
    )
    assert out.exists(), done.stderr
    found = json.loads(out.read_text())["kinds"][kind]
    assert found["faults"] == {}
    assert found["verdicts"]["refused"] > 30
