"""Whether a bundle at its destination is what was judged: its sums, its answers, its signature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pcrnet.deploy.golden import CASES
from pcrnet.deploy.manifest import CHECKSUMS_FILE
from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.deploy.signing import Signature, read_public_key, require_signature
from pcrnet.storage import read_record


@dataclass(frozen=True)
class Verification:
    """What was found in order.

    Attributes:
        name: Of the run that made the bundle.
        digest: Of the bundle.
        files: How many agree with their sums.
        golden_cases: How many were answered as by who wrote the bundle.
        signature: The signature that fits; None where there is none.
        simulated: Whether the bundle was trained on a simulated trial.
    """

    name: str
    digest: str
    files: int
    golden_cases: int
    signature: Signature | None
    simulated: bool

    def lines(self) -> Iterator[str]:
        """The findings, one a line."""
        yield f"bundle {json.dumps(self.name)}, sha256 {self.digest}"
        yield f"sums: {self.files} files are as they were written"
        yield f"golden cases: {self.golden_cases} are read and answered as by who wrote the bundle"
        if self.signature is None:
            yield "signature: none; compare the digest with the one that was written down"
        elif self.signature.known:
            yield f"signature: by the key that was asked for ({self.signature.key})"
        else:
            yield f"signature: fits the key {self.signature.key}; whose that is, --key tells"
        if self.simulated:
            yield "trained on a simulated trial: not for patients"


def verify_bundle(
    directory: Path, *, device: str = "cpu", sha256: str | None = None, key: Path | None = None
) -> Verification:
    """Check everything that a bundle says of itself, and who vouches for it.

    Args:
        directory: The bundle.
        device: Where the golden cases are computed.
        sha256: The digest that it must have.
        key: Public key of whoever must have signed it.

    Raises:
        PcrnetError: As :func:`~pcrnet.deploy.prediction.predictor.load_predictor` and
            :func:`~pcrnet.deploy.signing.require_signature`.
    """
    public = None if key is None else read_public_key(key)
    signature = require_signature(directory, public)
    predictor = load_predictor(directory, device, sha256=sha256)
    manifest = predictor.bundle.manifest
    return Verification(
        name=manifest.name,
        digest=predictor.bundle.sha256,
        files=len(read_record(directory / CHECKSUMS_FILE)),
        golden_cases=len(CASES),
        signature=signature,
        simulated=manifest.simulated,
    )
