"""Whether a graph says what its bundle says: on golden cases, on every pattern, on random input.

Shapes: B patients, 3 logits and heads, 4 cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.outcome import HEADS
from pcrnet.cohort.table import Patient
from pcrnet.decision.calibrators import head_probabilities
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.cases import Case, made_up_cases
from pcrnet.deploy.export.inputs import GraphInputs, Inputs
from pcrnet.deploy.export.spec import GraphSpec
from pcrnet.deploy.manifest import GOLDEN_FOLDER, read_patients
from pcrnet.errors import ExportError, InsufficientScansError
from pcrnet.imaging.tensors.preprocess import PatientTensor, preprocess_patient
from pcrnet.models.network_model import NetworkModel

TOLERANCE = 1e-5
"""How far a probability may lie from the bundle's, and a logit, over 1 + its size."""

Outputs = dict[str, NDArray[Any]]
Runner = Callable[[Iterable[Inputs]], Iterator[Outputs]]
"""Runs a graph on one batch after the other."""

_CHUNK_BYTES = 1 << 28


@dataclass(frozen=True)
class Agreement:
    """How well graph and bundle agree on the patients of one pattern.

    Attributes:
        pattern: What is absent of the patients.
        patients: How many there were.
        logits: Greatest difference, over 1 + the size of the logit.
        cells: Greatest difference of a calibrated cell.
        probability: Greatest difference of a head's probability.
        calls: Calls that differ though the probability is no hair's breadth from the threshold.
    """

    pattern: str
    patients: int
    logits: float
    cells: float
    probability: float
    calls: int

    @property
    def holds(self) -> bool:
        """Whether the differences are within :data:`TOLERANCE`."""
        differences = (self.logits, self.cells, self.probability)
        return all(each <= TOLERANCE for each in differences) and not self.calls  # NaN holds not

    def to_dict(self) -> dict[str, object]:
        """Plain data for a record."""
        return {
            name: float(f"{value:.3g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def golden_cases(bundle: Bundle, directory: Path) -> list[Case]:
    """The phantoms of a bundle, each as one case; those below the minimum are left out."""
    manifest = bundle.manifest
    cases: list[Case] = []
    for patient in read_patients(directory / GOLDEN_FOLDER / "cohort.csv", manifest):
        try:
            tensor = preprocess_patient(patient, manifest.data, manifest.imaging)
        except InsufficientScansError:
            continue
        cases.append(Case(patient.patient_id, (patient,), (tensor,)))
    return cases


def all_cases(bundle: Bundle, directory: Path) -> list[Case]:
    """The golden cases of a bundle, then made-up patients of every pattern."""
    model = bundle.model
    start = model.start if isinstance(model, NetworkModel) else model
    return [*golden_cases(bundle, directory), *made_up_cases(GraphSpec.of(bundle), start)]


def bundle_says(bundle: Bundle, case: Case) -> Outputs:
    """What the bundle itself says of the B patients of a case, by its own way.

    Returns:
        ``cells`` (B, 4), ``probability`` (B, 3), ``call`` (B, 3), −1 without an operating point,
        and ``logits`` (B, 3).
    """
    logits = bundle.model.logits(case.patients, _Tensors(case))
    cells = bundle.calibrator.cells(logits)
    of_head = head_probabilities(cells)
    probability = np.stack([of_head[head] for head in HEADS], axis=1)
    points = [bundle.manifest.operating_points[head] for head in HEADS]
    calls = [
        np.full(len(logits), -1) if point is None else (of_head[head] > point).astype(np.int64)
        for head, point in zip(HEADS, points, strict=True)
    ]
    return {
        "cells": cells,
        "probability": probability,
        "call": np.stack(calls, axis=1).astype(np.int64),
        "logits": logits,
    }


def compare(
    bundle: Bundle,
    inputs: GraphInputs,
    cases: Sequence[Case],
    run: Runner,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Agreement, ...]:
    """How well a graph agrees with its bundle, pattern by pattern.

    Args:
        bundle: The bundle.
        inputs: What the graph is given.
        cases: Patients to compare on.
        run: Runs the graph; gives what :func:`bundle_says` gives, such as ``cells`` (B, 4).
        progress: Called with cases done and cases in all.
    """
    found: dict[str, list[Agreement]] = {}
    done = 0
    for chunk in _chunks(cases):
        answers = run(inputs.arrays(case.patients, case.tensors) for case in chunk)
        for case, answer in zip(chunk, answers, strict=True):
            agreement = _agreement(case, bundle_says(bundle, case), answer, bundle)
            found.setdefault(case.name, []).append(agreement)
            done += 1
            progress(done, len(cases))
    return tuple(together(name, of) for name, of in found.items())


def require_agreement(agreements: Sequence[Agreement]) -> None:
    """Refuse a graph that does not agree with its bundle.

    Raises:
        ExportError: With the pattern that is worst.
    """
    broken = [each for each in agreements if not each.holds]
    if broken:
        worst = max(broken, key=lambda each: (each.probability, each.logits))
        raise ExportError(
            f"graph and bundle do not agree for {len(broken)} of {len(agreements)} patterns; "
            f"{worst.pattern}: probabilities by {worst.probability:.2g}, logits by "
            f"{worst.logits:.2g}, {worst.calls} calls ({TOLERANCE:g} is allowed)",
            remedy="use pcrnet itself for this bundle, and report the kind of model and versions",
        )


@dataclass(frozen=True)
class _Tensors:
    """The tensors of a case, whose patients all have one name: they are told apart by identity."""

    case: Case

    def get(self, patient: Patient) -> PatientTensor:
        pairs = zip(self.case.patients, self.case.tensors, strict=True)
        return next(tensor for each, tensor in pairs if each is patient)


def _chunks(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases in parts whose images fit into memory together."""
    chunk: list[Case] = []
    size = 0
    for case in cases:
        own = sum(2 * tensor.image.nbytes for tensor in case.tensors)  # they are half precision
        if chunk and size + own > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(case)
        size += own
    if chunk:
        yield chunk


def _agreement(case: Case, ours: Outputs, theirs: Outputs, bundle: Bundle) -> Agreement:
    points = [bundle.manifest.operating_points[head] for head in HEADS]
    near = np.abs(ours["probability"] - [-1.0 if p is None else p for p in points]) <= TOLERANCE
    return Agreement(
        pattern=case.name,
        patients=len(case.patients),
        logits=_worst((ours["logits"] - theirs["logits"]) / (1.0 + np.abs(ours["logits"]))),
        cells=_worst(ours["cells"] - theirs["cells"]),
        probability=_worst(ours["probability"] - theirs["probability"]),
        calls=int(((ours["call"] != theirs["call"]) & ~near).sum()),
    )


def _worst(difference: NDArray[np.float64]) -> float:
    return float(np.abs(difference).max())


def together(name: str, parts: Sequence[Agreement]) -> Agreement:
    """The greatest differences of several patterns, as those of one."""
    return Agreement(
        pattern=name,
        patients=sum(part.patients for part in parts),
        # Unlike Python's, numpy's maximum does not lose a NaN.
        logits=float(np.max([part.logits for part in parts])),
        cells=float(np.max([part.cells for part in parts])),
        probability=float(np.max([part.probability for part in parts])),
        calls=sum(part.calls for part in parts),
    )
