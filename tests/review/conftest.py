"""A small cohort of scans to look at."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pcrnet.cohort.table import read_cohort
from pcrnet.imaging.nifti.file import write_nifti
from pcrnet.imaging.volume import Volume


def _ellipsoid(kind, shift_mm=0.0):
    """A textured body with a lesion in its middle, as PET, MR or mask."""
    shape = (30, 28, 24)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = -4.0 * (np.array(shape) - 1) / 2
    affine[0, 3] += shift_mm
    x, y, z = (np.linspace(-1.1, 1.1, n) for n in shape)
    radius = x[:, None, None] ** 2 + y[:, None] ** 2 + z**2
    lesion = radius < 0.05
    texture = gaussian_filter(np.random.default_rng(2).normal(size=shape), 1.5)
    body = np.where(radius < 1, 1 + 0.3 * texture / texture.std(), 0.0).clip(0)
    array = {"pet": body + 6.0 * lesion, "t2": 100 * body, "mask": lesion}[kind]
    return Volume(array.astype(np.float32), affine, "label" if kind == "mask" else "arbitrary")


@pytest.fixture
def small_cohort(tmp_path):
    """A whole patient, one with a later visit that was not acquired, one with a damaged file."""
    columns = ["baseline.pet", "baseline.t2", "baseline.mask", "interim.pet", "interim.t2"]
    lines = [",".join(["patient_id", *columns, "baseline.days"])]
    for patient, missing in (("P-1", ()), ("P-2", ("interim.pet", "interim.t2")), ("P-3", ())):
        folder = tmp_path / f"{patient}-CANARY"
        cells = [patient]
        for column in columns:
            visit, _, kind = column.partition(".")
            if column in missing:
                cells.append("")
                continue
            path = folder / f"{visit}_{kind}.nii.gz"
            write_nifti(_ellipsoid(kind, 8.0 if visit == "interim" else 0.0), path)
            cells.append(str(path.relative_to(tmp_path)))
        lines.append(",".join([*cells, "-5"]))
    damaged = tmp_path / "P-3-CANARY" / "interim_t2.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:400])
    table = tmp_path / "cohort.csv"
    table.write_text("\n".join(lines) + "\n")
    return read_cohort(table, timepoints=("baseline", "interim"), channels=("pet", "t2"))
