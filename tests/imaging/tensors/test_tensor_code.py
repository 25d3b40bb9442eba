"""The code behind a tensor: no module of imaging that decides one is forgotten."""

import subprocess
import sys
from pathlib import Path

import pcrnet.imaging
from pcrnet.imaging.tensors import tensor_code
from pcrnet.imaging.tensors.tensor_code import code_digest, tensor_sources
from pcrnet.source_code import digest_of_sources

_FOLDER = Path(pcrnet.imaging.__file__).parent


def _found():
    return {path.stem for path in tensor_sources()}


def test_the_physics_in_the_rooms_below_decides_a_tensor():
    assert {"suv", "decay", "tracers", "phases", "phase_choice", "adc"} <= _found()
    assert {"preprocess", "cache", "grid", "framing", "intensity"} <= _found()
    assert {"header", "affine", "frames", "geometry", "rigid", "engine_greedy"} <= _found()


def test_every_module_that_measures_decides_a_quantity():
    package = set((_FOLDER / "quantify").rglob("*.py"))
    listed = _FOLDER / "quantify" / "table.py"  # writes what has been measured
    door = _FOLDER / "quantify" / "__init__.py"
    about = _FOLDER / "quantify" / "subjects.py"  # says what they are about
    assert {listed, about} <= package
    assert package - {listed, about, door} <= tensor_sources()


def test_mapping_kinetics_and_converting_decide_none():
    others = {"convert", "digests", "kinetics", "kinetic_maps", "known_scans", "tofts"}
    assert not others & _found()
    assert others <= {path.stem for path in _FOLDER.rglob("*.py")}  # they are still called so
    assert all(path.is_relative_to(_FOLDER) for path in tensor_sources())


def test_a_process_that_makes_tensors_loads_no_other_module_of_imaging():
    script = f"import sys, {', '.join(tensor_code._DECIDING)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {
        _FOLDER.joinpath(*name.split(".")[2:]).with_suffix(".py")
        for name in done.stdout.split()
        if name.startswith("pcrnet.imaging.")
    }
    modules = {path for path in loaded if path.is_file()}  # the others are packages
    assert _FOLDER / "tensors" / "preprocess.py" in modules
    assert modules <= tensor_sources()


def test_the_digest_is_that_of_the_sources(monkeypatch):
    whole = code_digest.__wrapped__()
    assert whole == digest_of_sources(tensor_sources())
    fewer = tensor_sources() - {_FOLDER / "pet" / "decay.py"}
    monkeypatch.setattr(tensor_code, "tensor_sources", lambda: fewer)
    assert code_digest.__wrapped__() != whole
