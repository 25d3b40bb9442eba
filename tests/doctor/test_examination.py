"""``pcrnet doctor`` as it is typed."""

from __future__ import annotations

import shutil

import pytest

from pcrnet.cli import main
from pcrnet.doctor import examination
from pcrnet.doctor.convolution import ConvolutionCase, ConvolutionCheck

SMALL = [
    "imaging.size=[8,8,8]", "model.width=16", "model.encoder.widths=[8]",
    "model.encoder.blocks=[0]", "training.accelerator=cpu", "model.fusion.heads=2",
]  # fmt: skip


def test_it_says_what_a_cohort_needs_and_reads_no_image(tiny_trial, tmp_path, capsys):
    for path in tiny_trial.cohort.parent.glob("*.nii.gz"):
        assert path.is_file()
    settings = tiny_trial.settings(tmp_path, f"data.cache={tmp_path / 'tensors'}")
    assert main(["doctor", *settings]) == 0
    said = capsys.readouterr().out
    assert "tensors of 19 patients" in said
    assert "bf16: not used" in said
    assert tiny_trial.canary not in said
    assert not (tmp_path / "tensors").exists()


def test_what_cannot_fit_ends_with_two_and_all_of_it_in_words(tmp_path, capsys, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    assert main(["doctor", *SMALL, f"run.root={tmp_path}"]) == 2
    said = capsys.readouterr()
    assert "fits: " in said.out
    assert "does not fit on this machine" in said.err
    assert "data.cache" in said.err
    assert "run.root" in said.err


def test_reduced_precision_that_is_asked_for_is_checked(monkeypatch, capsys, tmp_path):
    case = ConvolutionCase((1, 1, 4, 4, 4), 1, 3)
    checks = [ConvolutionCheck(case, "output", 0.004)]
    monkeypatch.setattr(examination, "check_convolutions", lambda device: checks)
    arguments = ["doctor", *SMALL, "training.precision=bf16", f"run.root={tmp_path}"]
    assert main(arguments) == 0
    assert "1 convolutions agree with float32 to 0.4%" in capsys.readouterr().out
    checks.append(ConvolutionCheck(case, "weight gradient", float("nan")))
    assert main(arguments) == 0
    assert "weight gradient" in (said := capsys.readouterr().out)
    assert "bf16 is wrong on this device" in said


@pytest.mark.slow
def test_the_bench_takes_less_than_a_minute_and_leaves_nothing(tmp_path, capsys):
    assert main(["doctor", "--bench", *SMALL, f"run.root={tmp_path / 'runs'}"]) == 0
    said = capsys.readouterr().out
    for word in ("float32", "bf16", "memory, copying", "a step of", "disk, writing", "disk, read"):
        assert word in said
    assert list((tmp_path / "runs").iterdir()) == []
