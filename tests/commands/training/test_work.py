"""``pcrnet work`` as it is typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pcrnet.cli import main
from pcrnet.sweeps import joining
from pcrnet.sweeps.folder.layout import SweepLayout

_WAITING = (
    "import sys, time\n"
    "from pcrnet.sweeps import joining\n"
    "joining.join = lambda *_, **__: time.sleep(60)\n"
    "from pcrnet.cli import main\n"
    "sys.exit(main(sys.argv[1:]))"
)


def test_a_folder_that_is_no_sweep_ends_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["work", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_what_is_typed_reaches_the_worker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def join(folder: Path, overrides: list[str], *, device_index: int, say, listen) -> SweepLayout:
        asked.append((folder, list(overrides), device_index))
        say("joined")
        return SweepLayout(folder)

    monkeypatch.setattr(joining, "join", join)
    command = ["work", str(tmp_path), "data.cache=/tmp/c", "--device-index", "2"]
    assert main(command) == 0
    assert asked == [(tmp_path, ["data.cache=/tmp/c"], 2)]
    said = capsys.readouterr()
    assert said.out == f"{SweepLayout(tmp_path).report}\n"
    assert "joined" in said.err


@pytest.mark.slow
def test_an_attached_worker_ends_when_nobody_holds_its_input(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WAITING, "work", str(tmp_path), "--attached"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=50)
    assert done.returncode == 1
