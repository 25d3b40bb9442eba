"""Every command of the tutorials is run, page by page, in a folder with nothing else in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TUTORIALS = sorted((_ROOT / "docs" / "tutorials").glob("*.md"))
_BLOCK = re.compile(r"^```(?P<kind>sh|python|text)\n(?P<text>.*?)^```$", re.M | re.S)
_GIVEN = {
    "pet.zip": "sts001_petmr/STS_001_FDG_PET_raw_dicom.zip",
    "dce.zip": "breast_dce_UCSF-BR-08/image_dce_3dfgre_orig.zip",
    "adc.zip": "cmb_crc_two_timepoints/SCAN_002_adc_image.zip",
}
"""What a page asks the reader to have, and the reference data that stand in for it."""


@pytest.fixture
def folder(tmp_path):
    """A folder to work in; beside it the programs that an active environment has."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "pcrnet").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pcrnet.cli "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def _run(block, kind, folder):
    environment = os.environ | {
        "PATH": f"{folder.parent / 'programs'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(_ROOT),
        "OMP_NUM_THREADS": "1",
        "WANDB_MODE": "offline",
    }
    command = ["bash", "-euo", "pipefail", "-c"] if kind == "sh" else [sys.executable, "-c"]
    return subprocess.run(
        [*command, block],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("page", _TUTORIALS, ids=lambda path: path.stem)
def test_every_block_runs_and_says_what_the_page_says(page, folder, request):
    text = page.read_text(encoding="utf-8")
    for name in " ".join(re.findall(r"<!-- given: (.*?) -->", text)).split():
        shutil.copy(request.getfixturevalue("test_data") / _GIVEN[name], folder / name)
    said = None
    for block in _BLOCK.finditer(text):
        if block["kind"] == "text":
            for line in block["text"].splitlines():
                assert " ".join(line.split()) in said, f"{line!r} is not in {said!r}"
            continue
        done = _run(block["text"], block["kind"], folder)
        assert done.returncode == 0, f"{block['text']}\n{done.stdout}\n{done.stderr}"
        said = " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("page", _TUTORIALS, ids=lambda path: path.stem)
def test_a_page_has_no_block_that_is_passed_over(page):
    text = page.read_text(encoding="utf-8")
    fences = [line for line in text.splitlines() if line.startswith("```")]
    assert len(fences) == 2 * len(list(_BLOCK.finditer(text)))
    assert {block["kind"] for block in _BLOCK.finditer(text)} >= {"sh", "python"}
