"""Which lesion is measured: the first mask there is, else the one found on the first visit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.imaging.lesion.framing import Framing, find_centre
from pcrnet.imaging.lesion.search import find_lesion
from pcrnet.imaging.volume import Volume

LesionSource = Literal["mask", "found", "none"]
SURE = 0.5
"""Quality from which on a found lesion needs no second look."""


@dataclass(frozen=True, eq=False)
class LesionLocation:
    """Where the lesion is said to be, and by whom.

    Attributes:
        source: A mask, a search, or neither.
        timepoint: The visit in whose frame it lies; None without one.
        mask: Label image; None without one.
        quality: Of a found lesion, 0 to 1; NaN elsewhere.
        framing: What the first visit was searched around
            (:func:`~pcrnet.imaging.lesion.framing.find_centre`); None where it was not searched.
    """

    source: LesionSource
    timepoint: str | None = None
    mask: Volume | None = None
    quality: float = math.nan
    framing: Framing | None = None

    def in_first_frame(self, to_visit: NDArray[np.float64]) -> Volume | None:
        """The mask in the frame of the first visit.

        Args:
            to_visit: (4, 4) millimetres of the first visit to those of the mask's visit.
        """
        if self.mask is None:
            return None
        affine = np.linalg.inv(to_visit) @ self.mask.affine
        return Volume(self.mask.array, affine, self.mask.unit)


def locate_lesion(
    volumes: Mapping[str, Mapping[str, Volume]],
    masks: Mapping[str, Volume | None],
    kinds: Mapping[str, ChannelKind],
) -> LesionLocation:
    """Take the first mask with a foreground, else look for the lesion on the first visit.

    Args:
        volumes: Timepoint to channel to volume, in order of time, visits with scans only.
        masks: Timepoint to mask, None where there is none.
        kinds: Channel to intensity rule.

    Raises:
        GeometryError: Without a mask, scans of the first visit that do not overlap.
    """
    for timepoint, mask in masks.items():
        if mask is not None and (mask.array > 0).any():
            return LesionLocation("mask", timepoint, mask)
    if not volumes:
        return LesionLocation("none")
    timepoint, first = next(iter(volumes.items()))
    framing = find_centre(first, kinds)
    found = find_lesion(first, kinds, framing.centre_mm) if framing.crop == "lesion" else None
    if found is None:
        return LesionLocation("none", framing=framing)
    quality = found.quality * (1.0 - framing.rival / 2)  # of two alike, one is as likely
    return LesionLocation("found", timepoint, found.mask, quality, framing)
