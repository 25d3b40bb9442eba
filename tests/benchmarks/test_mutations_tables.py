"""Damaged tables, settings and bundles are refused in words, quickly, or do no harm."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux counts it")
def test_a_hundred_mutations_end_in_words_and_cost_little(tmp_path):
    out = tmp_path / "outcomes.json"
    script = _ROOT / "benchmarks" / "mutations_tables.py"
    subprocess.run(
        [sys.executable, script, "--each", "25", "--seed", "11", "--out", out],
        check=True,
        capture_output=True,
        cwd=_ROOT,
    )
    outcomes = json.loads(out.read_text())["outcomes"]
    assert [fault for outcome in outcomes.values() for fault in outcome["faults"]] == []
    assert all(outcome["mutations"] == 25 for outcome in outcomes.values())
    assert all(outcome["refused"] > 10 for outcome in outcomes.values())
