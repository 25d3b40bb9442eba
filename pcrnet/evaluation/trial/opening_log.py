"""The ledger of a locked test set: who opened it, with what, and whether it was the first time.

A confirmatory test set may be looked at once. The ledger is a JSON file that lives beside the
protocol; each opening is chained to the one before by its digest, so that an entry that was changed
or taken out is noticed. Opening it again with the same predictions adds nothing; opening it with
others does, and every later report shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pcrnet.errors import IntegrityError
from pcrnet.storage import read_record, sha256_json, taking_apart, write_json

_FIRST = "0" * 64


@dataclass(frozen=True)
class Opening:
    """One look at the locked test set."""

    opened: str
    """UTC, ISO 8601."""
    patients: int
    patients_sha256: str
    """Digest of the sorted patient identifiers with their outcomes."""
    predictions_sha256: str
    version: str
    """Of pcrnet."""
    previous_sha256: str

    @property
    def sha256(self) -> str:
        """Digest of this entry, which the next one holds."""
        return sha256_json(asdict(self))


def read_openings(ledger: Path) -> tuple[Opening, ...]:
    """The openings so far, oldest first; none where there is no ledger yet.

    Raises:
        IntegrityError: The ledger is damaged, or an entry was changed or removed.
    """
    if not ledger.exists():
        return ()
    remedy = "restore it from the version under source control; never start a new one"
    record = read_record(ledger, remedy=remedy)
    with taking_apart(ledger, remedy=remedy):
        openings = tuple(Opening(**entry) for entry in record["openings"])
    expected = _FIRST
    for number, opening in enumerate(openings, start=1):
        if opening.previous_sha256 != expected:
            raise IntegrityError(
                f"entry {number} does not follow from the one before: the ledger was altered",
                file=ledger,
                remedy="restore it from the version under source control",
            )
        expected = opening.sha256
    return openings


def record_opening(
    ledger: Path,
    *,
    patients: Sequence[tuple[str, Sequence[int | None]]],
    predictions_sha256: str,
    version: str,
    now: datetime | None = None,
) -> tuple[Opening, ...]:
    """Add this look to the ledger, unless the same predictions were already looked at.

    Args:
        ledger: JSON file, made when it does not exist.
        patients: Identifier and known outcomes of each patient.
        predictions_sha256: Digest of the predictions table.
        version: Of pcrnet.
        now: Time of the opening; the clock's when None.

    Returns:
        All openings, oldest first.

    Raises:
        IntegrityError: The ledger is damaged or was altered.
    """
    openings = read_openings(ledger)
    if any(opening.predictions_sha256 == predictions_sha256 for opening in openings):
        return openings
    opening = Opening(
        opened=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        patients=len(patients),
        patients_sha256=sha256_json(sorted([name, list(known)] for name, known in patients)),
        predictions_sha256=predictions_sha256,
        version=version,
        previous_sha256=openings[-1].sha256 if openings else _FIRST,
    )
    openings = (*openings, opening)
    write_json(ledger, {"openings": [asdict(entry) for entry in openings]})
    return openings
