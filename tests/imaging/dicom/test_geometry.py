"""Regular stacks give their affine; each irregular one is refused with its own error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pcrnet.errors import (
    DuplicateSliceError,
    GantryTiltError,
    GeometryError,
    NotAVolumeError,
    OrientationError,
    SliceGapError,
)
from pcrnet.imaging.dicom.frames import Frame
from pcrnet.imaging.dicom.geometry import (
    check_same_plane,
    slice_positions,
    sort_slices,
    stack_affine,
)

TOLERANCE = 0.05


def frame(position_mm: np.ndarray | tuple[float, ...], rotation: Rotation | None = None) -> Frame:
    axes = (rotation or Rotation.identity()).as_matrix()
    return Frame(
        image=0, number=0, shape=(4, 6), position_mm=tuple(map(float, position_mm)),
        row=tuple(axes[:, 0]), column=tuple(axes[:, 1]), spacing_mm=(2.0, 1.5), thickness_mm=3.0,
        slope=1.0, intercept=0.0, rescale_unit="", real_world=(), acquired_s=None,
        offset_s=None, temporal_index=None, duration_s=None, injected_s=None, b_value=None,
        gradient=None,
    )  # fmt: skip


def stack(gaps_mm: list[float], sideways: float = 0.0) -> list[Frame]:
    """Axial slices with these gaps, each shifted sideways by a share of its height."""
    heights = np.concatenate([[0.0], np.cumsum(gaps_mm)])
    return [frame((sideways * z, 0.0, z)) for z in heights]


angles = st.tuples(*[st.floats(-180, 180)] * 3)


@given(angles, st.floats(0.5, 8.0), st.integers(2, 30), st.randoms(use_true_random=False))
def test_any_rotated_stack_in_any_order_gives_its_affine(
    degrees: tuple[float, float, float], gap_mm: float, count: int, random: object
) -> None:
    rotation = Rotation.from_euler("xyz", degrees, degrees=True)
    origin = np.array([12.0, -34.0, 56.0])
    normal = rotation.as_matrix()[:, 2]
    frames = [frame(origin + k * gap_mm * normal, rotation) for k in range(count)]
    shuffled = list(frames)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    check_same_plane(shuffled)
    affine = stack_affine(sort_slices(shuffled, TOLERANCE))
    index = np.array([5.0, 3.0, count - 1.0, 1.0])
    lps = origin + rotation.as_matrix() @ (index[:3] * [1.5, 2.0, gap_mm])
    assert np.allclose(affine @ index, [-lps[0], -lps[1], lps[2], 1.0], atol=1e-6)
    assert np.linalg.det(affine[:3, :3]) > 0


def test_pet_gaps_of_3_19_to_3_29_mm_are_one_regular_stack() -> None:
    gaps = [3.27] * 260 + [3.19, 3.29, 3.29, 3.29, 3.29, 3.27]
    assert len(sort_slices(stack(gaps), TOLERANCE)) == 267


@pytest.mark.parametrize("at", [0, 1, 50, 97, 98])
def test_one_missing_slice_of_a_hundred_is_noticed(at: int) -> None:
    gaps = [3.27] * 99
    gaps[at] = 6.54
    with pytest.raises(SliceGapError, match=r"6\.54 mm among slices that are 3\.27"):
        sort_slices(stack(gaps), TOLERANCE)


def test_a_spacing_that_creeps_is_refused() -> None:
    with pytest.raises(SliceGapError, match="changes along"):
        sort_slices(stack([3.00] * 50 + [3.10] * 50), TOLERANCE)


def test_the_tolerance_is_the_users() -> None:
    assert sort_slices(stack([3.0, 3.0, 3.4, 3.0]), 0.2)
    with pytest.raises(SliceGapError, match="tolerance 5%"):
        sort_slices(stack([3.0, 3.0, 3.4, 3.0]), TOLERANCE)


def test_two_slices_at_one_position_are_refused() -> None:
    with pytest.raises(DuplicateSliceError):
        sort_slices(stack([3.0, 0.001, 3.0]), TOLERANCE)


def test_images_that_are_all_at_one_position_are_no_volume() -> None:
    with pytest.raises(NotAVolumeError, match="all 4 images"):
        slice_positions(stack([0.0, 0.0, 0.0]))


def test_positions_are_numbered_along_the_normal() -> None:
    frames = stack([3.0, 0.0, 3.0])
    assert slice_positions(frames[::-1]).tolist() == [2, 1, 1, 0]


def test_gantry_tilt_is_refused_and_named_in_degrees() -> None:
    with pytest.raises(GantryTiltError, match=r"10\.0°"):
        sort_slices(stack([3.0] * 9, sideways=np.tan(np.radians(10))), TOLERANCE)


def test_a_slice_shifted_sideways_is_refused() -> None:
    frames = stack([3.0] * 9)
    frames[4] = replace(frames[4], position_mm=(5.0, 0.0, 12.0))
    with pytest.raises(NotAVolumeError, match="sideways"):
        sort_slices(frames, TOLERANCE)


def test_slices_that_are_not_parallel_are_refused() -> None:
    tilted = Rotation.from_euler("x", 1.0, degrees=True)
    with pytest.raises(OrientationError):
        check_same_plane([frame((0, 0, 0)), frame((0, 0, 3), tilted)])


def test_slices_of_two_grids_are_refused() -> None:
    for other in (
        replace(frame((0, 0, 3)), shape=(4, 7)),
        replace(frame((0, 0, 3)), spacing_mm=(2.0, 1.51)),
    ):
        with pytest.raises(GeometryError, match="matrix size or pixel spacing"):
            check_same_plane([frame((0, 0, 0)), other])


def test_directions_that_are_no_unit_vectors_are_refused() -> None:
    for row in ((2.0, 0.0, 0.0), (0.7071, 0.7071, 0.0)):
        with pytest.raises(GeometryError, match="orthogonal unit"):
            check_same_plane([replace(frame((0, 0, 0)), row=row)])


def test_a_single_slice_is_as_thick_as_it_says() -> None:
    single = sort_slices([frame((0, 0, 0))], TOLERANCE)
    assert np.allclose(np.diag(stack_affine(single)), [-1.5, -2.0, 3.0, 1.0])
    with pytest.raises(NotAVolumeError, match="unknown thickness"):
        stack_affine([replace(frame((0, 0, 0)), thickness_mm=None)])
