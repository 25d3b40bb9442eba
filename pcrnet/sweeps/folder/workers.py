"""Who is at work on a sweep: one file a worker, touched as long as the worker lives.

Clocks of several machines may differ by more than a worker is given, so that no time of another
machine is ever compared with one of this machine: a worker is dead when its file has not changed
for so long by the watcher's own clock. On the machine itself, a process that is gone is dead at
once.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pcrnet.errors import IntegrityError
from pcrnet.storage import read_record, write_json

BEAT_S = 5.0
_PROC = Path("/proc")
_ENDED = "ended"


def machine_name() -> str:
    """Of this machine and name space of processes, not to be mistaken for another's; or empty.

    Empty where the system has no ``/proc``: then nobody can tell who of this machine has died.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def process_start(pid: int) -> str | None:
    """When a process of this machine began, in ticks since its start; None if it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    after_name = text[text.rindex(")") + 2 :].split()
    state, start = after_name[0], after_name[19]
    return None if state in ("Z", "X") else start


@dataclass
class WorkerFile:
    """This process as the others see it; touched by a thread between :meth:`at_work`'s ends.

    Attributes:
        folder: Where all workers have their files.
        name: Of the worker; no other is ever called so.
        beat_s: Seconds between two touches.
        on_beat: Called at each of them, in the thread.
    """

    folder: Path
    name: str = field(
        default_factory=lambda: f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"
    )
    beat_s: float = BEAT_S
    on_beat: Callable[[], None] = lambda: None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Be seen to be alive for the length of the block."""
        path = self.folder / f"{self.name}.json"
        record: dict[str, object] = {
            "machine": machine_name(),
            "pid": os.getpid(),
            "start": process_start(os.getpid()),
        }
        write_json(path, record)
        record["began"] = path.stat().st_mtime  # by the clock of the folder's own machine
        write_json(path, record)
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(path, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=5.0)
            with suppress(OSError, IntegrityError):
                write_json(path, record | {_ENDED: path.stat().st_mtime})

    def _beat(self, path: Path, stop: threading.Event) -> None:
        while not stop.wait(self.beat_s):
            with suppress(OSError):  # the file system may be away for a while
                os.utime(path)
            self.on_beat()


class Watcher:
    """Tells who of the workers has died.

    Args:
        folder: Where all workers have their files.
        patience_s: Seconds without a sign of life.
        clock: Seconds that only grow.
    """

    def __init__(
        self, folder: Path, patience_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._patience_s, self._clock = folder, patience_s, clock
        self._machine = machine_name()
        self._seen: dict[str, tuple[float, float]] = {}

    def is_dead(self, worker: str) -> bool:
        """Whether nothing more is to be expected of a worker."""
        path = self._folder / f"{worker}.json"
        try:
            # Opening makes a network file system ask its server for the time of the last change.
            with path.open("rb") as stream:
                touched = os.fstat(stream.fileno()).st_mtime
            record = read_record(path)
        except (OSError, IntegrityError):
            touched, record = -1.0, {}
        if _ENDED in record or self._is_gone(record):
            return True
        now = self._clock()
        before, since = self._seen.get(worker, (None, now))
        if before != touched:
            since = now
        self._seen[worker] = (touched, since)
        return now - since > self._patience_s

    def _is_gone(self, record: dict[str, object]) -> bool:
        """Whether it was a process of this machine and has ended."""
        pid, start = record.get("pid"), record.get("start")
        if not self._machine or record.get("machine") != self._machine or not isinstance(pid, int):
            return False
        return process_start(pid) != start


def hours_at_work(folder: Path) -> float:
    """Hours in which at least one worker was at work, by the clock of the folder's machine."""
    spans = []
    for path in folder.glob("*.json"):
        with suppress(OSError, IntegrityError, KeyError, TypeError):
            record = read_record(path)
            spans.append((float(record["began"]), float(record.get(_ENDED, path.stat().st_mtime))))
    total, reached = 0.0, float("-inf")
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return total / 3600.0
