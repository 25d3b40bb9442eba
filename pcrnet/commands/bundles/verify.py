"""``pcrnet sign`` and ``pcrnet verify``: who vouches for a bundle, and whether it is whole."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pcrnet.commands.bundles.bundle_use import add_bundle_checks
from pcrnet.commands.registry import Commands
from pcrnet.run.progress_bar import ProgressBar


def register(commands: Commands) -> None:
    """Add the commands and their options."""
    sign = commands.add("sign", _sign, "sign a bundle that was judged (Ed25519)")
    sign.add_argument("bundle", type=Path, metavar="BUNDLE")
    sign.add_argument(
        "--key",
        type=Path,
        required=True,
        metavar="PRIVATE.pem",
        help="openssl genpkey -algorithm ed25519 -out PRIVATE.pem",
    )
    sign.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="its first line opens an encrypted key",
    )

    verify = commands.add(
        "verify", _verify, "check a bundle at its destination: sums, golden cases, signature"
    )
    verify.add_argument("bundle", type=Path, metavar="BUNDLE")
    verify.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    add_bundle_checks(verify)


def _sign(options: argparse.Namespace) -> None:
    from pcrnet.deploy.signing import read_passphrase, read_private_key, sign_bundle

    secret = None if options.passphrase_file is None else read_passphrase(options.passphrase_file)
    signature = sign_bundle(options.bundle, read_private_key(options.key, secret))
    sys.stdout.write(f"signed by the key {signature.key}\n")


def _verify(options: argparse.Namespace) -> None:
    from pcrnet.deploy.verification import verify_bundle

    with ProgressBar("checking the bundle"):
        found = verify_bundle(
            options.bundle, device=options.device, sha256=options.sha256, key=options.key
        )
    sys.stdout.write("".join(f"{line}\n" for line in found.lines()))
