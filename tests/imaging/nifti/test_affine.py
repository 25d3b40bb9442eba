"""Where a NIfTI header says that its voxels lie."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pcrnet.errors import GeometryError
from pcrnet.imaging.nifti.affine import quaternion
from pcrnet.imaging.nifti.header import parse_header

_SHAPE = (20, 30, 40)


def _affine(shift=0.0):
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", [10, 25, -15], degrees=True).as_matrix()
    affine[:3, :3] = turn * [1.0, 2.0, -3.0]
    affine[:3, 3] = [-30.0 + shift, 12.0, 7.0]
    return affine


def _header(sform=None, qform=None, **fields):
    header = nib.Nifti1Header()
    header.set_data_shape(_SHAPE)
    header["pixdim"][1:4] = (1.0, 2.0, 3.0)
    header["magic"] = b"n+1"
    if sform is not None:
        header.set_sform(sform, 1)
    if qform is not None:
        header.set_qform(qform, 1)
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + bytes(200)


def test_the_sform_comes_first():
    affine = parse_header(_header(_affine(), _affine(0.5))).affine
    np.testing.assert_allclose(affine, _affine(), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-180, 180)] * 3), st.sampled_from([-1.0, 1.0]))
def test_without_it_the_qform_is_what_nibabel_makes_of_it(euler, qfac):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", euler, degrees=True).as_matrix() * [1, 2, 3 * qfac]
    matrix[:3, 3] = [4.0, 5.0, 6.0]
    block = _header(qform=matrix)
    theirs = nib.Nifti1Header(block[:348]).get_qform()
    # Close to half a turn single precision leaves 3e-4 rad, and readers round at different places.
    np.testing.assert_allclose(parse_header(block).affine, theirs, atol=4e-3)
    np.testing.assert_allclose(parse_header(block).affine, matrix, atol=4e-3)


def test_half_a_turn_is_exactly_that():
    lps = np.diag([-1.0, -2.0, 3.0, 1.0])
    np.testing.assert_array_equal(parse_header(_header(qform=lps)).affine, lps)


@pytest.mark.parametrize(
    ("quatern", "said"), [((0.9, 0.9, 0.9), "longer than 1"), ((np.nan, 0.0, 0.0), "not finite")]
)
def test_a_quaternion_that_is_no_rotation_is_refused(quatern, said):
    fields = dict(zip(("quatern_b", "quatern_c", "quatern_d"), quatern, strict=True))
    with pytest.raises(GeometryError, match=said):
        parse_header(_header(qform=np.diag([1.0, 2.0, 3.0, 1.0]), **fields))


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-180, 180)] * 3), st.sampled_from([-1.0, 1.0]))
def test_a_quaternion_is_what_nibabel_reads_as_the_same_rotation(euler, qfac):
    directions = Rotation.from_euler("xyz", euler, degrees=True).as_matrix() * [1, 1, qfac]
    found = quaternion(directions)
    assert found is not None
    assert found[0] == qfac
    scalar = np.sqrt(max(0.0, 1.0 - (found[1] ** 2).sum()))
    back = nib.quaternions.quat2mat([scalar, *found[1]])
    np.testing.assert_allclose(back * [1, 1, qfac], directions, atol=1e-6)


def test_shear_has_no_quaternion():
    assert quaternion(np.array([[1.0, 0.3, 0], [0, 1, 0], [0, 0, 1]])) is None


@pytest.mark.parametrize(("unit", "factor"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001)])
def test_lengths_become_millimetres(unit, factor):
    affine = _affine()
    affine[:3] /= factor
    found = parse_header(_header(affine, xyzt_units=unit | 8)).affine
    np.testing.assert_allclose(found, _affine(), rtol=1e-5, atol=1e-4)


def test_a_contradiction_of_sform_and_qform_states_the_distance():
    with pytest.raises(GeometryError, match=r"disagree by 4\.0 mm"):
        parse_header(_header(_affine(), _affine(4.0)))
    parse_header(_header(_affine(), _affine(0.9)))


def test_a_turn_that_only_the_corners_show_is_a_contradiction():
    turned = _affine() @ np.diag([1.0, 1.0, 1.05, 1.0])
    with pytest.raises(GeometryError, match="disagree"):
        parse_header(_header(turned, _affine()))


def test_without_orientation_there_is_no_volume():
    with pytest.raises(GeometryError, match="no orientation"):
        parse_header(_header())


def test_axes_that_do_not_span_space_are_refused():
    flat = np.eye(4)
    flat[:3, 1] = [1.0, 0.0, 0.0]
    with pytest.raises(GeometryError, match="span"):
        parse_header(_header(flat))


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_voxels_of_impossible_size_hint_at_the_unit(factor):
    with pytest.raises(GeometryError, match="voxels of") as caught:
        parse_header(_header(_affine() @ np.diag([factor, factor, factor, 1.0])))
    assert "unit of length" in caught.value.remedy


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad):
    broken = _affine()
    broken[1, 1] = bad
    with pytest.raises(GeometryError, match="not finite"):
        parse_header(_header(broken))
    with pytest.raises(GeometryError, match="not finite"):
        parse_header(_header(qform=_affine(), qoffset_x=bad))
