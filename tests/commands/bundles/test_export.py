"""``pcrnet export`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.cli import main
from pcrnet.storage import read_record


@pytest.mark.slow
def test_the_graph_is_written_and_how_well_it_agrees_is_said(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "graph"
    assert main(["export", str(small_bundle), str(out), "--format", "torch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["pattern", "patients", "cells", "probs", "logits", "calls"]
    assert lines[-1] == str(out)
    worst = lines[-2].split()
    assert worst[:3] == ["greatest", "of", "all"]
    assert float(worst[-3]) < 1e-4
    assert worst[-1] == "0"
    assert read_record(out / "contract.json")["graph"]["file"] == "model.pt2"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--format", "torch", "--quantise", "int8"], "field --quantise: is for --format onnx"),
        (["--format", "onnx", "--aot"], "field --aot: is for --format torch"),
        (["--format", "onnx", "--license", "terms"], "field --license: is for --format monai"),
        (["--format", "onnx", "--bundle-sha256", "0" * 64], "not the one that was asked for"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    options: list[str],
    told: str,
    small_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["export", str(small_bundle), str(tmp_path / "out"), *options]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_form_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["export", "bundle", "out"])
    assert end.value.code == 2
    assert "--format" in capsys.readouterr().err
