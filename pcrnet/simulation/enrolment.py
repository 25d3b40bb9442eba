"""Who takes part in the in-silico trial: site, scans and truth of every patient, without images."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from pcrnet.config.data import SimulationConfig
from pcrnet.simulation.scanner import SEQUENCES
from pcrnet.simulation.worlds import WORLDS, AnyPatient

TIMEPOINTS = ("baseline", "interim")
CHANNELS = tuple(channel for channels in SEQUENCES.values() for channel in channels)

_MASKED_ON = ("dce_early", "dce_late", "dce_pre", "t2", "adc", "pet")

ScanName = tuple[str, str]
"""Timepoint and channel."""


class Stream(IntEnum):
    """Independent random streams of one patient."""

    BIOLOGY = 0
    CONDUCT = 1
    ANATOMY = 2
    LESIONS = 3
    POSE = 4
    SCAN = 5
    MASK = 6


@dataclass(frozen=True)
class Enrolment:
    """One patient in the trial: everything but the images.

    Attributes:
        index: Number from 0; with the trial's seed it determines all that follows.
        patient_id: Such as ``SIM-0001``.
        site: Name of the site, such as ``site-1``.
        site_index: Number of the site from 0.
        right: Whether the right breast is affected.
        days: Timepoint to days from the start of therapy.
        scans: What was acquired, as (timepoint, channel).
        patient: Disease, response and outcome.
        outlined: Whether the lesion is drawn at baseline.
    """

    index: int
    patient_id: str
    site: str
    site_index: int
    right: bool
    days: dict[str, int]
    scans: frozenset[ScanName]
    patient: AnyPatient
    outlined: bool = True

    @property
    def mask_channel(self) -> str:
        """The baseline channel on whose grid the lesion is drawn."""
        return next(channel for channel in _MASKED_ON if ("baseline", channel) in self.scans)

    @property
    def files(self) -> dict[str, str]:
        """Column of ``cohort.csv`` to path relative to it, of all that was acquired."""
        columns = [
            (timepoint, channel)
            for timepoint in TIMEPOINTS
            for channel in CHANNELS
            if (timepoint, channel) in self.scans
        ]
        masks = [("baseline", "mask")] if self.outlined else []
        return {
            f"{timepoint}.{name}": f"{self.patient_id}/{timepoint}_{name}.nii.gz"
            for timepoint, name in [*columns, *masks]
        }


def patient_rng(
    config: SimulationConfig, index: int, stream: Stream, *parts: int
) -> np.random.Generator:
    """Random numbers that depend on the trial's seed and the patient's index alone."""
    return np.random.default_rng((config.seed, index, stream, *parts))


def enrol(config: SimulationConfig, index: int) -> Enrolment:
    """Everything about one patient but the images."""
    world = WORLDS[config.world]
    rng = patient_rng(config, index, Stream.CONDUCT)
    site_index = int(rng.integers(config.sites))
    return Enrolment(
        index=index,
        patient_id=f"SIM-{index + 1:04d}",
        site=f"site-{site_index + 1}",
        site_index=site_index,
        right=bool(rng.random() < 0.5),
        days={
            "baseline": -int(rng.integers(1, 15)),
            "interim": int(rng.integers(*world.interim_days)),
        },
        scans=_draw_scans(rng, config.missing_scan_fraction),
        patient=world.draw_patient(patient_rng(config, index, Stream.BIOLOGY)),
        outlined=bool(patient_rng(config, index, Stream.MASK).random() < world.outlined_fraction),
    )


def _draw_scans(rng: np.random.Generator, missing_fraction: float) -> frozenset[ScanName]:
    """What was acquired. Half of the missing scans fall out with the whole MRI of a visit.

    Every scan but the first PET is missing with a chance of ``missing_fraction`` in all.
    """
    visit_lost = missing_fraction / 2
    scan_lost = (missing_fraction - visit_lost) / (1.0 - visit_lost)
    scans = set()
    for timepoint in TIMEPOINTS:
        has_mri = rng.random() >= visit_lost
        for channel, luck in zip(CHANNELS, rng.random(len(CHANNELS)), strict=True):
            if channel == "pet":
                kept = timepoint == "baseline" or luck >= missing_fraction
            else:
                kept = has_mri and luck >= scan_lost
            if kept:
                scans.add((timepoint, channel))
    return frozenset(scans)
