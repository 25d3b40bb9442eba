"""All facts of a patient's scans as one array, in the order of the configuration.

Shapes: T timepoints, C channels, F facts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.imaging.facts.one_scan import NAMES, facts_of_scan
from pcrnet.imaging.facts.relations import (
    Agreements,
    OnGrid,
    level_ratio_ln,
    sample_all,
    visit_grid,
)
from pcrnet.imaging.patient_scans import PatientScans

FIRST_VISIT = ("agrees_first_visit_nat", "level_to_first_visit_ln")


def fact_names(channels: Sequence[str]) -> tuple[str, ...]:
    """The F facts of a scan in a configuration with these channels."""
    return (
        *NAMES,
        *FIRST_VISIT,
        *(f"agrees_{channel}_nat" for channel in channels),
        *(f"level_to_{channel}_ln" for channel in channels),
    )


def facts_of_patient(
    scans: PatientScans,
    timepoints: Sequence[str],
    channels: Sequence[str],
    kinds: Mapping[str, ChannelKind],
) -> NDArray[np.float32]:
    """Facts (T, C, F); NaN where there is no scan or nothing to compare it with."""
    names = fact_names(channels)
    facts = np.full((len(timepoints), len(channels), len(names)), np.nan, dtype=np.float32)
    if not scans.volumes:
        return facts
    grid = visit_grid(next(iter(scans.volumes.values())))
    first: dict[str, OnGrid] = {}
    levels: dict[str, float] = {}
    agreement = Agreements()
    for row, timepoint in enumerate(timepoints):
        volumes = scans.volumes.get(timepoint, {})
        on_grid = sample_all(volumes, grid, scans.transform(timepoint))
        agree: dict[tuple[str, str], float] = {}
        ratio: dict[tuple[str, str], float] = {}
        for one, other in itertools.combinations(volumes, 2):
            pair = on_grid[one], on_grid[other]
            agree[one, other], agree[other, one] = agreement(*pair)
            ratio[one, other] = level_ratio_ln(*pair, (kinds[one], kinds[other]))
            ratio[other, one] = -ratio[one, other]
        for channel, volume in volumes.items():
            of = facts_of_scan(volume)
            if channel in first:
                of["agrees_first_visit_nat"] = agreement(on_grid[channel], first[channel])[0]
                of["level_to_first_visit_ln"] = of["level_ln"] - levels[channel]
            for other in volumes:
                if other == channel:
                    continue
                of[f"agrees_{other}_nat"] = agree[channel, other]
                of[f"level_to_{other}_ln"] = ratio[channel, other]
            levels.setdefault(channel, of["level_ln"])
            facts[row, channels.index(channel)] = [of.get(name, math.nan) for name in names]
        for channel, sampled in on_grid.items():
            first.setdefault(channel, sampled)
    return facts
