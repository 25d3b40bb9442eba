from __future__ import annotations

import io
import zipfile

import numpy as np
import pydicom
import pytest
import SimpleITK
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from pcrnet.config.imaging import RigidAlignment
from pcrnet.errors import RegistrationError
from pcrnet.imaging.reader import read_volume
from pcrnet.imaging.registration import engine_greedy, engine_simpleitk
from pcrnet.imaging.registration.likeness import prepare_scan
from pcrnet.imaging.registration.rigid import register
from pcrnet.imaging.volume import Volume

LIMITS = RigidAlignment(on_failure="refuse")
EITHER = pytest.mark.parametrize(
    "limits",
    [LIMITS, RigidAlignment(on_failure="refuse", engine="greedy")],
    ids=["simpleitk", "greedy"],
)


def _middle_mm(volume: Volume) -> np.ndarray:
    return (volume.affine @ np.append((np.array(volume.array.shape) - 1) / 2, 1.0))[:3]


def _rigid(shift_mm, angles_degrees, centre_mm) -> np.ndarray:
    turn = Rotation.from_euler("xyz", angles_degrees, degrees=True).as_matrix()
    transform = np.eye(4)
    transform[:3, :3] = turn
    transform[:3, 3] = np.array(centre_mm) + shift_mm - turn @ centre_mm
    return transform


def _later_visit(volume: Volume, transform: np.ndarray, *, seed: int = 0, noise=0.03) -> Volume:
    """The same body moved, with other coil shading, noise and a lesion that has shrunk."""
    rng = np.random.default_rng(seed)
    body = volume.array.copy()
    places = np.indices(body.shape).reshape(3, -1).T - np.array(body.shape) * [0.5, 0.45, 0.6]
    near = (((places * volume.spacing_mm) ** 2).sum(1) < 8.0**2).reshape(body.shape)
    body[near] = np.percentile(body, 50)
    index = np.linalg.inv(volume.affine) @ np.linalg.inv(transform) @ volume.affine
    moved = affine_transform(body, index[:3, :3], index[:3, 3], order=1)
    u, v, w = (np.linspace(-0.5, 0.5, n) for n in body.shape)
    shading = np.exp(0.3 * u[:, None, None] - 0.4 * v[:, None] + 0.3 * w * v[:, None])
    moved = moved * shading + noise * np.percentile(body, 99) * rng.normal(size=body.shape)
    return Volume(np.abs(moved).astype(np.float32), volume.affine, volume.unit)


def _cropped(volume: Volume, margin_mm: float) -> Volume:
    """What a field of view shows: the body goes on beyond it."""
    n = np.round(margin_mm / volume.spacing_mm).astype(int)
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ n
    return Volume(volume.array[tuple(slice(k, -k) for k in n)], affine, volume.unit)


def _errors_mm(found: np.ndarray, true: np.ndarray, volume: Volume) -> np.ndarray:
    """How far tissue ends from where it belongs."""
    bright = volume.array > 0.2 * np.percentile(volume.array, 99)
    places = np.argwhere(bright)[::97]
    points = np.c_[places, np.ones(len(places))] @ volume.affine.T
    return np.linalg.norm((points @ (found - true).T)[:, :3], axis=1)


def _torso(depth_mm: float, width_mm: float, *, seed: int = 3, spacing_mm: float = 4.0) -> Volume:
    """A chest with texture of its own and two breasts that reach ``depth_mm`` in front of it."""
    rng = np.random.default_rng(seed)
    shape = (84, 76, 40)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = -spacing_mm * (np.array(shape) - 1) / 2
    x, y, z = (affine[a, 3] + spacing_mm * np.arange(n) for a, n in enumerate(shape))
    x, y = x[:, None, None], (y + 40.0)[:, None]
    chest = (x / 140) ** 2 + (y / 90) ** 2 + 0 * z < 1
    breasts = np.zeros(shape, bool)
    for side in (-70, 70):
        ahead = np.clip(y - 50, 0, None) / depth_mm
        breasts |= ((x - side) / width_mm) ** 2 + ahead**2 + (z / width_mm) ** 2 < 1
    breasts &= y > 40
    texture = gaussian_filter(rng.normal(size=shape), 2.0)
    texture = 1.0 + 0.35 * texture / texture.std()
    lungs = (((np.abs(x) - 60) / 45) ** 2 + (y / 60) ** 2 + (z / 120) ** 2) < 1
    values = np.where(chest, np.clip(texture, 0.3, None), np.where(breasts, 1.4, 0.0))
    values = np.where(lungs, 0.05, values) + 0.02 * np.abs(rng.normal(size=shape))
    return Volume(values.astype(np.float32), affine, "arbitrary")


