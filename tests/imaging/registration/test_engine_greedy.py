from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from pcrnet.errors import ConfigError
from pcrnet.imaging.registration import engine_greedy, engine_simpleitk
from pcrnet.imaging.registration.likeness import prepare_scan
from pcrnet.imaging.volume import Volume


@pytest.fixture(scope="module")
def body() -> Volume:
    """A textured ellipsoid away from the origin."""
    shape = (44, 40, 36)
    x, y, z = (np.linspace(-1.2, 1.2, n) for n in shape)
    inside = x[:, None, None] ** 2 + y[:, None] ** 2 + z**2 < 1
    texture = gaussian_filter(np.random.default_rng(0).normal(size=shape), 1.5)
    values = np.where(inside, 1 + 0.3 * texture / texture.std(), 0.0).clip(0)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [20.0, -90.0, 35.0]
    return Volume(values.astype(np.float32), affine, "arbitrary")


def _rigid(angles_degrees, shift_mm) -> np.ndarray:
    transform = np.eye(4)
    transform[:3, :3] = Rotation.from_euler("xyz", angles_degrees, degrees=True).as_matrix()
    transform[:3, 3] = shift_mm
    return transform


@pytest.mark.parametrize(
    ("angles_degrees", "shift_mm"),
    [((0, 0, 0), (7, -5, 4)), ((3, -4, 2), (5, 2, -6)), ((0, 0, 180), (60, -50, 3))],
)
def test_it_finds_what_simpleitk_finds_from_the_same_start(body, angles_degrees, shift_mm):
    true = _rigid(angles_degrees, shift_mm)
    fixed, moving = (
        prepare_scan(Volume(body.array, affine, body.unit))
        for affine in (body.affine, true @ body.affine)
    )
    start = true @ _rigid((1.5, 1.0, -2.0), (2, 1, -2))
    corners = np.c_[
        np.random.default_rng(1).uniform((20, -90, 35), (150, 30, 140), (50, 3)), [1] * 50
    ]
    ours = {
        engine.__name__: engine.climb(fixed, moving, start)
        for engine in (engine_simpleitk, engine_greedy)
    }
    for found in ours.values():
        apart = np.linalg.norm((corners @ (found - true).T)[:, :3], axis=1)
        assert apart.max() < 1.0
        np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-5)


def test_nothing_is_printed_not_even_by_its_optimiser(body, capfd):
    scan = prepare_scan(body)
    engine_greedy.climb(scan, scan, _rigid((2, 0, 0), (3, 1, 0)))
    sys.stdout.write("still heard\n")
    sys.stdout.flush()
    assert tuple(capfd.readouterr()) == ("still heard\n", "")


def test_without_the_package_the_remedy_is_named(body, monkeypatch):
    monkeypatch.setitem(sys.modules, "picsl_greedy", None)
    scan = prepare_scan(body)
    with pytest.raises(ConfigError, match="not installed") as caught:
        engine_greedy.climb(scan, scan, np.eye(4))
    assert caught.value.field == "imaging.alignment.engine"
    assert "pcrnet[greedy]" in caught.value.remedy
