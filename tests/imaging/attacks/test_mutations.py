"""A short form of benchmarks/mutations.py: damaged scans are refused, noted, or read as before."""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

_ROOT = Path(__file__).parents[3]


@pytest.fixture
def mutations(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_ROOT / "benchmarks"))
    return importlib.import_module("mutations")


def _hang(_: Path) -> None:
    try:
        while True:
            time.sleep(0.01)
    except Exception:
        pytest.fail("the alarm was swallowed")


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
@pytest.mark.parametrize(
    ("read", "must_notice", "verdict", "fault"),
    [
        (lambda path: (path.read_bytes(), ()), True, "accepted in silence", True),
        (lambda path: (path.read_bytes(), ()), False, "other answer", False),
        (lambda path: (path.read_bytes(), ("noted",)), True, "noted", False),
        (lambda _: ("constant", ()), True, "same answer", False),
        (lambda path: {}[path], True, "KeyError instead of a typed error", True),
        (lambda _: (len(bytearray(1 << 29)), ()), True, "more than 300 MB", True),
        (_hang, True, "more than 0.2 s", True),
    ],
)
def test_the_harness_tells_faults(
    mutations: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    read: Callable[[Path], object], must_notice: bool, verdict: str, fault: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(mutations, "SECONDS", 0.2 if read is _hang else 30.0)
    (tmp_path / "a").write_bytes(b"good")

    def damage(_rng: object, path: Path, _sources: object) -> tuple[str, bool]:
        path.write_bytes(b"bad")
        return "made bad", must_notice

    kind = mutations.Kind(lambda _: [tmp_path / "a"], damage, read)
    outcome = mutations.run_case(kind, [tmp_path / "a"], np.random.default_rng(0))
    assert (outcome.verdict, outcome.fault) == (verdict, fault)


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
