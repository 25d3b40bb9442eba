"""FDG uptake of one visit: how much, against the patient's own background, and how it is spread."""

from __future__ import annotations

import numpy as np

from pcrnet.imaging.quantify.excess import Excess
from pcrnet.imaging.quantify.lesion import sphere_weights
from pcrnet.imaging.quantify.measures import shape, texture
from pcrnet.imaging.quantify.measures.pattern import pattern, quantities_of, ratio_ln
from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.quantity import Quantity, Values, ln
from pcrnet.imaging.quantify.sampled import Sampled, near_level

FLOOR_SUV = 0.1

QUANTITIES = (
    Quantity("suvpeak_suv", "highest mean of a 1 mL sphere in the bed", "SUV", modelled=False),
    Quantity("suvmax_suv", "highest voxel of the bed", "SUV", modelled=False),
    Quantity(
        "mtv_ml",
        "volume above half between near tissue and SUVpeak",
        "mL",
        modelled=False,
    ),
    Quantity("suvpeak_ln_suv", "SUVpeak", "ln SUV", compared=True),
    Quantity("suvmean_ln_suv", "mean uptake of the lesion", "ln SUV", compared=True),
    Quantity("peak_to_near_ln", "SUVpeak over the median of near tissue", "ln 1", compared=True),
    Quantity(
        "mean_to_near_ln",
        "mean uptake over the median of near tissue",
        "ln 1",
        compared=True,
    ),
    Quantity("peak_to_far_ln", "SUVpeak over the median of the far body", "ln 1", compared=True),
    Quantity(
        "mtv_ln_ml",
        "volume above half between near tissue and SUVpeak",
        "ln mL",
        compared=True,
    ),
    Quantity(
        "tlg_to_near_ln_ml",
        "uptake above near tissue, in units of near tissue, summed over the bed",
        "ln mL",
        compared=True,
    ),
    *quantities_of("uptake"),
    *texture.QUANTITIES,
    *shape.MOMENTS,
    *shape.REGION,
)


def uptake_excess(scan: Sampled, place: Place) -> Excess:
    """Uptake above near tissue, in units of near tissue; its full height is SUVpeak's."""
    near = near_level(scan, place)
    background = near if np.isfinite(near) else 0.0
    return Excess(
        values=scan.values,
        background=background,
        full=peak(scan.values, place) - background,
        scale=background if background > 0 else 1.0,
    )


def peak(values: Values, place: Place) -> float:
    """The highest mean of a 1 mL sphere centred in the bed (SUVpeak, PERCIST)."""
    from scipy.ndimage import correlate

    sphere = sphere_weights(np.full(3, place.spacing_mm))
    box = place.bed_box(sphere.shape[0] // 2)
    means = correlate(values[box], sphere / sphere.sum(), mode="nearest")
    return float(means[place.bed[box]].max())


def measure_uptake(found: Excess, place: Place, far: float) -> dict[str, float]:
    """Everything about one PET at one visit.

    Args:
        found: SUV on the fine grid, above near tissue.
        place: Where the lesion lies.
        far: Median of the far body; NaN where there is none.
    """
    values, bed = found.values, place.bed
    highest, near = found.full + found.background, found.background
    mean = float(values[place.lesion].mean())
    region = shape.above(values, near + found.full / 2, bed, place.voxel_ml)
    above = np.maximum(values[bed] - near, 0.0).sum() * place.voxel_ml
    mtv = float((bed & (values >= near + found.full / 2)).sum()) * place.voxel_ml
    weights = shape.membership(found.share, bed, place.voxel_ml)
    return {
        "suvpeak_suv": highest,
        "suvmax_suv": float(values[bed].max()),
        "mtv_ml": mtv,
        "suvpeak_ln_suv": ln(highest, FLOOR_SUV),
        "suvmean_ln_suv": ln(mean, FLOOR_SUV),
        "peak_to_near_ln": ratio_ln(highest, near),
        "mean_to_near_ln": ratio_ln(mean, near),
        "peak_to_far_ln": ratio_ln(highest, far),
        "mtv_ln_ml": ln(mtv, 0.1),
        "tlg_to_near_ln_ml": ln(above / near, 0.3) if near > 0 else float("nan"),
        **pattern(values, place),
        **texture.measure_texture(values, place.lesion),
        **shape.moments(weights, place),
        **shape.region_shape(region, place),
    }
