"""Runs that are killed at random moments and started again until they are done.

python benchmarks/kills.py [--kills N] [--minutes M] [--seed S] [--folder DIR] [--out FILE.json]

A small run goes from a simulated trial to the report; SIGKILL, SIGTERM or SIGINT ends it at a
random moment of a random stage, and the same command goes on, some ten times a round, until it is
left alone to finish; then everything is removed and the next round begins. A fit or tensor that was
finished must never be made again, no process may be left behind, every file must have the
bytes of a run that nobody disturbed. With ``--out``, the kills of an earlier slice are added to
(give each slice a seed of its own).

Linux only (it looks for processes in /proc). One thread a process, so that bytes can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

os.environ |= {"OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}

from harness import describe_machine, publish

from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.run.pipeline import train
from pcrnet.storage import sha256_file
from pcrnet.training.demands import memory
from pcrnet.training.events import FitFinished, RunEvent, StageStarted
from pcrnet.training.lightning import callbacks

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
INTERRUPTED, FAILED, SURVIVED = 130, 1, -99
_PATIENCE_S = 60.0
_KILLS_A_ROUND = 10
_START = "start"
_SIDE_BY_SIDE = 0.3
"""Share of the starts that train two fits at a time; their processes take long to begin."""
_UNSTABLE = ("run.lock", "digests.json", "throughput.json")
"""Files that differ between any two runs: a lock, a memo of times and inodes, how long it took."""


def settings(root: Path) -> list[str]:
    """Arguments of the run: 18 patients, six fits."""
    return [
        f"run.root={root}",
        "run.name=killed",
        f"data.cache={root / 'tensors'}",
        "data.simulation.patients=18",
        "data.simulation.mri_spacing_mm=6.0",
        "imaging.size=[8, 8, 8]",
        "imaging.spacing_mm=[12, 12, 12]",
        "model.width=16",
        "model.encoder.stem_width=4",
        "model.encoder.widths=[8]",
        "model.encoder.blocks=[0]",
        "model.fusion.depth=1",
        "model.fusion.heads=2",
        "training.max_epochs=3",
        "training.accelerator=cpu",
        "training.parallel_fits=auto",
        "evaluation.folds=3",
        "evaluation.bootstrap_draws=200",
        "tracking.wandb=disabled",
    ]


@dataclass
class Found:
    """What the kills have shown so far."""

    kills: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    finished_runs: int = 0
    made_again: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left_processes: int = 0
    did_not_end: int = 0
    failures: list[str] = field(default_factory=list)
    differing_files: list[str] = field(default_factory=list)

    def add(self, earlier: dict[str, object]) -> None:
        """Add the kills of an earlier slice, as :meth:`record` wrote them."""
        for name, own in vars(self).items():
            before = earlier.get(name)
            if isinstance(own, Counter) and isinstance(before, dict):
                own.update(before)
            elif isinstance(own, list) and isinstance(before, list):
                own.extend(before)
            elif isinstance(own, int) and isinstance(before, int):
                setattr(self, name, own + before)

    def record(self) -> dict[str, object]:
        """As plain JSON."""
        return vars(self) | {"kills": dict(self.kills), "stages": dict(self.stages)}

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, made again, left behind or different."""
        faults = (self.made_again, self.lost, self.failures, self.differing_files)
        return not any(faults) and not self.left_processes and not self.did_not_end


@dataclass(frozen=True)
class Moment:
    """So many seconds after a stage has begun."""

    stage: str
    seconds: float


