"""The command of a worker is one that the program itself understands."""

import subprocess
import sys
from pathlib import Path

import pytest

from pcrnet.sweeps.engines.command import work_command


def test_it_is_what_one_would_type(tmp_path):
    assert work_command(tmp_path) == [sys.executable, "-m", "pcrnet.cli", "work", str(tmp_path)]


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({"device_index": 0}, []),
        ({"device_index": 2}, ["--device-index", "2"]),
        ({"attached": True}, ["--attached"]),
        ({"device_index": 1, "attached": True}, ["--device-index", "1", "--attached"]),
    ],
)
def test_options_stand_behind_the_folder(options, more):
    assert work_command(Path("a sweep"), **options)[4:] == ["a sweep", *more]


def test_the_program_takes_it_and_names_the_folder_that_is_no_sweep(tmp_path):
    done = subprocess.run(
        work_command(tmp_path, device_index=1), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
