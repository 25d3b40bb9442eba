"""A signature vouches for every byte of a bundle, and cryptography's own verifier agrees."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from pcrnet.deploy.manifest import SIGNATURE_FILE, bundle_digest, read_manifest
from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.deploy.signing import (
    read_passphrase,
    read_private_key,
    read_public_key,
    require_approved,
    require_signature,
    sign_bundle,
)
from pcrnet.errors import ConfigError, IntegrityError
from pcrnet.storage import sha256_file


def private_pem(key, secret: bytes | None = None) -> bytes:
    cipher = (
        serialization.NoEncryption()
        if secret is None
        else serialization.BestAvailableEncryption(secret)
    )
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, cipher)


def public_pem(key) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    key = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(private_pem(key))
    (tmp_path / "public.pem").write_bytes(public_pem(key))
    return tmp_path / "key.pem", tmp_path / "public.pem"


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))


@pytest.fixture
def signed(bundle: Path, keys: tuple[Path, Path]) -> Path:
    sign_bundle(bundle, read_private_key(keys[0]))
    return bundle


def test_a_signed_bundle_keeps_its_digest_and_is_still_read(
    signed: Path, small_bundle: Path, keys: tuple[Path, Path]
) -> None:
    assert bundle_digest(signed) == bundle_digest(small_bundle)
    assert load_predictor(signed, key=keys[1]).bundle.sha256 == bundle_digest(signed)
    found = require_signature(signed, read_public_key(keys[1]))
    assert found is not None
    assert found.known
    unknown = require_signature(signed, None)
    assert unknown is not None
    assert (unknown.key, unknown.known) == (found.key, False)


def test_openssl_accepts_the_signature(signed: Path, keys: tuple[Path, Path]) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    record = json.loads((signed / SIGNATURE_FILE).read_text())
    folder = signed.parent
    (folder / "message").write_bytes(
        b"pcrnet bundle 1\n" + (signed / "checksums.json").read_bytes()
    )
    (folder / "signature").write_bytes(base64.b64decode(record["signature"]))
    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(keys[1]), "-rawin", "-in",
         str(folder / "message"), "-sigfile", str(folder / "signature")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_altered_and_resealed_bundle_is_refused(signed: Path, keys: tuple[Path, Path]) -> None:
    (signed / "model_card.md").write_text("Good for everybody.")
    sums = json.loads((signed / "checksums.json").read_text())
    sums["model_card.md"] = sha256_file(signed / "model_card.md")
    (signed / "checksums.json").write_text(json.dumps(sums))
    load_predictor(signed)  # the sums themselves agree
    for key in (keys[1], None):
        with pytest.raises(IntegrityError, match="does not fit"):
            require_signature(signed, None if key is None else read_public_key(key))


def test_the_signature_of_somebody_else_is_refused(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "other.pem").write_bytes(private_pem(other))
    sign_bundle(signed, read_private_key(tmp_path / "other.pem"))
    with pytest.raises(IntegrityError, match="signed by the key"):
        load_predictor(signed, key=keys[1])


def test_an_unsigned_bundle_is_refused_where_a_signature_is_asked_for(
    bundle: Path, keys: tuple[Path, Path]
) -> None:
    assert require_signature(bundle, None) is None
    with pytest.raises(IntegrityError, match="not signed"):
        load_predictor(bundle, key=keys[1])


def test_nobody_vouches_for_a_damaged_bundle(bundle: Path, keys: tuple[Path, Path]) -> None:
    (bundle / "model_card.md").write_text("other")
    with pytest.raises(IntegrityError, match=r"model_card\.md"):
        sign_bundle(bundle, read_private_key(keys[0]))
    assert not (bundle / SIGNATURE_FILE).exists()


def test_no_byte_of_any_file_can_be_changed(signed: Path, keys: tuple[Path, Path]) -> None:
    """The sums find what is altered, the signature what is altered and resealed."""
    for path in sorted(path for path in signed.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            altered = bytearray(whole)
            altered[place] ^= 0x01
            path.write_bytes(altered)
            with pytest.raises(IntegrityError):
                _use(signed, keys[1])
        path.write_bytes(whole)
    _use(signed, keys[1])


def test_a_file_more_or_less_is_refused(signed: Path, keys: tuple[Path, Path]) -> None:
    added = signed / "golden" / "added.txt"
    added.write_text("x")
    with pytest.raises(IntegrityError, match="was not written with it"):
        _use(signed, keys[1])
    added.unlink()
    (signed / "model_card.md").unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        _use(signed, keys[1])


def test_the_signature_of_another_bundle_by_the_same_key_is_refused(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other = Path(shutil.copytree(signed, tmp_path / "other"))
    card = other / "model_card.md"
    card.write_text(card.read_text() + "better\n")
    sums = json.loads((other / "checksums.json").read_text())
    sums["model_card.md"] = sha256_file(card)
    (other / "checksums.json").write_text(json.dumps(sums))
    sign_bundle(other, read_private_key(keys[0]))
    _use(other, keys[1])
    shutil.copyfile(signed / SIGNATURE_FILE, other / SIGNATURE_FILE)
    with pytest.raises(IntegrityError, match="does not fit"):
        _use(other, keys[1])


def test_a_signature_that_was_taken_off_is_missed(signed: Path, keys: tuple[Path, Path]) -> None:
    (signed / SIGNATURE_FILE).unlink()
    with pytest.raises(IntegrityError, match="is not signed"):
        _use(signed, keys[1])


def _use(bundle: Path, key: Path) -> None:
    """As every command does before it uses a bundle."""
    require_approved(bundle, key=key)
    read_manifest(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.pop("signature"),
        lambda r: r.update(signature="x"),
        lambda r: r.update(signature=base64.b64encode(bytes(64)).decode()),
        lambda r: r.update(public_key=base64.b64encode(bytes(5)).decode()),
        lambda r: r.update(public_key=None),
        lambda r: r.update(algorithm="none"),
    ],
)
def test_a_damaged_signature_is_refused(signed: Path, keys: tuple[Path, Path], change) -> None:
    record = json.loads((signed / SIGNATURE_FILE).read_text())
    change(record)
    (signed / SIGNATURE_FILE).write_text(json.dumps(record))
    for key in (read_public_key(keys[1]), None):
        with pytest.raises(IntegrityError):
            require_signature(signed, key)


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    path, secret = tmp_path / "key.pem", tmp_path / "secret"
    path.write_bytes(private_pem(key, b"a long one"))
    secret.write_bytes(b"a long one\r\nand a second line\n")
    assert read_private_key(path, read_passphrase(secret)).private_bytes_raw() == (
        key.private_bytes_raw()
    )
    for wrong in (None, b"another"):
        with pytest.raises(ConfigError):
            read_private_key(path, wrong)
    path.write_bytes(private_pem(key))
    with pytest.raises(ConfigError, match="not encrypted"):
        read_private_key(path, b"a long one")


def test_keys_of_other_kinds_are_refused(keys: tuple[Path, Path], tmp_path: Path) -> None:
    strange = rsa.generate_private_key(65537, 2048)
    path = tmp_path / "rsa.pem"
    path.write_bytes(private_pem(strange))
    with pytest.raises(ConfigError, match="not for Ed25519"):
        read_private_key(path)
    path.write_bytes(public_pem(strange))
    with pytest.raises(ConfigError, match="not for Ed25519"):
        read_public_key(path)
    for wrong in (keys[0], tmp_path, tmp_path / "none.pem"):
        with pytest.raises(ConfigError):
            read_public_key(wrong)
    with pytest.raises(ConfigError):
        read_private_key(keys[1])
