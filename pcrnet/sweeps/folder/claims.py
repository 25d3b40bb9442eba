"""Claims: of all workers on all machines that share a folder, one does a piece of work.

A claim is a file that is created atomically and never removed or renamed. Who takes over from a
dead worker creates the claim's next generation, which again one alone can do; the highest
generation is whose the work is. A worker that was only slow finds out at its next heartbeat, and
what it makes meanwhile lies where nobody looks.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pcrnet.storage import create_once
from pcrnet.sweeps.folder.workers import Watcher

_CLAIM = re.compile(r"(?P<name>.+)\.(?P<generation>\d+)")
_FREED = ".freed"


@dataclass(frozen=True)
class Claim:
    """The right to do a piece of work.

    Attributes:
        folder: Where the claims of its kind are.
        name: Of the work.
        generation: How often it was taken over.
    """

    folder: Path
    name: str
    generation: int

    def is_lost(self) -> bool:
        """Whether another worker has taken over."""
        return (self.folder / f"{self.name}.{self.generation + 1}").exists()

    def free(self) -> None:
        """Say that the work was left undone, so that others need not wait for this worker's end."""
        create_once(self.folder / f"{self.name}.{self.generation}{_FREED}", b"")


class Claims:
    """The claims of a sweep as one worker sees them.

    Args:
        folder: Of all claims; each group has a folder there.
        worker: Name of this worker.
        watcher: Tells who has died.
    """

    def __init__(self, folder: Path, worker: str, watcher: Watcher) -> None:
        self._folder, self._worker, self._watcher = folder, worker, watcher

    def take(self, group: str, name: str) -> Claim | None:
        """Claim a piece of work; None where somebody is at it."""
        folder = self._folder / group
        latest = self.generations(group).get(name)
        if latest is None:
            return self._create(folder, name, 0)
        if self._is_held(folder, name, latest):
            return None
        return self._create(folder, name, latest + 1)

    def held(self, group: str, besides: Collection[str] = ()) -> set[str]:
        """What other workers are at in a group; what is known to be done is not looked at."""
        folder = self._folder / group
        return {
            name
            for name, latest in self.generations(group).items()
            if name not in besides and self._is_held(folder, name, latest)
        }

    def generations(self, group: str) -> dict[str, int]:
        """Name to the latest generation of whatever was ever claimed in a group."""
        found: dict[str, int] = {}
        folder = self._folder / group
        for path in folder.iterdir() if folder.is_dir() else ():
            if match := _CLAIM.fullmatch(path.name):
                name, generation = match["name"], int(match["generation"])
                found[name] = max(generation, found.get(name, -1))
        return found

    def _is_held(self, folder: Path, name: str, generation: int) -> bool:
        path = folder / f"{name}.{generation}"
        if path.with_name(path.name + _FREED).exists():
            return False
        try:
            owner = path.read_text(encoding="utf-8")
        except OSError:
            return True
        if owner == self._worker:  # of an earlier try that ended in an error
            return False
        # A file system without links shows a claim for a moment before its owner's name.
        return not owner or not self._watcher.is_dead(owner)

    def _create(self, folder: Path, name: str, generation: int) -> Claim | None:
        made = create_once(folder / f"{name}.{generation}", self._worker.encode())
        return Claim(folder, name, generation) if made else None
