"""The worlds that can be simulated: each has its own biology, anatomy and scanners.

What they share is the cohort's contract: channels, columns, the phantom's grid and the marks that
say that it is simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from pcrnet.simulation.anatomy import healthy_breast
from pcrnet.simulation.biology import SimulatedPatient, draw_patient
from pcrnet.simulation.lesions import Phantom, place_lesions
from pcrnet.simulation.pattern.anatomy import pendulous_breast
from pcrnet.simulation.pattern.biology import PatternPatient, draw_pattern_patient
from pcrnet.simulation.pattern.lesions import place_pattern_lesions
from pcrnet.simulation.pattern.outline import rough_outline
from pcrnet.simulation.pattern.scanner import PATTERN_SCANNERS, CalibratedScanner, acquire_pattern
from pcrnet.simulation.phantom_grid import FloatMap, PhantomGrid
from pcrnet.simulation.scanner import SCANNERS, ScanGrid, Scanner, acquire
from pcrnet.simulation.tissue import TissueMaps

AnyPatient = SimulatedPatient | PatternPatient


@dataclass(frozen=True)
class World:
    """What does not follow from the kind of patient or scanner.

    Attributes:
        draw_patient: Biology and outcome from random numbers.
        scanners: Sites use these in turn.
        interim_days: First day and the one after the last on which the interim visit may fall.
        outlined_fraction: Share of patients whose lesion is drawn at baseline.
        visit_mm, visit_degrees: How differently the patient lies at each visit, per axis.
    """

    draw_patient: Callable[[np.random.Generator], AnyPatient]
    scanners: tuple[Scanner, ...]
    interim_days: tuple[int, int]
    outlined_fraction: float
    visit_mm: float
    visit_degrees: float


WORLDS: Mapping[str, World] = MappingProxyType(
    {
        "amount": World(draw_patient, SCANNERS, (36, 50), 1.0, 3.0, 2.0),
        "pattern": World(draw_pattern_patient, PATTERN_SCANNERS, (15, 31), 0.8, 4.0, 3.0),
    }
)
"""By ``data.simulation.world``."""


def grow_phantom(
    anatomy: np.random.Generator,
    lesions: np.random.Generator,
    grid: PhantomGrid,
    patient: AnyPatient,
    *,
    right: bool,
) -> Phantom:
    """The patient's tissue at both visits; two streams, since lesions must not move anatomy."""
    match patient:
        case SimulatedPatient():
            return place_lesions(lesions, grid, healthy_breast(anatomy, grid), patient)
        case PatternPatient():
            healthy = pendulous_breast(anatomy, grid, right=right)
            return place_pattern_lesions(lesions, grid, healthy, patient)


def scan(
    rng: np.random.Generator,
    scanner: Scanner,
    sequence: str,
    maps: TissueMaps,
    phantom: PhantomGrid,
    grid: ScanGrid,
) -> dict[str, FloatMap]:
    """The sequence's channels (i, j, k): PET in SUVbw, ADC in 10⁻³ mm²/s, the others arbitrary."""
    if isinstance(scanner, CalibratedScanner):
        return acquire_pattern(rng, scanner, sequence, maps, phantom, grid)
    return acquire(rng, scanner, sequence, maps, phantom, grid)


def outline(rng: np.random.Generator, phantom: Phantom, patient: AnyPatient) -> FloatMap:
    """Where a reader draws the lesion (u, v, w), on the phantom's grid; its outline is 0.5."""
    match patient:
        case SimulatedPatient():
            return phantom.tumour
        case PatternPatient():
            return rough_outline(rng, phantom)
