"""Damaged inputs by the thousand: each is read within limits, and none is believed in silence.

python benchmarks/mutations.py [--kinds nifti dicom] [--count 1000] [--seed 1] [--out FILE.json]
python benchmarks/mutations.py --kinds dicom --seed 1 --only 417      (one case again)

A kind makes good inputs, damages one of them at random, and reads it as a user's command would.
What counts as a fault: an exception that is no PcrnetError, more than 5 seconds, more than 300 MB
above where the process stood, and a damage that can be noticed (``must_notice``) after which the
reader gives another answer than before without an error or a note.

Another kind is one more entry of ``KINDS``: three functions, ``prepare``, ``damage`` and ``read``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
from harness import begin_peak_mb, describe_machine, peak_mb, publish
from mutated_scans import (
    damage_dicom,
    damage_nifti,
    prepare_dicom,
    prepare_nifti,
    read_mutated_scan,
)

from pcrnet.errors import PcrnetError

SECONDS, MEGABYTES = 5.0, 300.0


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        prepare: Writes good inputs into a folder and gives their paths, always the same.
        damage: Damages a copy of a good input in place; gives what it did, and whether a reader can
            notice.
        read: Reads an input; gives an answer that can be compared with ``==``, and what it noted.
    """

    prepare: Callable[[Path], Sequence[Path]]
    damage: Callable[[np.random.Generator, Path, Sequence[Path]], tuple[str, bool]]
    read: Callable[[Path], tuple[object, Sequence[str]]]


KINDS = {
    "nifti": Kind(prepare_nifti, damage_nifti, read_mutated_scan),
    "dicom": Kind(prepare_dicom, damage_dicom, read_mutated_scan),
}


@dataclass(frozen=True)
class Outcome:
    """What reading one damaged input came to.

    Attributes:
        verdict: "refused", "same answer", "noted", "other answer" where no reader can notice, or
            what the fault is.
        fault: Whether it is one.
        what: Which input, and what was done to it.
        seconds: How long it took.
        megabytes: How far the process grew.
        detail: The end of a trace, or the note.
    """

    verdict: str
    fault: bool
    what: str
    seconds: float
    megabytes: float
    detail: str = ""


class Overtime(BaseException):
    """Raised from the alarm; no ``except Exception`` of a reader may swallow it."""


def run_case(kind: Kind, sources: Sequence[Path], rng: np.random.Generator) -> Outcome:
    """Damage a copy of one input at random and read it."""
    source = sources[int(rng.integers(len(sources)))]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        _copy(source, copy)
        what, must_notice = kind.damage(rng, copy, sources)
        before_mb = begin_peak_mb()
        begun = time.perf_counter()
        try:
            answer, notes = _within(SECONDS, lambda: kind.read(copy))
        except PcrnetError as error:
            verdict, fault, detail = "refused", False, _leak(error)
            fault = bool(detail)
        except Overtime:
            verdict, fault, detail = f"more than {SECONDS:g} s", True, ""
        except Exception as error:  # what is looked for
            verdict, fault = f"{type(error).__name__} instead of a typed error", True
            detail = "".join(traceback.format_exception(error)[-3:])
        else:
            verdict, fault, detail = _judge(answer, notes, kind.read(source)[0], must_notice)
        seconds, grown_mb = time.perf_counter() - begun, peak_mb() - before_mb
    if not fault and grown_mb > MEGABYTES:
        verdict, fault = f"more than {MEGABYTES:g} MB", True
    return Outcome(verdict, fault, f"{source.name}: {what}", seconds, grown_mb, detail)


def run_kind(kind: Kind, count: int, seed: int, only: int | None = None) -> dict[str, object]:
    """Many cases of one kind; ``only`` gives one of them again."""
    with tempfile.TemporaryDirectory() as folder:
        sources = kind.prepare(Path(folder))
        for source in sources:
            kind.read(source)  # a good input that is refused would prove nothing
        numbers = range(count) if only is None else [only]
        outcomes = {n: run_case(kind, sources, np.random.default_rng([seed, n])) for n in numbers}
    return {
        "verdicts": dict(Counter(outcome.verdict for outcome in outcomes.values()).most_common()),
        "slowest_s": round(max(outcome.seconds for outcome in outcomes.values()), 2),
        "largest_mb": round(max(outcome.megabytes for outcome in outcomes.values()), 1),
        "faults": {
            number: {
                "verdict": outcome.verdict,
                "what": outcome.what,
                "detail": outcome.detail,
            }
            for number, outcome in outcomes.items()
            if outcome.fault
        },
    }


def _judge(
    answer: object, notes: Sequence[str], good: object, must_notice: bool
) -> tuple[str, bool, str]:
    if answer == good:
        return "same answer", False, ""
    if notes:
        return "noted", False, notes[0]
    return ("accepted in silence", True, "") if must_notice else ("other answer", False, "")


def _leak(error: PcrnetError) -> str:
    """An error must not quote a value: the sources hold this word where a patient stands."""
    return f"quotes a value: {error}" if "CANARY" in str(error) else ""


def _within(
    seconds: float, call: Callable[[], tuple[object, Sequence[str]]]
) -> tuple[object, Sequence[str]]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Overtime

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)


def _copy(source: Path, copy: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, copy)
    else:
        shutil.copyfile(source, copy)


def main() -> None:
    """Read the command line, run the kinds, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--count", type=int, default=1000, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this case alone")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found = {
        name: run_kind(KINDS[name], options.count, options.seed, options.only)
        for name in options.kinds
    }
    limits = {"count": options.count, "seed": options.seed, "seconds": SECONDS, "mb": MEGABYTES}
    publish({"machine": describe_machine(), **limits, "kinds": found}, options.out)
    if any(result["faults"] for result in found.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
