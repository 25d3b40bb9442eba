from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pcrnet.cli import main


@pytest.fixture
def keys(tmp_path: Path) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(private)], check=True
    )
    subprocess.run(
        ["openssl", "pkey", "-in", str(private), "-pubout", "-out", str(public)], check=True
    )
    return str(private), str(public)


def test_a_bundle_is_signed_and_verified_with_the_keys_of_openssl(
    small_bundle: Path, keys: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(shutil.copytree(small_bundle, tmp_path / "bundle"))
    assert main(["verify", bundle, "--key", keys[1]]) == 2
    assert "not signed" in capsys.readouterr().err
    assert main(["sign", bundle, "--key", keys[0]]) == 0
    fingerprint = capsys.readouterr().out.split()[-1]
    assert main(["verify", bundle, "--key", keys[1]]) == 0
    assert fingerprint in capsys.readouterr().out
    cohort = str(small_bundle / "golden" / "cohort.csv")
    assert main(["predict", bundle, cohort, "--json", "--key", keys[1]]) == 0


def test_a_key_that_is_none_is_refused_before_a_run_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", f"run.root={tmp_path / 'runs'}", "--sign", str(tmp_path)]) == 2
    assert "key" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