class Run:
    """The run in one folder, in a process of its own that may be killed."""

    def __init__(self, root: Path, log: Path) -> None:
        self.root, self.log = root, log
        self.experiment: Experiment = load_experiment(settings(root))

    def start(self, *, side_by_side: bool) -> int:
        """Fork a process that trains; everything is imported, so that it is at work at once.

        Args:
            side_by_side: Whether there is memory for several fits at a time.
        """
        child = os.fork()
        if child:
            return child
        patch.object(memory, "available_memory", lambda: (1 << 40) if side_by_side else 0).start()
        os.setsid()  # its session is how its workers are found
        code = 0
        try:
            train(self.experiment, self._note)
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BaseException:
            with self.log.with_suffix(".errors").open("a") as stream:
                traceback.print_exc(file=stream)
            code = FAILED
        os._exit(code)

    def _note(self, event: RunEvent) -> None:
        with self.log.open("a") as stream:
            if isinstance(event, StageStarted):
                stream.write(f"stage {event.title}\n")
            elif isinstance(event, FitFinished) and event.trained:
                stream.write(f"trained {event.fit}\n")

    def lines(self) -> list[str]:
        """What the run has told."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def stage(self) -> str:
        """The stage that was begun last."""
        begun = [line[6:] for line in self.lines() if line.startswith("stage ")]
        return begun[-1] if begun else _START

    def has_begun(self, stage: str, known: int) -> bool:
        """Whether it has told of a stage after so many lines."""
        return stage == _START or f"stage {stage}" in self.lines()[known:]

    def finished(self) -> dict[str, tuple[int, int]]:
        """Files that are never to be made again, each with its inode and time."""
        seals = (self.root / "killed" / "folds").glob("*/done.json")
        tensors = (self.root / "tensors").glob("*.safetensors")
        return {
            path.relative_to(self.root).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in (*seals, *tensors)
        }

    def contents(self) -> dict[str, str]:
        """Path to digest of every file that is there at the end."""
        return {
            path.relative_to(self.root).as_posix(): sha256_file(path)
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name not in _UNSTABLE
        }


def processes_of(session: int) -> list[int]:
    """Processes of a session that are there and not merely waiting to be reaped."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def wait_for(child: int, seconds: float) -> int | None:
    """Exit code of the child, negative for a signal; None if it has not ended by then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def left_behind(session: int) -> int:
    """Processes that a run has left after ten seconds; they are ended."""
    deadline = time.monotonic() + 10.0
    while (left := processes_of(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return len(left)


def kill_once(
    run: Run, moment: Moment, how: signal.Signals, found: Found, *, side_by_side: bool
) -> bool:
    """Start the run and end it at a moment; whether it was finished before."""
    before = run.finished()
    seen = run.lines()
    child = run.start(side_by_side=side_by_side)
    code = None
    while code is None and not run.has_begun(moment.stage, len(seen)):
        code = wait_for(child, 0.02)
    if code is None:
        code = wait_for(child, moment.seconds)
    was_killed = code is None
    if was_killed:
        os.kill(child, how)
        found.kills[how.name] += 1
        found.stages[run.stage()] += 1
        code = wait_for(child, _PATIENCE_S)
        if code is None:
            found.did_not_end += 1
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if code == FAILED or (code and not was_killed):
        found.failures.append(f"exit code {code} in {run.stage()}")
    found.left_processes += left_behind(child)
    after = run.finished()
    found.lost += [name for name in before if name not in after]
    found.made_again += [name for name in before if after.get(name, before[name]) != before[name]]
    return code == 0


def check_end(run: Run, reference: dict[str, str], found: Found) -> None:
    """Compare a finished run with the undisturbed one, and count who was trained twice."""
    found.finished_runs += 1
    trained = Counter(line for line in run.lines() if line.startswith("trained "))
    found.made_again += [line for line, times in trained.items() if times > 1]
    now = run.contents()
    found.differing_files += sorted(
        name for name in reference.keys() | now.keys() if reference.get(name) != now.get(name)
    )


def undisturbed(folder: Path, root: Path) -> tuple[dict[str, str], dict[str, float]]:
    """What the run leaves that nobody disturbs, and the seconds of each of its stages."""
    record = folder / "reference.json"
    if record.is_file():
        kept = json.loads(record.read_text())
        return kept["contents"], kept["seconds"]
    run = Run(root, folder / "reference.log")
    child = run.start(side_by_side=False)
    begun: dict[str, float] = {}
    code = None
    while code is None:
        code = wait_for(child, 0.02)
        begun.setdefault(run.stage(), time.monotonic())
    ends = [*list(begun.values())[1:], time.monotonic()]
    seconds = {stage: end - begun[stage] for stage, end in zip(begun, ends, strict=True)}
    if code != 0:
        sys.exit(f"the undisturbed run ended with {code}: see {folder / 'reference.errors'}")
    contents = run.contents()
    record.write_text(json.dumps({"contents": contents, "seconds": seconds}))
    shutil.rmtree(root)
    return contents, seconds


def measure(kills: int, minutes: float, seed: int, folder: Path) -> tuple[Found, float]:
    """Kill so many times, or for so long, in as many rounds as that takes, and let it finish.

    Returns:
        What was found, and the seconds of one quiet run.
    """
    deadline = time.monotonic() + 60.0 * minutes
    # A resume point after every epoch: the default of ten seconds is longer than these fits.
    callbacks.ResumePoint.__init__.__defaults__ = (0.0,)
    chance = random.Random(seed)  # noqa: S311 - no secret
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    reference, seconds = undisturbed(folder, root)
    found = Found()
    rounds = 0
    while sum(found.kills.values()) < kills and time.monotonic() < deadline:
        shutil.rmtree(root, ignore_errors=True)
        run = Run(root, folder / f"round-{seed}-{rounds}.log")
        left = min(kills - sum(found.kills.values()), _KILLS_A_ROUND)
        # In the order of the stages: what is finished is passed over in no time.
        for stage in sorted(chance.choices(list(seconds), k=left), key=list(seconds).index):
            moment = Moment(stage, chance.uniform(0.0, seconds[stage]))
            together = chance.random() < _SIDE_BY_SIDE
            kill_once(run, moment, chance.choice(SIGNALS), found, side_by_side=together)
        child = run.start(side_by_side=False)
        code = wait_for(child, 1800.0)
        found.left_processes += left_behind(child)
        if code != 0:
            found.failures.append(f"exit code {code} when left alone")
            break
        check_end(run, reference, found)
        rounds += 1
    return found, sum(seconds.values())


def main() -> int:
    """Kill, add up and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("kills"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found, seconds = measure(options.kills, options.minutes, options.seed, options.folder)
    if options.out is not None and options.out.is_file():
        found.add(json.loads(options.out.read_text())["kills"])
    result = {
        "machine": describe_machine(),
        "undisturbed_seconds": round(seconds, 1),
        "kills": found.record(),
        "sound": found.sound,
    }
    publish(result, options.out)
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(main())