@pytest.fixture(scope="module")
def breast(test_data) -> Volume:
    """A real breast: the phase before contrast of UCSF-BR-08, 120 × 180 × 180 mm."""
    archive = test_data / "breast_dce_UCSF-BR-08" / "image_dce_3dfgre_orig.zip"
    with zipfile.ZipFile(archive) as files:
        names = [name for name in files.namelist() if not name.endswith("/")]
        slices = [pydicom.dcmread(io.BytesIO(files.read(name))) for name in names]
    slices = [one for one in slices if int(one.InstanceNumber) <= 60]
    slices.sort(key=lambda one: float(one.ImagePositionPatient[0]))
    array = np.stack([one.pixel_array for one in slices]).astype(np.float32)
    # Sagittal: rows run down, columns to the back; L, P and S become R, A and S.
    affine = np.zeros((4, 4))
    affine[0, 0], affine[2, 1], affine[1, 2], affine[3, 3] = -2.0, -0.703125, -0.703125, 1.0
    return Volume(array, affine, "arbitrary")


@EITHER
@pytest.mark.parametrize(
    ("shift_mm", "angles_degrees"), [((10, -8, 6), (3, -2, 4)), ((0, 0, 14), (0, 0, 0))]
)
def test_a_known_displacement_of_14_mm_is_found_to_1_5_mm(breast, limits, shift_mm, angles_degrees):
    first = _cropped(breast, 18.0)
    true = _rigid(shift_mm, angles_degrees, _middle_mm(first))
    later = _cropped(_later_visit(breast, true), 18.0)
    found = register(first, later, limits)
    errors = _errors_mm(found.transform, true, first)
    assert errors.max() < 1.5
    assert errors.mean() < 0.5
    assert found.shift_mm == pytest.approx(np.linalg.norm(shift_mm), abs=1.0)
    assert found.similarity_after > 3 * found.similarity_before


@EITHER
def test_the_same_input_gives_the_same_bits_whatever_the_number_of_threads(limits):
    first = _torso(70, 55)
    later = _later_visit(first, _rigid((8, -6, 5), (2, 1, -3), _middle_mm(first)))
    climb = {"simpleitk": engine_simpleitk, "greedy": engine_greedy}[limits.engine].climb
    pair = prepare_scan(first), prepare_scan(later)
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    found = []
    try:
        for threads in (1, 4, 4, 4):
            SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found.append(climb(*pair, np.eye(4)).tobytes())
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert len(set(found)) == 1


def test_voxels_of_another_size_and_order_make_no_difference():
    first = _torso(70, 55)
    true = _rigid((8, -6, 5), (2, 1, -3), _middle_mm(first))
    later = _later_visit(first, true)
    affine = later.affine[:, [2, 0, 1, 3]].copy()
    affine[:3, 0] *= -1
    affine[:3, 3] -= affine[:3, 0] * (later.array.shape[2] - 1)
    other = Volume(later.array.transpose(2, 0, 1)[::-1, ::2].copy(), affine, later.unit)
    other.affine[:3, 1] *= 2
    found = register(first, other, LIMITS)
    assert _errors_mm(found.transform, true, first).max() < 2.0


