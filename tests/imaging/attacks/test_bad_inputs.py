"""A file that attacks its reader is refused without costing memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
def test_every_bad_file_is_refused_with_less_than_50_mb(tmp_path):
    out = tmp_path / "costs.json"
    script = _ROOT / "benchmarks" / "bad_inputs.py"
    subprocess.run(
        [sys.executable, script, "--out", out], check=True, capture_output=True, cwd=_ROOT
    )
    costs = json.loads(out.read_text())["refusals"]
    assert len(costs) >= 20
    assert {
        what: cost["refused_as"] for what, cost in costs.items() if not cost["refused_as"]
    } == {}
    assert {what: cost for what, cost in costs.items() if cost["megabytes"] >= 50} == {}
