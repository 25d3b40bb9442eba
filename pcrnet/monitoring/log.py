"""The log of daily use: one JSON object a line, appended by ``pcrnet predict --log``.

``baseline`` lines hold what the training cohort of a bundle was like as a stream of patients,
``prediction`` lines one patient each, ``refusal`` lines one who was refused, ``outcome`` lines what
pathology found later. The log holds pseudonyms, probabilities and scores; no scan and no path.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pcrnet.applicability.baseline import Baseline
from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.errors import IntegrityError
from pcrnet.storage import make_folder, taking_apart, writing_to

_REMEDY = "restore the log from a copy, or remove the line"
MAX_BYTES = 1 << 30
_CUT = '{"kind": "cut"}'
_ENDED = f"\n{_CUT}\n".encode()


@dataclass(frozen=True)
class Prediction:
    """One patient of daily use.

    Attributes:
        time: When, ISO 8601 in UTC.
        bundle: Digest of the bundle.
        patient: Pseudonym.
        site: Centre; empty where unknown.
        series: Name to value, as in :class:`~pcrnet.applicability.baseline.Baseline`.
        unlike: Where the patient is unlike the training patients.
        label: Head to outcome, 0 or 1, as far as it is known by now.
    """

    time: str
    bundle: str
    patient: str
    site: str
    series: Mapping[str, float]
    unlike: tuple[str, ...] = ()
    label: Mapping[Head, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class UseLog:
    """A log that has been read.

    Attributes:
        baselines: Digest of a bundle to its baseline.
        predictions: In the order of the log; of a patient who was predicted again by the same
            bundle the first one.
        refused: How many were refused.
        torn: Whether a line was cut off by a crash, and left out.
        definitions: What its bundles take for complete response of the breast.
    """

    baselines: Mapping[str, Baseline]
    predictions: tuple[Prediction, ...]
    refused: int
    torn: bool
    definitions: frozenset[str] = frozenset()


def append(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Append lines in one write while no other process appends; missing folders are made.

    A line that a crash cut off before is ended first, so that nothing is joined to it, and a
    ``cut`` line says so to the reader.

    Raises:
        OutputError: The log cannot be written.
    """
    make_folder(path.parent)
    text = "".join(f"{json.dumps(record, allow_nan=False)}\n" for record in records)
    with writing_to(path), path.open("ab+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        size = stream.seek(0, os.SEEK_END)
        torn = False
        if size:
            stream.seek(size - 1)
            torn = stream.read(1) != b"\n"
        stream.write((_ENDED if torn else b"") + text.encode())
        stream.flush()
        os.fsync(stream.fileno())


def baseline_record(bundle: str, baseline: Baseline, definition: str) -> dict[str, Any]:
    """The line that says what a bundle's training cohort was like, and what it calls a response."""
    return {
        "kind": "baseline",
        "bundle": bundle,
        "definition": definition,
        "baseline": baseline.to_dict(),
    }


def prediction_record(found: Prediction) -> dict[str, Any]:
    """The line of one patient."""
    return {
        "kind": "prediction",
        "time": found.time,
        "bundle": found.bundle,
        "patient": found.patient,
        "site": found.site,
        "series": {name: value for name, value in found.series.items() if math.isfinite(value)},
        "unlike": list(found.unlike),
        "label": {head: int(value) for head, value in found.label.items()},
    }


def refusal_record(bundle: str, patient: str | None, kind: str) -> dict[str, Any]:
    """The line of one who was refused."""
    return {"kind": "refusal", "time": now(), "bundle": bundle, "patient": patient, "why": kind}


def outcome_record(patient: str, label: Mapping[Head, float]) -> dict[str, Any]:
    """The line of what pathology found."""
    plain = {head: int(value) for head, value in label.items()}
    return {"kind": "outcome", "time": now(), "patient": patient, "label": plain}


def now() -> str:
    """The time, ISO 8601 in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_log(path: Path) -> UseLog:
    """Read a log.

    Raises:
        IntegrityError: It is missing, or a line is no record. A line that a crash cut off is left
            out.
    """
    text, torn = _text(path)
    baselines: dict[str, Baseline] = {}
    found: dict[tuple[str, str], Prediction] = {}
    outcomes: dict[str, dict[Head, float]] = {}
    definitions: set[str] = set()
    refused = 0
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line == _CUT:
            continue
        if lines[number : number + 1] == [_CUT]:
            torn = True
            continue
        try:
            with taking_apart(path, remedy=_REMEDY):
                record = json.loads(line)
                match record["kind"]:
                    case "baseline":
                        of = Baseline.from_dict(record["baseline"])
                        baselines[str(record["bundle"])] = of
                        if "definition" in record:  # logs that were begun earlier lack it
                            definitions.add(str(record["definition"]))
                    case "prediction":
                        one = _prediction(record)
                        found.setdefault((one.bundle, one.patient), one)
                    case "outcome":
                        known = outcomes.setdefault(str(record["patient"]), {})
                        known.update(_label(record["label"]))
                    case "refusal":
                        refused += 1
                    case other:
                        raise ValueError(f"a line of the unknown kind {str(other)[:40]}")
        except IntegrityError as error:
            error.problem = f"line {number}: {error.problem}"
            raise
    predictions = tuple(_with_label(one, outcomes.get(one.patient, {})) for one in found.values())
    return UseLog(baselines, predictions, refused, torn, frozenset(definitions))


def bundles_with_baseline(path: Path) -> frozenset[str]:
    """The bundles whose baseline a log holds already; none where there is no log."""
    if not path.exists() or path.stat().st_size == 0:
        return frozenset()
    return frozenset(read_log(path).baselines)


def _text(path: Path) -> tuple[str, bool]:
    with taking_apart(path, remedy=_REMEDY):
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ValueError(f"it has more than {MAX_BYTES} bytes")
            raw = path.read_bytes()
        except OSError as error:
            raise IntegrityError(
                f"the log cannot be read ({type(error).__name__})",
                file=path,
                remedy="give the file that pcrnet predict --log writes",
            ) from error
        torn = bool(raw) and not raw.endswith(b"\n")
        whole = raw[: raw.rfind(b"\n") + 1] if torn else raw
        return whole.decode("utf-8"), torn


def _prediction(record: Mapping[str, Any]) -> Prediction:
    series = {str(name): float(value) for name, value in record["series"].items()}
    if not all(math.isfinite(value) for value in series.values()):
        raise ValueError("a series holds a number that is not finite")
    return Prediction(
        time=str(record["time"]),
        bundle=str(record["bundle"]),
        patient=str(record["patient"]),
        site=str(record["site"]),
        series=series,
        unlike=tuple(str(where) for where in record["unlike"]),
        label=_label(record["label"]),
    )


def _label(record: Mapping[str, Any]) -> dict[Head, float]:
    found: dict[Head, float] = {}
    for head in HEADS:
        if head in record:
            value = record[head]
            if value not in (0, 1):
                raise ValueError(f"an outcome of {head} that is neither 0 nor 1")
            found[head] = float(value)
    return found


def _with_label(one: Prediction, label: Mapping[Head, float]) -> Prediction:
    if not label:
        return one
    return Prediction(
        one.time,
        one.bundle,
        one.patient,
        one.site,
        one.series,
        one.unlike,
        {**one.label, **label},
    )
