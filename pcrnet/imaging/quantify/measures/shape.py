"""The shape of a residue: where its excess lies, how compact it is, in how many parts."""

from __future__ import annotations

import numpy as np

from pcrnet.imaging.quantify.place import Place
from pcrnet.imaging.quantify.quantity import Mask, Quantity, Values, ln
from pcrnet.imaging.voxels.boxes import box_around

MOMENTS = (
    Quantity(
        "gyration_ratio_ln",
        "radius of gyration of the excess over that of a sphere of its volume: 0 for a ball",
        "ln 1",
    ),
    Quantity(
        "depth_fraction",
        "mean depth rank of the excess in the bed: 0.5 where it is spread evenly",
        "1",
    ),
    Quantity(
        "offset_fraction",
        "distance of the excess's centroid from the bed's, over the radius of a sphere of the "
        "bed's volume",
        "1",
        modelled=False,
        modelled_later=True,
    ),
)
REGION = (
    Quantity(
        "compactness_fraction",
        "overlap of the region with a ball of its volume about its centroid",
        "1",
    ),
    Quantity(
        "components_ln",
        "connected parts of 0.1 mL or more",
        "ln 1",
        modelled=False,
        modelled_later=True,
    ),
    Quantity(
        "largest_fraction",
        "share of the largest connected part",
        "1",
        modelled=False,
        modelled_later=True,
    ),
    Quantity(
        "thickness_ratio_ln",
        "radius of the largest inscribed ball over that of a sphere of the region's volume",
        "ln 1",
        modelled=False,
        modelled_later=True,
    ),
)
LEAST_ML = 0.25
_PART_ML = 0.1


def moments(weights: Values, place: Place) -> dict[str, float]:
    """Gyration, depth and offset of an excess.

    The radius of gyration of a ball of radius R is √(3/5)·R. The voxels count as cubes.

    Args:
        weights: Membership of the region, 0 to 1, 0 outside the bed, shape (x, y, z).
        place: Where the bed lies.
    """
    inside = weights > 0
    w = weights[inside]
    mass = w.sum()
    volume = mass * place.spacing_mm**3
    points = place.points_mm[:, inside]
    centroid = points @ w / mass
    square = (w * ((points - centroid[:, None]) ** 2).sum(axis=0)).sum() / mass
    gyration = np.sqrt(square + place.spacing_mm**2 / 4)  # three axes of a cube, each s²/12
    ball = np.sqrt(0.6) * (3.0 * volume / (4.0 * np.pi)) ** (1 / 3)
    return {
        "gyration_ratio_ln": float(np.log(gyration / ball)),
        "depth_fraction": float((w * place.depth_rank[inside]).sum() / mass),
        "offset_fraction": float(np.linalg.norm(centroid - place.centre_mm) / place.bed_radius_mm),
    }


def region_shape(region: Mask, place: Place) -> dict[str, float]:
    """Compactness, parts and thickness of a region (x, y, z) that is not empty."""
    from scipy.ndimage import distance_transform_edt, label

    voxels = int(region.sum())
    radius = (3.0 * voxels / (4.0 * np.pi)) ** (1 / 3)  # in voxels
    places = np.argwhere(region)
    centroid = places.mean(axis=0)
    limit = _ball_square(region.shape, centroid, voxels)
    in_ball = int((((places - centroid) ** 2).sum(axis=1) <= limit).sum())
    alone = region[box_around(region)]
    parts, _ = label(alone, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    counted = max(1, int((sizes * place.voxel_ml >= _PART_ML).sum()))
    inscribed = float(distance_transform_edt(np.pad(alone, 1)).max())
    return {
        "compactness_fraction": in_ball / voxels,
        "components_ln": float(np.log(counted)),
        "largest_fraction": float(sizes.max() / voxels),
        # The surface lies half a voxel before the first voxel outside.
        "thickness_ratio_ln": float(np.log(max(inscribed - 0.5, 0.5) / radius)),
    }


def _ball_square(shape: tuple[int, ...], centre: Values, voxels: int) -> float:
    """Squared radius, in voxels, of the ball about a centre (3,) that holds so many of a grid."""
    radius = (3.0 * voxels / (4.0 * np.pi)) ** (1 / 3)
    # Most grids reach beyond the ball; where one does not, all of it is looked at.
    for reach in (1.3 * radius + 2.0, float(max(shape))):
        steps = np.ogrid[
            tuple(
                slice(max(int(at - reach), 0), min(int(at + reach) + 2, size))
                for at, size in zip(centre, shape, strict=True)
            )
        ]
        squares = sum((step - at) ** 2 for step, at in zip(steps, centre, strict=True))
        if squares.size >= voxels:
            limit = float(np.partition(squares, voxels - 1, axis=None)[voxels - 1])
            if limit <= reach**2:
                break
    return limit


def above(values: Values, level: float, bed: Mask, voxel_ml: float) -> Mask:
    """Voxels (x, y, z) of the bed above a level, and at the least its hottest 0.25 mL.

    A residue that is gone still has a place where it was last, which is better than no number.
    """
    inside = values[bed]
    least = min(inside.size, max(1, round(LEAST_ML / voxel_ml)))
    hottest = np.partition(inside, inside.size - least)[inside.size - least]
    return np.asarray(bed & (values >= min(level, float(hottest))))


def membership(share: Values, bed: Mask, voxel_ml: float) -> Values:
    """How far each voxel belongs to the region above half, 0 below a quarter, 1 above three.

    A soft edge moves less with noise than a hard one.

    Args:
        share: Excess in units of full excess, shape (x, y, z).
        bed: Where the region may lie.
        voxel_ml: Volume of a voxel.
    """
    soft = np.where(bed, np.clip(2.0 * share - 0.5, 0.0, 1.0), 0.0)
    if soft.sum() * voxel_ml < LEAST_ML:
        return above(share, np.inf, bed, voxel_ml).astype(np.float64)
    return np.asarray(soft)


def volume_ln_ml(region: Mask, voxel_ml: float) -> float:
    """ln of the volume in mL of a region of any shape, softened by a tenth of a millilitre."""
    return ln(float(region.sum()) * voxel_ml, 0.1)
