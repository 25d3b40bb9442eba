"""Rigid registration of a later visit to the first: how the same body lies in each.

The images are brought to one working resolution and freed of shading, for coil shading moves the
optimum of mutual information by millimetres. An engine then climbs mutual information, coarse to
fine, from the best of a few starting positions. Whatever the engine, its result is judged here.
All positions are RAS millimetres; a transform takes a point of the first visit to the same tissue
in the later one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pcrnet.config.imaging import RegistrationEngine, RigidAlignment
from pcrnet.errors import RegistrationError
from pcrnet.imaging.registration.likeness import (
    COMPARING_MM,
    Transform,
    VisitPair,
    WorkingScan,
    front_difference_mm,
    prepare_scan,
)
from pcrnet.imaging.volume import Volume

Engine = Callable[[WorkingScan, WorkingScan, Transform], Transform]
"""From the first visit, the later one and where to start, to the rigid transform found."""

_STARTING_MM = 8.0
_STARTING_POINTS = 3000  # of fewer, chance decides which start is the best


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a later visit lies against the first.

    Attributes:
        transform: Shape (4, 4); millimetres of the first visit to millimetres of the later one.
        similarity_before: Mutual information of the two as they came, in nats.
        similarity_after: The same after the transform.
        shift_mm: How far the transform moves the middle of the first scan.
        rotation_degrees: How far it turns it.
        front_mm: How far the front of the body differs afterwards (75th percentile); NaN where
            the scans do not show it.
        problem: Why the visit was left as it came instead; None where it was moved.
        doubt: What speaks against a transform that was kept all the same; None where nothing does.
    """

    transform: Transform
    similarity_before: float
    similarity_after: float
    shift_mm: float
    rotation_degrees: float
    front_mm: float
    problem: str | None = None
    doubt: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the visit was moved."""
        return self.problem is None


def left_as_it_came(problem: str, similarity: float = math.nan) -> Alignment:
    """No movement, and why; ``similarity`` is in nats, NaN where nothing was compared."""
    return Alignment(np.eye(4), similarity, similarity, 0.0, 0.0, math.nan, problem)


def register(
    fixed: Volume, moving: Volume, limits: RigidAlignment, lesion: Volume | None = None
) -> Alignment:
    """Find the rigid transform that brings a later visit onto the first.

    Args:
        fixed: A scan of the first visit.
        moving: A scan of the later visit, best of the same channel.
        limits: With which engine, and what is still believed.
        lesion: Label image in the frame of the first visit. It changes between visits, so that it
            counts neither in the search nor in the similarity.

    Raises:
        ConfigError: The engine is not installed.
        RegistrationError: No position makes the two alike, the result lies beyond the limits, or
            one visit was prone and the other supine. Where ``limits.on_failure`` keeps visits, a
            front of the body that differs is a doubt that the result carries, since its
            similarity has risen.
    """
    pair = prepare_scan(fixed, left_out=lesion), prepare_scan(moving)
    alignment = _align(*pair, _engine(limits.engine))
    _check(alignment, limits)
    if not limits.allow_prone_supine and alignment.front_mm > limits.max_front_mm:
        return _doubtful(alignment, limits)
    return alignment


def _doubtful(alignment: Alignment, limits: RigidAlignment) -> Alignment:
    """One visit prone, the other supine? Refuse it, or keep what is more alike than as it came.

    Raises:
        RegistrationError: Where failures are refused.
    """
    found = f"the front of the body differs by {alignment.front_mm:.0f} mm"
    if limits.on_failure == "refuse":
        raise _prone_and_supine(found)
    return replace(alignment, doubt=f"one visit may be prone, the other supine: {found}")


def _prone_and_supine(found: str) -> RegistrationError:
    return RegistrationError(
        f"one visit seems to be prone, the other supine: {found}",
        remedy="leave the visit out, or set imaging.alignment.allow_prone_supine: true, "
        "knowing that a rigid transform cannot match the breast itself",
    )


def _check(alignment: Alignment, limits: RigidAlignment) -> None:
    """Refuse what cannot be right, the most telling reason first."""
    if alignment.similarity_after < limits.min_similarity:
        raise RegistrationError(
            "the visit does not match the first: mutual information "
            f"{alignment.similarity_before:.2f} as it came, {alignment.similarity_after:.2f} "
            f"after registration, at least {limits.min_similarity:g} expected",
            remedy="check that both visits show the same part of the same patient, or set "
            "imaging.alignment.kind: none if they lie alike already",
        )
    turned = alignment.rotation_degrees > 90.0
    if not limits.allow_prone_supine and turned:
        raise _prone_and_supine("the body is turned half round")
    if alignment.shift_mm > limits.max_shift_mm:
        raise RegistrationError(
            f"the visit lies {alignment.shift_mm:.0f} mm from the first, at most "
            f"{limits.max_shift_mm:g} mm expected",
            remedy="look at both scans; raise imaging.alignment.max_shift_mm if they agree",
        )
    if not turned and alignment.rotation_degrees > limits.max_rotation_degrees:
        raise RegistrationError(
            f"the visit is turned by {alignment.rotation_degrees:.0f}° against the first, at most "
            f"{limits.max_rotation_degrees:g}° expected",
            remedy="look at both scans; raise imaging.alignment.max_rotation_degrees if they agree",
        )


def _engine(name: RegistrationEngine) -> Engine:
    match name:
        case "simpleitk":
            from pcrnet.imaging.registration.engine_simpleitk import climb
        case "greedy":
            from pcrnet.imaging.registration.engine_greedy import climb
    return climb


def _align(fixed: WorkingScan, moving: WorkingScan, climb: Engine) -> Alignment:
    comparison = VisitPair(fixed, moving)
    found, after = _best_climb(fixed, moving, climb, comparison)
    before = comparison.similarity(np.eye(4))
    if before >= after:
        # Nothing is gained over the position in which the visit came.
        found, after = np.eye(4), before
    centre = np.append(fixed.centre_mm, 1.0)
    cosine = np.clip((np.trace(found[:3, :3]) - 1) / 2, -1.0, 1.0)
    return Alignment(
        transform=found,
        similarity_before=before,
        similarity_after=after,
        shift_mm=float(np.linalg.norm((found @ centre - centre)[:3])),
        rotation_degrees=float(np.degrees(np.arccos(cosine))),
        front_mm=front_difference_mm(fixed, moving, found),
    )


def _best_climb(
    fixed: WorkingScan, moving: WorkingScan, climb: Engine, comparison: VisitPair
) -> tuple[Transform, float]:
    """Where the climb from the best start ends, and how alike the two are there.

    A small field holds too few points to tell a body from itself turned half round: there it is
    climbed from both.

    Raises:
        RegistrationError: The scans do not overlap enough.
    """
    spacing = _starting_mm(fixed)
    similarity = VisitPair(fixed, moving, spacing).similarity
    ranked = sorted(_starts(fixed, moving), key=similarity, reverse=True)
    ends: list[tuple[Transform, float]] = []
    problem: RegistrationError | None = None
    for start in ranked[:1] if spacing == _STARTING_MM else _one_of_each_turn(ranked):
        try:
            # Libraries of other machines differ in the last digits, by a nanometre at most.
            end = np.round(climb(fixed, moving, start), 7)
        except RegistrationError as error:
            problem = error
        else:
            ends.append((end, comparison.similarity(end)))
    if problem is not None and not ends:
        raise problem
    return max(ends, key=lambda end: end[1])


def _one_of_each_turn(ranked: list[Transform]) -> list[Transform]:
    upright = [start for start in ranked if start[0, 0] > 0]
    turned = [start for start in ranked if start[0, 0] < 0]
    return [upright[0], turned[0]]


def _starting_mm(fixed: WorkingScan) -> float:
    """How far apart the points lie at which starts are compared: closer in a small field."""
    edge_mm = fixed.spacing_mm * math.cbrt(math.prod(fixed.grid.shape) / _STARTING_POINTS)
    return min(_STARTING_MM, max(COMPARING_MM, edge_mm))


def _starts(fixed: WorkingScan, moving: WorkingScan) -> list[Transform]:
    """As they came, or body on body; each also turned half round about the long axis.

    A half turn is what a wrong patient position in the header looks like.
    """
    starts = []
    for shift in (np.zeros(3), moving.body_centre_mm - fixed.body_centre_mm):
        for turn in (np.eye(3), np.diag([-1.0, -1.0, 1.0])):
            start = np.eye(4)
            start[:3, :3] = turn
            centre = fixed.body_centre_mm
            start[:3, 3] = centre + shift - turn @ centre
            starts.append(start)
    return starts
