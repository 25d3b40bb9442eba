from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pcrnet.deploy.signing import sign_bundle
from pcrnet.deploy.verification import verify_bundle
from pcrnet.errors import IntegrityError, PcrnetError


def test_a_whole_bundle_is_said_to_be_whole_and_unsigned(small_bundle: Path) -> None:
    found = verify_bundle(small_bundle)
    files = {path for path in small_bundle.rglob("*") if path.is_file()}
    assert found.files == len(files) - 1
    assert (found.golden_cases, found.signature, found.simulated) == (3, None, True)
    text = "\n".join(found.lines())
    assert found.digest in text
    assert "signature: none" in text
    assert "not for patients" in text


def test_the_key_decides_what_a_signature_says(small_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(small_bundle, tmp_path / "bundle"))
    key = Ed25519PrivateKey.generate()
    sign_bundle(bundle, key)
    public = tmp_path / "public.pem"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    assert "by the key that was asked for" in "\n".join(verify_bundle(bundle, key=public).lines())
    assert "--key tells" in "\n".join(verify_bundle(bundle).lines())
    with pytest.raises(IntegrityError, match="not signed"):
        verify_bundle(small_bundle, key=public)


def test_another_digest_is_refused(small_bundle: Path) -> None:
    with pytest.raises(IntegrityError, match="digest"):
        verify_bundle(small_bundle, sha256="0" * 64)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PcrnetError):
        verify_bundle(tmp_path)
