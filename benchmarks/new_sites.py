"""Cohorts of sites that a model has never met: other scanners and protocols, the same disease.

Each new site is one of the world's machines with its point spread, noise, gain, shading, bed
orientation and tilt drawn anew, and with voxels of another size.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

from pcrnet.config.data import SimulationConfig
from pcrnet.simulation import trial
from pcrnet.simulation.enrolment import enrol
from pcrnet.simulation.pattern.scanner import CalibratedScanner
from pcrnet.simulation.scanner import Scanner
from pcrnet.simulation.worlds import WORLDS
from pcrnet.storage import write_text

_ORIENTATIONS = ("LPS", "RAS", "LPI", "PIR", "LIP", "RAI", "LAS", "PSR")


def new_scanner(model: Scanner, rng: np.random.Generator) -> Scanner:
    """A machine of the same make at another hospital."""
    tilted = {name: tuple(rng.uniform(-9.0, 9.0, 3)) for name in ("dce", "t2", "adc")}
    scanner = replace(
        model,
        orientation={name: str(rng.choice(_ORIENTATIONS)) for name in model.orientation},
        oblique_degrees=tilted,
        pet_fwhm_mm=model.pet_fwhm_mm * rng.uniform(0.88, 1.15),
        pet_noise=model.pet_noise * rng.uniform(0.75, 1.35),
        mri_noise=model.mri_noise * rng.uniform(0.75, 1.35),
        gain=model.gain * float(np.exp(rng.normal(0.0, 1.0))),
        bias=model.bias * rng.uniform(0.7, 1.3),
    )
    if isinstance(scanner, CalibratedScanner):
        return replace(scanner, pet_factor=float(rng.uniform(0.92, 1.08)))
    return scanner


def simulate_new_sites(directory: Path, config: SimulationConfig) -> Path:
    """Write a trial whose sites have machines of their own; returns its table."""
    rng = np.random.default_rng((config.seed, 77))
    world = WORLDS[config.world]
    scanners = tuple(new_scanner(model, rng) for model in world.scanners)
    spacing = float(config.mri_spacing_mm * rng.uniform(0.88, 1.12))
    with patch.object(trial, "WORLDS", {config.world: replace(world, scanners=scanners)}):
        here = config.model_copy(update={"mri_spacing_mm": spacing})
        for index in range(config.patients):
            trial.make_patient(directory, here, index)
        enrolled = [enrol(here, index) for index in range(config.patients)]
    table = directory / "cohort.csv"
    write_text(table, trial._table([trial._cohort_row(each) for each in enrolled]))
    return table
