"""The examples of the page on extending are registered in a copy, and the suites run on them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
_BLOCK = re.compile(
    r'^```(?P<kind>python|diff) title="(?P<path>[^"]+)"\n(?P<text>.*?)^```$', re.M | re.S
)
_SUITES = {
    "patches": ("tests/models/encoders/test_build.py", 7),
    "bayes": ("tests/models/test_contract.py", 20),
    "flat": ("tests/importers/test_layout.py", 7),
}
"""Name of each example to the suite that must run on it, and how many tests that is at least."""


def _blocks(kind):
    return [(m["path"], m["text"]) for m in _BLOCK.finditer(_PAGE) if m["kind"] == kind]


def _register(root, path, patch):
    """Add the lines with a plus behind the lines before them; returns how many."""
    before, added = (
        [line[1:] for line in patch.splitlines() if line.startswith(sign)] for sign in " +"
    )
    text = (root / path).read_text(encoding="utf-8")
    where = "\n".join(before)
    assert text.count(where) == 1, f"{path} does not hold {where}"
    new = text.replace(where, "\n".join([where, *added]))
    (root / path).write_text(new, encoding="utf-8")
    return len(added)


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    root = tmp_path_factory.mktemp("extended")
    for name in ("pcrnet", "tests", "configs"):
        shutil.copytree(_ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_ROOT / "pyproject.toml", root)
    for path, text in _blocks("python"):
        assert not (root / path).exists(), f"{path} is there already"
        (root / path).write_text(text, encoding="utf-8")
    for path, patch in _blocks("diff"):
        _register(root, path, patch)
    return root


def _run(root, *arguments):
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_each_example_is_one_module_and_one_line():
    modules = [path for path, _ in _blocks("python") if path.startswith("pcrnet/")]
    lines = [line for _, patch in _blocks("diff") for line in patch.splitlines() if line[0] == "+"]
    assert len(modules) == len(lines) == len(_SUITES)
    for path, line in zip(modules, lines, strict=True):
        assert path.removesuffix(".py").replace("/", ".") in line


@pytest.mark.slow
@pytest.mark.parametrize("name", _SUITES)
def test_the_suite_runs_on_an_example_by_itself(name, extended):
    suite, least = _SUITES[name]
    done = _run(extended, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite, "-k", name)
    assert done.returncode == 0, done.stdout[-3000:]
    marks = re.findall(r"^([.s]+)(?: +\[ *\d+%\])?$", done.stdout, re.M)
    assert "".join(marks).count(".") >= least


@pytest.mark.slow
def test_the_examples_can_be_chosen_and_are_listed(extended):
    program = (
        "import sys\n"
        "from pcrnet.config.layers import load_experiment\n"
        "from pcrnet.config.reference import reference_text\n"
        "found = load_experiment(['model.encoder.kind=patches', 'evaluation.rivals=[bayes]'])\n"
        "assert found.model.encoder.edge == 4\n"
        "assert load_experiment(['model.kind=bayes']).model.prior_patients == 20.0\n"
        "said = reference_text()\n"
        "assert 'model.encoder.edge=4' in said and 'model.prior_patients=20' in said\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = _run(extended, "-c", program)
    assert done.returncode == 0, done.stderr
    done = _run(extended, "-m", "pcrnet.cli", "import", "--help")
    assert "PATIENT_TIMEPOINT_CHANNEL" in done.stdout
    lint = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *(path for path, _ in _blocks("python"))],
        cwd=extended, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert lint.returncode == 0, lint.stdout
