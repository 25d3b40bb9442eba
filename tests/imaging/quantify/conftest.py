"""Digital phantoms whose quantities have a closed form."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pcrnet.imaging.grid import Grid
from pcrnet.imaging.quantify.place import place_mask, voxel_centres_mm
from pcrnet.imaging.volume import Volume


def _grid(spacing_mm=2.0, extent_mm=140.0, centre_mm=(0.0, 0.0, 0.0)):
    count = round(extent_mm / spacing_mm)
    return Grid.centred(np.array(centre_mm), (spacing_mm,) * 3, (count,) * 3)


def _distance_mm(grid, centre_mm=(0.0, 0.0, 0.0)):
    return np.linalg.norm(voxel_centres_mm(grid) - np.reshape(centre_mm, (3, 1, 1, 1)), axis=0)


def _ball_mask(radius_mm, centre_mm=(0.0, 0.0, 0.0), spacing_mm=1.0):
    grid = _grid(spacing_mm, 2 * radius_mm + 8.0, centre_mm)
    inside = _distance_mm(grid, centre_mm) <= radius_mm
    return Volume(inside.astype(np.float32), grid.affine, "label")


@pytest.fixture(scope="session")
def phantom():
    """Makers of grids, distances, ball masks and the place around one."""
    return SimpleNamespace(
        grid=_grid,
        distance_mm=_distance_mm,
        ball_mask=_ball_mask,
        place=lambda radius_mm, centre_mm=(0.0, 0.0, 0.0): place_mask(
            _ball_mask(radius_mm, centre_mm)
        ),
    )


_CHANNELS = ("pet", "dce_pre", "dce_early", "dce_late", "t2", "adc")
_SHIFT_MM = np.array([4.0, -3.0, 2.0])


def _body(points):
    """Two tissues with structure of their own, so that registration has something to hold."""
    x, y, z = points
    inside = ((x - 10) / 85) ** 2 + ((y + 10) / 75) ** 2 + ((z - 5) / 80) ** 2 < 1
    glands = np.sin(x / 9) + np.sin(y / 11 + 1) + np.sin(z / 10 + 2) + np.sin((x + y) / 17)
    return inside, inside & (glands > 0.5)


def _scan(channel, grid, lesion_mm, alive, shift_mm, node):
    """One channel of a visit: ``alive`` scales the uptake and enhancement of the lesion."""
    points = voxel_centres_mm(grid) - shift_mm.reshape(3, 1, 1, 1)
    body, glands = _body(points)
    apart = np.linalg.norm(points - lesion_mm.reshape(3, 1, 1, 1), axis=0)
    lesion = (apart <= 12.0).astype(float)
    spot = np.linalg.norm(points - np.array([45.0, -30.0, 45.0]).reshape(3, 1, 1, 1), axis=0) <= 6.0
    base, unit = {
        "pet": (0.5 * body + 0.4 * glands + 7.0 * alive * lesion + node * spot, "SUVbw"),
        "dce_pre": (400.0 * body + 200.0 * glands, "arbitrary"),
        "dce_early": (440.0 * body + 260.0 * glands + 500.0 * alive * lesion, "arbitrary"),
        "dce_late": (460.0 * body + 300.0 * glands + 400.0 * alive * lesion, "arbitrary"),
        "t2": (300.0 * body + 250.0 * glands + 100.0 * lesion, "arbitrary"),
        "adc": ((1.8 - (0.9 * alive) * lesion) * body, "1e-3 mm2/s"),
    }[channel]
    noise = np.random.default_rng(len(channel)).normal(size=base.shape)
    level = 0.01 * float(base.max())
    values = np.maximum(gaussian_filter(base, 1.0) + level * noise, 0.0)
    return Volume(values.astype(np.float32), grid.affine, unit)


def _visit(alive=1.0, shift_mm=(0.0, 0.0, 0.0), channels=_CHANNELS, node=0.0):
    grid = _grid(3.0, 210.0)
    shift = np.array(shift_mm)
    return {c: _scan(c, grid, np.array([15.0, 10.0, -5.0]), alive, shift, node) for c in channels}


@pytest.fixture(scope="session")
def make_visit():
    """Channel to volume of a synthetic visit with a ball of 12 mm radius at (15, 10, −5) mm."""
    return _visit