@EITHER
def test_the_edge_of_an_oblique_field_does_not_hold_the_body_back(limits):
    body = _torso(70, 55)
    true = _rigid((9, -7, 6), (2, -3, 4), _middle_mm(body))
    field = _rigid((0, 0, 0), (12, 8, 0), _middle_mm(body)) @ body.affine
    field[:3, 3] += field[:3, :3] @ [14, 10, 6]
    visits = []
    for moved in (np.eye(4), true):
        index = np.linalg.inv(moved @ body.affine) @ field
        seen = affine_transform(
            body.array, index[:3, :3], index[:3, 3], output_shape=(56, 56, 28), order=1
        )
        visits.append(Volume(seen, field, "arbitrary"))
    found = register(*visits, limits)
    assert _errors_mm(found.transform, true, visits[0]).max() < 0.5


@EITHER
def test_another_frame_of_reference_is_bridged(limits):
    first = _torso(70, 55)
    far = first.affine.copy()
    far[:3, 3] += [-30.0, 20.0, 55.0]
    found = register(first, Volume(first.array, far, first.unit), limits)
    np.testing.assert_allclose(found.transform[:3, 3], [-30, 20, 55], atol=1.0)


def test_a_visit_that_lies_alike_stays_where_it_is():
    first = _torso(70, 55)
    found = register(first, first, LIMITS)
    np.testing.assert_array_equal(found.transform, np.eye(4))
    assert (found.shift_mm, found.rotation_degrees, found.front_mm) == (0, 0, 0)


def test_noise_is_no_match():
    first = _torso(70, 55)
    noise = np.random.default_rng(0).random(first.array.shape, dtype=np.float32)
    with pytest.raises(RegistrationError, match="does not match the first"):
        register(first, Volume(noise, first.affine, "arbitrary"), LIMITS)


def test_another_body_is_no_match():
    with pytest.raises(RegistrationError, match="does not match the first"):
        register(_torso(70, 55), _torso(70, 55, seed=8), LIMITS)


def test_a_displacement_beyond_the_limit_is_refused():
    first = _torso(70, 55)
    later = _later_visit(first, _rigid((8, -6, 5), (0, 0, 0), _middle_mm(first)))
    with pytest.raises(RegistrationError, match="11 mm from the first, at most 5 mm"):
        register(first, later, RigidAlignment(on_failure="refuse", max_shift_mm=5))


def test_a_rotation_beyond_the_limit_is_refused():
    first = _torso(70, 55)
    later = _later_visit(first, _rigid((0, 0, 0), (0, 0, 8), _middle_mm(first)))
    with pytest.raises(RegistrationError, match="turned by 8°"):
        register(first, later, RigidAlignment(on_failure="refuse", max_rotation_degrees=5))


def test_prone_against_supine_is_refused_unless_allowed():
    prone, supine = _torso(85, 50), _torso(30, 65)
    with pytest.raises(RegistrationError, match="one visit seems to be prone"):
        register(prone, supine, LIMITS)
    allowed = register(prone, supine, RigidAlignment(on_failure="refuse", allow_prone_supine=True))
    assert allowed.front_mm > LIMITS.max_front_mm
    assert allowed.shift_mm < 3.0


def test_a_front_that_differs_is_a_doubt_where_visits_are_kept():
    kept = register(_torso(85, 50), _torso(30, 65), RigidAlignment(on_failure="keep"))
    assert kept.accepted
    assert kept.similarity_after >= kept.similarity_before
    assert "may be prone" in kept.doubt


@EITHER
def test_a_header_that_turns_the_patient_half_round_is_refused_unless_allowed(limits):
    first = _torso(70, 55)
    turned = first.affine.copy()
    turned[:2] *= -1
    later = Volume(first.array, turned, first.unit)
    with pytest.raises(RegistrationError, match="turned half round"):
        register(first, later, limits)
    found = register(first, later, limits.model_copy(update={"allow_prone_supine": True}))
    np.testing.assert_allclose(found.transform, np.diag([-1, -1, 1, 1]), atol=0.2)


def test_lesion_that_shrank_leaves_the_front_alike():
    first = _torso(70, 55)
    later = _later_visit(first, _rigid((4, 3, -6), (0, 2, 0), _middle_mm(first)))
    assert register(first, later, LIMITS).front_mm < 8.0


