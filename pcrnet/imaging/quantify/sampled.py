"""The scans of one visit on the grids of the first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.intensity import above_air, tissue_threshold
from pcrnet.imaging.quantify.place import Place, Region
from pcrnet.imaging.quantify.quantity import Mask, Values
from pcrnet.imaging.volume import Volume

LEAST_BED_COVERED = 0.5
_LEAST_TISSUE = 30
_GAUSSIAN_REACH = 4.0  # standard deviations, as scipy's own


@dataclass(frozen=True, eq=False)
class Sampled:
    """One scan on a grid.

    Attributes:
        values: float64 (x, y, z); 0 where not covered.
        covered: Where the scan reaches, (x, y, z).
        tissue: Where it shows tissue (x, y, z), by a tenth of the scan's 99th percentile.
    """

    values: Values
    covered: Mask
    tissue: Mask


def sample(volume: Volume, grid: Grid, transform: NDArray[np.float64]) -> Sampled:
    """Bring a scan onto a grid in the frame of the first visit.

    Args:
        volume: The scan.
        grid: In RAS millimetres of the first visit.
        transform: (4, 4) millimetres of the first visit to those of the scan's.
    """
    values, covered = resample(volume, grid.moved(transform))
    tissue = covered & (above_air(values, volume.unit) > tissue_threshold(volume))
    return Sampled(values.astype(np.float64), covered, tissue)


def covers(scan: Sampled, place: Place) -> bool:
    """Whether a scan shows at least half of the bed."""
    return bool(scan.covered[place.bed].mean() >= LEAST_BED_COVERED)


def near_level(scan: Sampled, place: Place) -> float:
    """Median of the tissue in the shell around the lesion, in the scan's unit; NaN without any."""
    return _median(scan.values[place.near & scan.tissue])


def far_level(scan: Sampled, region: Region) -> float:
    """Median of the tissue far from the lesion, in the scan's unit; NaN where it shows none."""
    return _median(scan.values[region.far & scan.tissue])


def _median(values: Values) -> float:
    return float(np.median(values)) if values.size >= _LEAST_TISSUE else float("nan")


def smoothed(values: Values, place: Place, sigma_mm: float) -> Values:
    """Values (x, y, z) blurred by a Gaussian: a misregistration of a millimetre changes little.

    Within the bed, where they are asked for; 0 well away from it.
    """
    from scipy.ndimage import gaussian_filter

    sigma = sigma_mm / place.spacing_mm
    box = place.bed_box(margin=math.ceil(_GAUSSIAN_REACH * sigma))
    blurred = np.zeros_like(values)
    blurred[box] = gaussian_filter(values[box], sigma, truncate=_GAUSSIAN_REACH)
    return blurred
