"""An L in millimetres, no end of which looks like another, stays one on its way to the network."""

from __future__ import annotations

import io

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.transform import Rotation

from pcrnet.cohort.table import read_cohort
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig, RigidAlignment
from pcrnet.imaging import Volume, read_volume
from pcrnet.imaging.convert import convert_series
from pcrnet.imaging.grid import Grid, resample
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.registration.rigid import register
from pcrnet.imaging.tensors.cache import TensorCache
from pcrnet.review.patient_picture import patient_picture

_TURN = st.tuples(*[st.floats(-180, 180)] * 3)
_FLIP = st.sampled_from([-1.0, 1.0])
_BLOBS = [((0, 0, 0), 1.0), ((18, 0, 0), 0.5), ((0, 12, 0), 0.7), ((0, 6, 15), 0.3)]


def _letter(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Three arms of different length and weight: to the right, to the front and to the head."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    place = index @ affine[:3, :3].T + affine[:3, 3]
    return sum(
        weight * np.exp(-((place - at) ** 2).sum(-1) / (2 * 7.0**2)) for at, weight in _BLOBS
    ).astype(np.float32)


def _turned(degrees, flip: float, spacing=(2.5, 2.5, 3.0), reach_mm: float = 130.0) -> Volume:
    """The L on a grid of any orientation and handedness around it."""
    shape = tuple(int(reach_mm / mm) for mm in spacing)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    affine[:3, :3] *= np.multiply(spacing, [1.0, flip, 1.0])
    affine[:3, 3] = np.array([5.0, 4.0, 3.0]) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Volume(_letter(affine, shape), affine, "arbitrary")


def _off_by(volume: Volume) -> float:
    """The largest difference from the L around it; a flip of any axis makes it 0.3 or more."""
    grid = Grid.centred(np.array([5.0, 4.0, 3.0]), (2.0, 2.0, 2.0), (26, 24, 22))
    values, covered = resample(volume, grid)
    assert covered.all()
    return float(np.abs(values - _letter(grid.affine, grid.shape)).max())


@settings(max_examples=8, deadline=None)
@given(_TURN, st.randoms(use_true_random=False))
def test_through_dicom_and_its_conversion(make_slice, tmp_path_factory, degrees, random):
    volume = _turned(degrees, 1.0)
    folder = tmp_path_factory.mktemp("series")
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    columns, rows, count = volume.array.shape
    order = list(range(count))
    random.shuffle(order)
    for name, k in enumerate(order):
        header = make_slice(
            k,
            pixels=np.round(1000 * volume.array[:, :, k].T),
            ImagePositionPatient=[f"{v:.6f}" for v in (lps @ [0, 0, k, 1])[:3]],
            ImageOrientationPatient=[
                f"{v:.9f}" for v in np.concatenate([lps[:3, 0] / 2.5, lps[:3, 1] / 2.5])
            ],
            PixelSpacing=[2.5, 2.5],
            RescaleSlope=0.001,
        )
        header.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    read = read_volume(folder, "t2")
    assert sorted(read.array.shape) == sorted((columns, rows, count))
    assert _off_by(read) < 0.1
    written = convert_series(folder, folder / "out.nii.gz", "t2")
    assert written
    image = nibabel.load(folder / "out.nii.gz")
    theirs = Volume(image.get_fdata(dtype=np.float32), image.affine, "arbitrary")
    assert _off_by(theirs) < 0.1


_DATA = DataConfig(timepoints=("baseline",), branches={"mri": ("dce_pre", "t2")})
_IMAGING = ImagingConfig(spacing_mm=(2.0, 2.0, 2.0), size=(24, 22, 20))


def _cohort(folder, volumes):
    cells = []
    for name, volume in volumes.items():
        write_nifti(volume, folder / f"{name}.nii.gz")
        cells.append(f"{name}.nii.gz")
    header = ",".join(f"baseline.{name}" for name in volumes)
    (folder / "cohort.csv").write_text(f"patient_id,{header}\nP-1,{','.join(cells)}\n")
    return read_cohort(folder / "cohort.csv", timepoints=("baseline",), channels=_DATA.channels)


@settings(max_examples=8, deadline=None)
@given(_TURN, _FLIP, _TURN, _FLIP)
def test_through_nifti_preprocessing_and_the_cache(
    tmp_path_factory, degrees, flip, others_degrees, others_flip
):
    folder = tmp_path_factory.mktemp("cohort")
    dce, t2 = _turned(degrees, flip), _turned(others_degrees, others_flip)
    mask = Volume((dce.array > 0.8).astype(np.float32), dce.affine, "label")
    patient = _cohort(folder, {"dce_pre": dce, "t2": t2, "mask": mask}).patients[0]
    cache = TensorCache(folder / "cache", _DATA, _IMAGING)
    for _ in range(2):  # as made, and as read from disk
        tensor = cache.get(patient)
        grid = Grid.centred(tensor.centre_mm, _IMAGING.spacing_mm, _IMAGING.size)
        truth = _letter(grid.affine, grid.shape)
        for found in tensor.image[0].astype(np.float64):
            # The channel has an offset and a scale of its own.
            assert _alike(found, truth) > 0.998
        assert max(_alike(np.flip(truth, axis), truth) for axis in range(3)) < 0.985


def _alike(first, second) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_the_left_breast_is_drawn_on_the_viewers_right(tmp_path, flip):
    """Radiological convention: the patient faces the viewer."""
    volume = _turned((0, 0, 180), flip)
    index = np.stack(np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij"), -1)
    left_mm = -(index @ volume.affine[:3, :3].T + volume.affine[:3, 3])[..., 0]
    bright = np.where(left_mm > 8.0, 100.0 + left_mm, 20.0).astype(np.float32)
    lesion = Volume(bright, volume.affine, "arbitrary")
    patient = _cohort(tmp_path, {"dce_pre": volume, "t2": lesion}).patients[0]
    data = DataConfig(timepoints=("baseline",), branches={"mri": ("t2",)})
    imaging = ImagingConfig(spacing_mm=(4.0, 4.0, 4.0), size=(24, 22, 20))
    tensor = TensorCache(tmp_path / "cache", data, imaging).get(patient)
    picture = patient_picture(
        tensor,
        ("t2",),
        ("baseline",),
        spacing_mm=imaging.spacing_mm,
        kinds={"t2": "zscore"},
        title="P-1",
        simulated=False,
    )
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(float)
    panel = pixels[110:280, 120:320]
    assert panel[:, 20:60].mean() < 60
    assert panel[:, 140:180].mean() > 150


@pytest.mark.parametrize("engine", ["simpleitk", "greedy"])
def test_visits_of_any_orientation_are_registered_without_a_flip(engine):
    rng = np.random.default_rng(0)
    spots = rng.uniform(-40, 40, (40, 3))

    def body(degrees, flip, shift_mm):
        grid = _turned(degrees, flip)
        index = np.stack(np.meshgrid(*map(np.arange, grid.array.shape), indexing="ij"), -1)
        place = index @ grid.affine[:3, :3].T + grid.affine[:3, 3] - shift_mm
        inside = ((place / [48.0, 42.0, 45.0]) ** 2).sum(-1) < 1
        texture = sum(
            np.exp(-((place - at) ** 2).sum(-1) / 50.0) * (1 if n % 2 else -0.5)
            for n, at in enumerate(spots)
        )
        values = np.where(inside, 1 + 0.8 * texture, 0.0).clip(0)
        return Volume(values.astype(np.float32), grid.affine, "arbitrary")

    first, later = body((0, 0, 0), 1.0, 0.0), body((90, 180, 5), -1.0, np.array([6.0, -4.0, 5.0]))
    found = register(first, later, RigidAlignment(engine=engine))
    np.testing.assert_allclose(found.transform[:3, 3], [6, -4, 5], atol=1.0)
    np.testing.assert_allclose(found.transform[:3, :3], np.eye(3), atol=0.02)
