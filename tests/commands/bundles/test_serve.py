"""What keeps a server from starting is said before anything is read."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pcrnet.cli import main


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["serve", *arguments]) == 2
    return capsys.readouterr().err


def test_a_port_that_is_taken_is_named(
    small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "--host, --port" in said(capsys, str(small_bundle), "--port", port)
    assert "--port" in said(capsys, str(small_bundle), "--port", "99999")


def test_limits_tokens_and_workers_are_checked(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(small_bundle)
    assert "--max-seconds" in said(capsys, bundle, "--max-seconds", "0")
    assert "--workers" in said(capsys, bundle, "--workers", "0")
    (tmp_path / "token").write_text("short\n")
    assert "--token-file" in said(capsys, bundle, "--token-file", str(tmp_path / "token"))
    assert "token" in said(capsys, bundle, "--token-file", str(tmp_path / "none"))


def test_what_is_no_bundle_is_not_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "checksums.json" in said(capsys, str(tmp_path), "--port", "0")


def test_without_the_libraries_the_extra_is_named(
    small_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcrnet.extras.find_spec", lambda _: None)
    assert "pcrnet[serve]" in said(capsys, str(small_bundle))
