"""Contrast enhancement of one visit: how strong, against near tissue, how large, how it washes out.

PE = (S1 − S0) / S0 and SER = (S1 − S0) / (S2 − S0), S0 before contrast, S1 early, S2 late. Both are
free of the scanner's gain.
"""

from __future__ import annotations

import numpy as np

from pcrnet.imaging.quantify.excess import Excess
from pcrnet.imaging.quantify.measures import shape
from pcrnet.imaging.quantify.measures.pattern import pattern, quantities_of
from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.quantity import Mask, Quantity, Values, ln
from pcrnet.imaging.quantify.sampled import Sampled

FTV_PE = 0.7
"""Early enhancement from which a voxel counts as tumour (Hylton et al., Radiology 2016)."""
_FLOOR_PE = 0.15
_LEAST_SIGNAL = 0.25  # of the median before contrast: below it PE is noise
_SER_RANGE = (0.0, 3.0)

QUANTITIES = (
    Quantity(
        "ftv_ml",
        "volume with early enhancement of 70 % or more (functional tumour volume)",
        "mL",
        modelled=False,
    ),
    Quantity("pe_fraction", "mean early enhancement of the lesion", "1", modelled=False),
    Quantity("pe_ln", "mean early enhancement of the lesion", "ln 1", compared=True),
    Quantity(
        "pe_to_near_ln",
        "mean early enhancement over that of near tissue",
        "ln 1",
        compared=True,
    ),
    Quantity(
        "pe90_ln",
        "90th percentile of early enhancement in the bed",
        "ln 1",
        compared=True,
    ),
    Quantity(
        "ftv_ln_ml",
        "volume with early enhancement of 70 % or more",
        "ln mL",
        compared=True,
    ),
    Quantity(
        "excess_ln_ml",
        "early enhancement above near tissue, summed over the bed",
        "ln mL",
        compared=True,
    ),
    *quantities_of("enhancement"),
    *shape.MOMENTS,
    *shape.REGION,
)
WASHOUT = (
    Quantity(
        "ser_ratio",
        "median signal enhancement ratio of the voxels that enhance at least half as much as the "
        "lesion's strongest",
        "1",
        compared=True,
    ),
)


def enhancement(pre: Sampled, phase: Sampled, place: Place) -> Sampled:
    """PE of a phase on the fine grid, from −0.5 to 5."""
    covered = pre.covered & phase.covered
    around = pre.values[(place.bed | place.near) & pre.tissue]
    floor = _LEAST_SIGNAL * float(np.median(around)) if around.size else 1e-6
    rise = (phase.values - pre.values) / np.maximum(pre.values, max(floor, 1e-6))
    values = np.where(covered, np.clip(rise, -0.5, 5.0), 0.0)
    return Sampled(values, covered, pre.tissue & covered)


def enhancement_excess(pe: Sampled, place: Place) -> Excess:
    """Early enhancement above near tissue; its full height is the 95th percentile of the bed."""
    around = pe.values[place.near & pe.tissue]
    background = float(np.median(around)) if around.size else 0.0
    full = float(np.percentile(pe.values[place.bed], 95)) - background
    return Excess(pe.values, background, full, scale=1.0)


def measure_enhancement(found: Excess, place: Place) -> dict[str, float]:
    """Everything about the early phase of one visit."""
    values, bed = found.values, place.bed
    near = found.background
    mean = float(values[place.lesion].mean())
    weights = shape.membership(found.share, bed, place.voxel_ml)
    region = shape.above(values, near + found.full / 2, bed, place.voxel_ml)
    ftv = float((bed & (values >= FTV_PE)).sum()) * place.voxel_ml
    return {
        "ftv_ml": ftv,
        "pe_fraction": mean,
        "pe_ln": ln(mean, _FLOOR_PE),
        "pe_to_near_ln": ln(mean, _FLOOR_PE) - ln(near, _FLOOR_PE),
        "pe90_ln": ln(float(np.percentile(values[bed], 90)), _FLOOR_PE),
        "ftv_ln_ml": ln(ftv, 0.1),
        "excess_ln_ml": ln(np.maximum(values[bed] - near, 0.0).sum() * place.voxel_ml, 0.1),
        **pattern(np.maximum(values, 0.0), place),
        **shape.moments(weights, place),
        **shape.region_shape(region, place),
    }


def measure_washout(early: Excess, late: Sampled, place: Place) -> dict[str, float]:
    """SER of what enhances most; 1 is a plateau, more is washout."""
    region = shape.above(early.share, 0.5, place.bed, place.voxel_ml)
    return {"ser_ratio": _median_ser(early.values, late.values, region)}


def _median_ser(early: Values, late: Values, region: Mask) -> float:
    # Both are relative to the signal before contrast, which cancels.
    ratio = early[region] / np.maximum(late[region], 0.05)
    return float(np.median(np.clip(ratio, *_SER_RANGE)))
