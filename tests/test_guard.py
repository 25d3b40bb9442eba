"""What a user can cause ends with a message and an exit code; faults of pcrnet keep their trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pcrnet.errors import ConfigError, PcrnetError
from pcrnet.guard import guarded

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (None, 0, ""),
        (
            ConfigError("is wrong", field="run.name", remedy="mend it"),
            2,
            "field run.name: is wrong",
        ),
        (KeyboardInterrupt(), 130, "continues where"),
    ],
    ids=["success", "user", "keyboard"],
)
def test_exit_codes(
    error: BaseException | None, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        if error is not None:
            raise error

    assert guarded(command) == code
    assert told in capsys.readouterr().err


def test_faults_of_pcrnet_itself_keep_their_traceback() -> None:
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(command)


def test_a_script_shows_its_usage_instead_of_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise PcrnetError("was run")

    monkeypatch.setattr(sys, "argv", ["train.py", "--help"])
    assert guarded(command, usage="\nTrain.\n") == 0
    assert capsys.readouterr().out.startswith("Train.\n\nsettings")


@pytest.mark.parametrize(("to", "code"), [("/dev/full", 2), ("pipe", 141)])
def test_a_console_that_takes_no_more_is_no_traceback(to: str, code: int) -> None:
    program = (
        "import sys; from pcrnet.guard import guarded\n"
        "sys.exit(guarded(lambda: print('x' * 100_000)))"
    )
    if to == "pipe":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(to, os.O_WRONLY)
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
    )
    os.close(writer)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
