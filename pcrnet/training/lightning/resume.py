"""Where a fit that was cut goes on: only from its own checkpoint, whole, and of the same data.

A checkpoint is one file whose name says what it continues and what it holds,
``resume.<fingerprint>.<SHA-256>.ckpt``: it is there whole or not at all, and no record beside it
can be lost or disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pcrnet.drafts import draft_of
from pcrnet.storage import atomic_path, sha256_file, writing_to

_PATTERN = "resume.*"


@dataclass(frozen=True)
class Start:
    """Where a fit begins.

    Attributes:
        fingerprint: Of the fit.
        checkpoint: To continue from; None begins afresh.
        remark: Why a checkpoint that was there is left aside; empty where none was.
    """

    fingerprint: str
    checkpoint: Path | None
    remark: str = ""


def find_start(directory: Path, fingerprint: str) -> Start:
    """The checkpoint of this fit, or why there is none.

    Args:
        directory: Folder of the fit; nothing outside it is looked at.
        fingerprint: Of code, settings and training data (:mod:`pcrnet.training.fit`).
    """
    found = sorted(directory.glob(_PATTERN))
    own = [path for path in found if path.name.startswith(_stem(fingerprint))]
    for path in own:
        if path.is_file() and path.name == _name(fingerprint, sha256_file(path)):
            return Start(fingerprint, path)
    if own:
        return Start(fingerprint, None, "its resume point is damaged")
    if found:
        return Start(
            fingerprint,
            None,
            "its resume point is of other scans, outcomes, covariates, settings or code",
        )
    return Start(fingerprint, None)


def forget(directory: Path) -> None:
    """Remove what a finished or discarded beginning left, half-written files of a kill included."""
    for pattern in (_PATTERN, ".*.partial.*"):
        for path in directory.glob(pattern):
            path.unlink(missing_ok=True)


def keep(directory: Path, fingerprint: str, save: Callable[[Path], None]) -> None:
    """Let ``save`` write a checkpoint, and forget those before it once the new one is on disk."""
    before = list(directory.glob(_PATTERN))
    draft = draft_of(directory / "resume")
    try:
        with writing_to(draft):
            save(draft)
        kept = directory / _name(fingerprint, sha256_file(draft))
        with atomic_path(kept) as temporary:
            draft.replace(temporary)
    finally:
        draft.unlink(missing_ok=True)
    for path in before:
        if path != kept:
            path.unlink()


def _stem(fingerprint: str) -> str:
    return f"resume.{fingerprint[:16]}."


def _name(fingerprint: str, digest: str) -> str:
    return f"{_stem(fingerprint)}{digest}.ckpt"
