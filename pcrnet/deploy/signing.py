"""Signatures of bundles: who vouches for one, which its own sums cannot say.

Ed25519 (RFC 8032) over the bytes of ``checksums.json``, which holds the digest of every file. A
signature stands beside them in ``signature.json``; it is no part of what it signs, and the digest
of a bundle is the same with and without it.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcrnet.deploy.manifest import CHECKSUMS_FILE, SIGNATURE_FILE, bundle_digest
from pcrnet.errors import ConfigError, IntegrityError
from pcrnet.extras import require_extra
from pcrnet.storage import read_bounded, read_record, taking_apart, write_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_ALGORITHM = "ed25519"
_CONTEXT = b"pcrnet bundle 1\n"
"""What is signed begins with it, so that no signature made for something else fits."""
_MAX_KEY_BYTES = 1 << 16
_MAKE_KEY = "make one: openssl genpkey -algorithm ed25519 -out key.pem"


@dataclass(frozen=True)
class Signature:
    """A signature that fits its bundle.

    Attributes:
        key: Fingerprint of the key that made it.
        known: Whether that is the key that was asked for, not merely the one it names itself.
    """

    key: str
    known: bool


def read_private_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Read a private key (PEM, PKCS #8).

    Args:
        path: The file.
        passphrase: Of an encrypted key.

    Raises:
        ConfigError: It is no Ed25519 private key, or the passphrase is missing or wrong.
    """
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_key_bytes(path), passphrase)
    except TypeError as error:
        wanted = "is encrypted" if passphrase is None else "is not encrypted"
        raise ConfigError(
            f"the private key {wanted}", field="--key", remedy="--passphrase-file FILE"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            "the file holds no private key that can be read, or the passphrase is wrong",
            field="--key",
            remedy=_MAKE_KEY,
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("the private key is not for Ed25519", field="--key", remedy=_MAKE_KEY)
    return key


def read_passphrase(path: Path) -> bytes:
    """The first line of a file.

    Raises:
        ConfigError: It cannot be read.
    """
    return _key_bytes(path, "--passphrase-file").split(b"\n", 1)[0].rstrip(b"\r")


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key (PEM).

    Raises:
        ConfigError: It is no Ed25519 public key.
    """
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    remedy = "openssl pkey -in key.pem -pubout -out public.pem"
    try:
        key = load_pem_public_key(_key_bytes(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            "the file holds no public key that can be read", field="--key", remedy=remedy
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("the public key is not for Ed25519", field="--key", remedy=remedy)
    return key


def sign_bundle(directory: Path, key: Ed25519PrivateKey) -> Signature:
    """Sign a bundle whose files agree with their sums; an older signature is replaced.

    Raises:
        BundleError: The folder is no bundle.
        IntegrityError: A file is damaged: nobody should vouch for it.
        OutputError: The signature cannot be written.
    """
    from pcrnet.deploy.bundle import Bundle  # which brings torch; who checks needs none

    Bundle.read(directory)
    public = _raw(key.public_key())
    write_json(
        directory / SIGNATURE_FILE,
        {
            "algorithm": _ALGORITHM,
            "public_key": base64.b64encode(public).decode(),
            "signature": base64.b64encode(key.sign(_message(directory))).decode(),
        },
    )
    return Signature(_fingerprint(public), known=True)


def require_approved(directory: Path, *, sha256: str | None = None, key: Path | None = None) -> str:
    """Make sure that a bundle is the one that somebody judged.

    Args:
        directory: The bundle.
        sha256: Its digest, as it was written down then; None asks for none.
        key: File with the public key of whoever must have signed it; None asks for none.

    Returns:
        The digest.

    Raises:
        BundleError: The folder is no bundle.
        ConfigError: The file holds no such key.
        IntegrityError: It is another bundle, or lacks the signature.
    """
    digest = bundle_digest(directory)
    if sha256 is not None and digest != sha256.strip().lower():
        raise IntegrityError(
            f"its digest is {digest}, not the one that was asked for",
            file=directory,
            remedy="find the bundle that was meant; this one was made anew or altered",
        )
    if key is not None:
        require_signature(directory, read_public_key(key))
    return digest


def require_signature(directory: Path, key: Ed25519PublicKey | None) -> Signature | None:
    """Check the signature of a bundle.

    Args:
        directory: The bundle.
        key: Whose signature it must bear. Without, any signature has to fit the key that it names
            itself, which says that nothing was altered since, and not who signed.

    Returns:
        The signature; None where there is none and none was asked for.

    Raises:
        IntegrityError: There is none, it was made by another key, or it does not fit.
    """
    path = directory / SIGNATURE_FILE
    if not path.exists():
        if key is None:
            return None
        raise IntegrityError(
            "the bundle is not signed",
            file=directory,
            remedy="ask whoever judged it for the signed bundle (pcrnet sign)",
        )
    _require_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    record = read_record(path)
    with taking_apart(path):
        if record["algorithm"] != _ALGORITHM:
            raise ValueError("its algorithm is not known")
        stated = base64.b64decode(record["public_key"], validate=True)
        signature = base64.b64decode(record["signature"], validate=True)
        own = Ed25519PublicKey.from_public_bytes(stated)
    if key is not None and _raw(key) != stated:
        raise IntegrityError(
            f"the bundle was signed by the key {_fingerprint(stated)}, not by "
            f"{_fingerprint(_raw(key))}",
            file=directory,
            remedy="find out who signed it before it is used",
        )
    try:
        own.verify(signature, _message(directory))
    except InvalidSignature:
        raise IntegrityError(
            "the signature does not fit the bundle",
            file=directory,
            remedy="copy the bundle again from its source; it was altered after it was signed",
        ) from None
    return Signature(_fingerprint(stated), known=key is not None)


def _message(directory: Path) -> bytes:
    return _CONTEXT + read_bounded(directory / CHECKSUMS_FILE)


def _key_bytes(path: Path, option: str = "--key") -> bytes:
    try:
        return read_bounded(path, max_bytes=_MAX_KEY_BYTES)
    except IntegrityError as error:
        raise ConfigError("the file cannot be read", file=path, field=option) from error


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes_raw()


def _fingerprint(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:32]


def _require_cryptography() -> None:
    require_extra("sign", "cryptography", purpose="a signature")
