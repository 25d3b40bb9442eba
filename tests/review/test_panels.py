from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from matplotlib.figure import Figure

from pcrnet.review.panels import Look, axis_of, cut, draw_panel, extent_mm

RAS = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)


def _display_by_simpleitk(plane: str, index: int) -> np.ndarray:
    """LPS with a reversed z is the display order of every workstation."""
    image = SimpleITK.GetImageFromArray(RAS.T)  # SimpleITK's own axes are LPS
    image.SetDirection(np.diag([-1.0, -1.0, 1.0]).ravel().tolist())
    display = SimpleITK.GetArrayFromImage(
        SimpleITK.DICOMOrient(image, "LPI")
    )  # z, y, x: S→I, A→P, R→L
    return {
        "axial": display[RAS.shape[2] - 1 - index],
        "coronal": display[:, RAS.shape[1] - 1 - index],
        "sagittal": display[:, :, RAS.shape[0] - 1 - index],
    }[plane]


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_planes_have_the_radiological_order_of_simpleitk(plane):
    np.testing.assert_array_equal(cut(RAS, plane, 2), _display_by_simpleitk(plane, 2))


@pytest.mark.parametrize(
    ("plane", "size"), [("axial", (5, 12)), ("coronal", (5, 21)), ("sagittal", (12, 21))]
)
def test_a_slice_has_its_true_size_in_millimetres(plane, size):
    assert extent_mm(RAS.shape, np.array([1.0, 2.0, 3.0]), plane) == size


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_slice_shows_the_two_axes_that_its_plane_does_not_cut(plane):
    rows, columns = cut(RAS, plane, 0).shape
    kept = [n for axis, n in enumerate(RAS.shape) if axis != axis_of(plane)]
    assert [columns, rows] == kept


def test_a_panel_prints_its_orientation_and_a_scale_bar_of_its_true_length():
    axes = Figure().add_axes((0, 0, 1, 1))
    draw_panel(
        axes,
        np.zeros((50, 40, 30), np.float32),
        Look("a.u.", 0, 1),
        plane="axial",
        index=10,
        spacing_mm=np.array([2.0, 2.0, 3.0]),
    )
    words = {text.get_text() for text in axes.texts}
    assert {"R", "L", "A", "P", "20 mm"} <= words
    assert [patch.get_width() for patch in axes.patches] == [20]
    assert axes.get_xlim() == (0, 100)


def test_the_outline_encloses_the_lesion_in_millimetres():
    mask = np.zeros((20, 20, 4), bool)
    mask[5:10, 8:16, 2] = True
    axes = Figure().add_axes((0, 0, 1, 1))
    draw_panel(
        axes,
        mask.astype(np.float32),
        Look("a.u.", 0, 1),
        plane="axial",
        index=2,
        spacing_mm=np.array([2.0, 3.0, 1.0]),
        outline=mask,
    )
    (line,) = axes.collections
    points = np.concatenate([path.vertices for path in line.get_paths()])
    # x runs from the patient's right, so voxels 5..9 of 20 lie 10..15 voxels from the left.
    np.testing.assert_allclose(points.min(0), (10 * 2, 4 * 3), atol=1e-9)
    np.testing.assert_allclose(points.max(0), (15 * 2, 12 * 3), atol=1e-9)


def test_low_uptake_leaves_the_anatomy_below_visible():
    axes = Figure().add_axes((0, 0, 1, 1))
    pet = np.linspace(0, 10, 8, dtype=np.float32).reshape(8, 1, 1)
    draw_panel(
        axes,
        np.zeros((8, 1, 1), np.float32),
        Look("a.u.", 0, 1),
        plane="axial",
        index=0,
        spacing_mm=np.ones(3),
        over=(pet, Look("SUVbw", 0, 10, "inferno")),
    )
    opacity = np.asarray(axes.images[1].get_alpha())[0, ::-1]
    assert opacity[0] == 0
    assert (np.diff(opacity) >= 0).all()
    assert opacity[-1] < 1
