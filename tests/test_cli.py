from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pcrnet import __version__
from pcrnet.cli import main

ROOT = Path(__file__).parents[1]
COMMANDS = ("train", "check", "convert", "kinetics", "import", "simulate", "predict", "evaluate")


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "pcrnet.cli", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["pcrnet", __version__])


def test_help_is_told_before_anything_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from pcrnet.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'pytorch_lightning', 'monai', 'matplotlib', 'SimpleITK', 'wandb'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: pcrnet {command}" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"pcrnet {__version__}\n"


NO_TABLE = "{tmp}/nowhere.csv"
BAD = {
    "unknown key": (["train", "training.max_epoch=3"], "did you mean training.max_epochs"),
    "bad value": (["train", "training.max_epochs=0"], "training.max_epochs"),
    "dashed override": (["train", "--training.max_epochs=zero"], "training.max_epochs"),
    "no such config": (["train", "{tmp}/nowhere.yaml"], "nowhere.yaml"),
    "neither": (["train", "fast"], "section.key=value"),
    "no cohort to train": (["train", f"data.cohort={NO_TABLE}", "run.root={tmp}"], "nowhere.csv"),
    "no cohort to check": (["check", NO_TABLE], "nowhere.csv"),
    "no bundle": (["predict", "{tmp}", NO_TABLE, "-o", "{tmp}/p.csv"], "checksums.json"),
    "no run": (["evaluate", "{tmp}/nowhere"], "nowhere"),
    "nothing to evaluate": (["evaluate", "--out", "{tmp}/out"], "name one thing to evaluate"),
    "a bundle beside a table": (
        ["evaluate", "--predictions", "{tmp}/p.csv", "--out", "{tmp}/o", "--bundle", "{tmp}/b"],
        "field --bundle: plays no part where a table is evaluated",
    ),
    "another folder for a run": (
        ["evaluate", "{tmp}", "--out", "{tmp}/o"],
        "field --out: plays no part where a run",
    ),
    "nowhere to write": (["evaluate", "--predictions", "{tmp}/p.csv"], "--out"),
    "no predictions": (
        ["evaluate", "--predictions", "{tmp}/nowhere.csv", "--out", "{tmp}/out"],
        "nowhere.csv",
    ),
    "too small a trial": (["simulate", "{tmp}/trial", "--patients", "3"], "--patients"),
    "an endless name": (["import", "bids", "n" * 300, "{tmp}/out"], "File name too long"),
    "no series": (["convert", "{tmp}/nowhere", "{tmp}/out.nii.gz", "--as", "pet"], "error"),
}


@pytest.mark.parametrize(("arguments", "told"), BAD.values(), ids=BAD)
def test_bad_input_ends_with_a_message_and_exit_code_2(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    code = main([argument.format(tmp=tmp_path) for argument in arguments])
    shown = capsys.readouterr()
    assert code == 2
    assert "error:" in shown.err
    assert told in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_options_of_another_command_are_refused() -> None:
    with pytest.raises(SystemExit) as end:
        main(["predict", "bundle", "cohort.csv", "-o", "p.csv", "--training.max_epochs=3"])
    assert end.value.code == 2


UNWRITABLE = {
    "check": ["check", NO_TABLE, "--pictures", "{file}/sheets"],
    "convert": ["convert", "{tmp}", "{file}/a.nii.gz", "--as", "pet"],
    "kinetics": ["kinetics", "{tmp}", "{file}"],
    "simulate": ["simulate", "{file}/trial", "--patients", "10"],
    "import": ["import", "bids", "{tmp}", "{file}/out"],
    "evaluate": ["evaluate", "--predictions", "{tmp}/p.csv", "--out", "{file}/out"],
    "train": ["train", "run.root={file}"],
}


@pytest.mark.parametrize("arguments", UNWRITABLE.values(), ids=UNWRITABLE)
def test_an_output_below_a_file_is_refused_by_every_command(
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    (tmp_path / "file").touch()
    places = {"tmp": tmp_path, "file": tmp_path / "file"}
    assert main([argument.format(**places) for argument in arguments]) == 2
    assert "a file stands where a folder is needed" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_a_script_refuses_bad_input_with_exit_code_2(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / script), str(tmp_path / "nowhere"), "run.nam=x"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
