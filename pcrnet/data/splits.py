"""Folds of patients: made once, written down, and the same whatever the order of the table."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pcrnet.cohort.table import Patient
from pcrnet.errors import CohortError, IntegrityError
from pcrnet.storage import read_record, sha256_json, taking_apart, write_json

_RESTORE = "restore the file, or start a new run under another run.name"


@dataclass(frozen=True)
class Splits:
    """Which fold each patient is in.

    Attributes:
        folds: Number of folds.
        fold_of: Patient to fold, 0 … folds − 1.
    """

    folds: int
    fold_of: dict[str, int]

    @property
    def sha256(self) -> str:
        """Digest of the assignment; it names the splits in every record that rests on them."""
        return sha256_json({"folds": self.folds, "fold_of": self.fold_of})

    def members(self, fold: int) -> list[str]:
        """The patients of one fold, in the order of their names."""
        return sorted(patient for patient, own in self.fold_of.items() if own == fold)

    def write(self, path: Path) -> None:
        """Write the assignment with its digest."""
        fold_of = dict(sorted(self.fold_of.items()))
        write_json(path, {"sha256": self.sha256, "folds": self.folds, "fold_of": fold_of})


def read_splits(path: Path) -> Splits:
    """Read splits and check them against their digest.

    Raises:
        IntegrityError: The file was damaged or altered after it was written.
    """
    data = read_record(path, remedy=_RESTORE)
    with taking_apart(path, remedy=_RESTORE):
        splits = Splits(folds=data["folds"], fold_of=data["fold_of"])
        if splits.sha256 == data["sha256"]:
            return splits
    raise IntegrityError(
        "the splits differ from the digest written beside them", file=path, remedy=_RESTORE
    )


def make_splits(
    patients: Sequence[Patient], folds: int, seed: int, group: Literal["patient", "site"]
) -> Splits:
    """Assign every patient to a fold.

    ``patient``: patients are sorted by outcome cell, then site, then a keyed hash of their name,
    and dealt out in turn, so that fold sizes and those of every outcome cell differ by one at most,
    and sites are spread as evenly as the outcomes allow. ``site``: whole sites are dealt
    out, the largest first, each to the smallest fold so far.

    Neither depends on the order of the table: a row moved or appended elsewhere moves nobody for
    a reason other than balance.

    Raises:
        CohortError: Fewer patients, or sites, than folds; or a patient without a site.
    """
    if len(patients) < folds:
        raise CohortError(
            f"{folds} folds need at least {folds} patients, found {len(patients)}",
            field="evaluation.folds",
            remedy="lower evaluation.folds or add patients",
        )
    if group == "site":
        return Splits(folds, _deal_sites(patients, folds, seed))
    ordered = sorted(
        patients,
        key=lambda patient: (
            patient.outcome.allowed_cells,
            patient.site or "",
            _keyed_hash(seed, patient.patient_id),
        ),
    )
    return Splits(
        folds, {patient.patient_id: index % folds for index, patient in enumerate(ordered)}
    )


def _deal_sites(patients: Sequence[Patient], folds: int, seed: int) -> dict[str, int]:
    members: defaultdict[str, list[str]] = defaultdict(list)
    for patient in patients:
        if patient.site is None:
            raise CohortError(
                "has no site, but evaluation.group is site",
                patient=patient.patient_id,
                field="site",
                remedy="fill in the site, or set evaluation.group=patient",
            )
        members[patient.site].append(patient.patient_id)
    if len(members) < folds:
        raise CohortError(
            f"{folds} folds of whole sites need at least {folds} sites, found {len(members)}",
            field="evaluation.group",
            remedy="lower evaluation.folds, or set evaluation.group=patient",
        )
    sizes: Counter[int] = Counter(dict.fromkeys(range(folds), 0))
    fold_of: dict[str, int] = {}
    for site in sorted(members, key=lambda site: (-len(members[site]), _keyed_hash(seed, site))):
        fold = min(sizes, key=lambda fold: (sizes[fold], fold))
        sizes[fold] += len(members[site])
        fold_of |= dict.fromkeys(members[site], fold)
    return fold_of


def _keyed_hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
