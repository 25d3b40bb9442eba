"""``pcrnet train`` as it is typed; the run itself is tested where it is made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pcrnet.cli import main
from pcrnet.config.experiment import Experiment
from pcrnet.run import pipeline
from pcrnet.run.pipeline import RunResult
from pcrnet.training.events import EpochReport


@pytest.fixture
def trained(small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Lets a run end at once with a bundle and metrics; holds the experiments that were asked."""
    asked: list[Any] = []

    def train(experiment: Experiment, *listeners: Any) -> RunResult:
        asked.append(experiment)
        for listener in listeners:
            listener(EpochReport("without-0", 1, 1, 0.5))
        run = experiment.run.directory
        report = run / "report" / "index.html"
        report.parent.mkdir(parents=True)
        estimate = {"value": 0.75, "low": 0.5, "high": 0.875, "n": 40}
        metrics = {"heads": {"yT0": {"auc": estimate}}}
        report.with_name("metrics.json").write_text(json.dumps(metrics))
        return RunResult(run, report, Path(shutil.copytree(small_bundle, run / "bundle")))

    monkeypatch.setattr(pipeline, "train", train)
    monkeypatch.setattr("pcrnet.commands.training.train.begin_early", lambda experiment: None)
    return asked


def test_settings_in_any_form_reach_the_run_and_its_end_is_told(
    trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("training: {max_epochs: 3, batch_size: 5}\n")
    settings = [f"run.root={tmp_path}", "--run.name=mine", "tracking.loggers=[csv]"]
    assert main(["train", str(file), *settings, "training.max_epochs=4"]) == 0
    (experiment,) = trained
    assert (experiment.training.max_epochs, experiment.training.batch_size) == (4, 5)
    said = capsys.readouterr().err
    assert "cross-validated AUC(yT0): 0.750 (0.500 to 0.875), n = 40" in said
    assert str(tmp_path / "mine" / "bundle") in said
    tracking = tmp_path / "mine" / "tracking"
    assert "without-0,epoch,1,loss,0.5" in (tracking / "curves.csv").read_text()
    assert "yT0/auc,0.75" in (tracking / "metrics.csv").read_text()


def test_a_bundle_is_signed_when_it_is_made(
    trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    settings = [f"run.root={tmp_path}", "run.name=signed", "tracking.loggers=[]"]
    assert main(["train", *settings, "--sign", str(private)]) == 0
    bundle = str(tmp_path / "signed" / "bundle")
    assert main(["verify", bundle, "--key", str(public)]) == 0
    capsys.readouterr()
