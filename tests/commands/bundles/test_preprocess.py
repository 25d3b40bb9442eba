"""``pcrnet preprocess`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcrnet.cli import main
from pcrnet.deploy.manifest import bundle_digest
from pcrnet.storage import read_record


def test_patients_become_arrays_and_who_is_refused_is_said(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "patients.npz"
    table = small_bundle / "golden" / "cohort.csv"
    assert main(["preprocess", str(small_bundle), str(table), str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    digest = bundle_digest(small_bundle)
    assert f"bundle sha256: {digest}" in said.err
    with np.load(out, allow_pickle=False) as file:
        held = dict(file)
    rows = len(table.read_text().splitlines()) - 1
    refused = sum(line.startswith("refused: ") for line in said.err.splitlines())
    assert len(held["patient_id"]) == rows - refused > 0
    size = read_record(small_bundle / "bundle.json")["imaging"]["size"]
    assert list(held["image"].shape[-3:]) == size
    assert held["present"].shape == held["image"].shape[:3]
    assert str(held["bundle_sha256"]) == digest


@pytest.mark.parametrize(
    ("out", "options", "told"),
    [
        ("patients.csv", [], "safetensors"),
        ("patients.npz", ["--bundle-sha256", "0" * 64], "not the one that was asked for"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    out: str,
    options: list[str],
    told: str,
    small_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = str(small_bundle / "golden" / "cohort.csv")
    assert main(["preprocess", str(small_bundle), table, str(tmp_path / out), *options]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