@pytest.mark.slow
def test_real_visits_in_different_frames_of_reference_are_brought_together(test_data):
    first, later = (_cmb(test_data, scan) for scan in ("SCAN_002", "SCAN_001"))
    found = register(first, later, LIMITS)
    assert found.similarity_after > 5 * found.similarity_before
    assert found.rotation_degrees < 5
    assert 30 < found.shift_mm < 42


def _cmb(test_data, scan: str) -> Volume:
    with zipfile.ZipFile(test_data / "cmb_crc_two_timepoints" / f"{scan}_t2_image.zip") as files:
        names = [name for name in files.namelist() if not name.endswith("/")]
        slices = [pydicom.dcmread(io.BytesIO(files.read(name))) for name in names]
    slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    start, end = (np.array(slices[k].ImagePositionPatient, float) for k in (0, -1))
    rows, columns = map(float, slices[0].PixelSpacing)
    array = np.stack([one.pixel_array for one in slices]).astype(np.float32).transpose(2, 1, 0)
    affine = np.diag([-columns, -rows, (end - start)[2] / (len(slices) - 1), 1.0])
    affine[:3, 3] = start * [-1, -1, 1]
    return Volume(array, affine, "arbitrary")


@EITHER
def test_scans_too_thin_to_overlap_are_refused(limits):
    first = _torso(70, 55)
    thin = Volume(first.array[:, :, :3], first.affine, first.unit)
    with pytest.raises(RegistrationError):
        register(first, thin, limits)


@pytest.mark.slow
def test_a_scan_of_full_size_is_registered_as_well():
    from scipy.ndimage import zoom

    small = _torso(70, 55)
    factors = np.array((256, 256, 80)) / small.array.shape
    affine = small.affine.copy()
    affine[:3, :3] = affine[:3, :3] / factors
    first = Volume(zoom(small.array, factors, order=1), affine, "arbitrary")
    true = _rigid((10, -8, 6), (3, -2, 4), _middle_mm(first))
    found = register(first, _later_visit(first, true), LIMITS)
    assert _errors_mm(found.transform, true, first).max() < 1.5


def test_a_lesion_that_is_left_out_counts_neither_in_the_search_nor_in_the_similarity(breast):
    first = _cropped(breast, 18.0)
    middle = _middle_mm(first)
    inside = _distances_mm(first, middle) <= 25.0
    bright = first.array.copy()
    bright[inside] *= 2.5 * np.random.default_rng(4).random(int(inside.sum())).astype(np.float32)
    lesion = Volume(inside.astype(np.float32), first.affine, "label")
    later = Volume(bright, first.affine, first.unit)
    counted, left_out = (register(first, later, LIMITS, mask) for mask in (None, lesion))
    assert left_out.similarity_before > 1.1 * counted.similarity_before
    scan = prepare_scan(first, left_out=lesion)
    centre = np.linalg.inv(scan.grid.affine) @ np.append(middle, 1.0)
    x, y, z = np.round(centre[:3]).astype(int)
    assert scan.left_out[x, y, z]
    assert not scan.looked_at[x, y, z]
    reach = scan.left_out.sum() * scan.spacing_mm**3
    assert reach == pytest.approx(4 / 3 * np.pi * 33.0**3, rel=0.15)


def _distances_mm(volume: Volume, point_mm: np.ndarray) -> np.ndarray:
    """Distance of each voxel from a point."""
    index = np.indices(volume.array.shape).reshape(3, -1)
    points = volume.affine[:3, :3] @ index + volume.affine[:3, 3:]
    return np.linalg.norm(points - point_mm[:, None], axis=0).reshape(volume.array.shape)


def test_a_field_of_few_points_is_not_turned_round_by_chance(test_data):
    scan = read_volume(test_data / "sts_petmr_cohort" / "STS_042" / "MR_T1_image.nii.gz", "t1")
    true = _rigid((6, -5, 7), (3, -4, 2), _middle_mm(scan))
    first, later = (_cropped(one, 10.0) for one in (scan, _later_visit(scan, true)))
    found = register(first, later, LIMITS)
    assert found.rotation_degrees < 10.0
    assert np.median(_errors_mm(found.transform, true, first)) < 1.5
