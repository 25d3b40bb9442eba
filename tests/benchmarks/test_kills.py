"""A run that is killed again and again ends as one that nobody disturbed; the long form is the
benchmark itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs Linux's /proc")
def test_kills_lose_nothing_make_nothing_twice_and_leave_nobody(
    tmp_path: Path, one_thread: dict[str, str]
) -> None:
    out = tmp_path / "kills.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "3"]
    command += ["--seed", "3", "--folder", str(tmp_path / "kills"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one_thread)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())["kills"]
    assert sum(found["kills"].values()) == 3
    assert found["finished_runs"] >= 1
    for fault in ("made_again", "lost", "failures", "differing_files"):
        assert found[fault] == [], fault
    assert found["left_processes"] == found["did_not_end"] == 0
