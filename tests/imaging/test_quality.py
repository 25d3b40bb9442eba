from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from pcrnet.cohort.table import read_cohort
from pcrnet.config import DataConfig, ImagingConfig, RigidAlignment
from pcrnet.imaging.measurements import VisitMeasurements
from pcrnet.imaging.nifti import write_nifti
from pcrnet.imaging.quality import describe, patient_page, quality_sheet
from pcrnet.imaging.volume import Volume

DATA = DataConfig(branches={"pet": ("pet",), "mri": ("t2",)})
IMAGING = ImagingConfig(spacing_mm=(4.0, 4.0, 4.0), size=(10, 10, 8))


def _volume(kind: str, shift_mm: float = 0.0) -> Volume:
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
def cohort(tmp_path):
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
            write_nifti(_volume(kind, 8.0 if visit == "interim" else 0.0), path)
            cells.append(str(path.relative_to(tmp_path)))
        lines.append(",".join([*cells, "-5"]))
    damaged = tmp_path / "P-3-CANARY" / "interim_t2.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:400])
    table = tmp_path / "cohort.csv"
    table.write_text("\n".join(lines) + "\n")
    return read_cohort(table, timepoints=DATA.timepoints, channels=DATA.channels)


def test_the_whole_cohort_is_one_page_that_needs_no_other_file(cohort, tmp_path):
    told = []
    out = tmp_path / "sheet"
    index = quality_sheet(cohort, DATA, IMAGING, out, lambda *done: told.append(done))
    html = index.read_text(encoding="utf-8")
    assert [path.name for path in out.iterdir()] == ["index.html"]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert html.count("data:image/jpeg;base64,") == 2
    for patient in cohort.patients:
        assert f'href="#row-{patient.row}"' in html
    assert "Simulated data" not in html
    assert "CANARY" not in html
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", html)
    assert all(Image.open(io.BytesIO(base64.b64decode(one))).width > 500 for one in pictures)
    # The damaged scan is named by patient, row and column.
    assert re.search(r"patient P-3, file cohort.csv row 4, field interim.t2: .+", html)


def test_a_simulated_cohort_says_so(cohort, tmp_path):
    index = quality_sheet(cohort, DATA, IMAGING, tmp_path / "sheet", simulated=True)
    assert "Simulated data" in index.read_text(encoding="utf-8")


def test_numbers_stand_beside_the_pictures(cohort):
    whole, partial, damaged = (patient_page(p, DATA, IMAGING) for p in cohort.patients)
    assert [visit.timepoint for visit in whole.measurements] == ["baseline", "interim"]
    assert whole.measurements[0].pet.suv_max == pytest.approx(_volume("pet").array.max())
    assert [visit.timepoint for visit in partial.measurements] == ["baseline"]
    assert (damaged.sheet, damaged.measurements) == (None, ())


def test_registered_visits_show_before_and_after(cohort):
    imaging = IMAGING.model_copy(update={"alignment": RigidAlignment()})
    page = patient_page(cohort.patients[0], DATA, imaging)
    assert page.problem is None
    assert len(page.alignments) == 1
    assert page.alignments[0].startswith(b"\x89PNG")


def test_only_what_was_measured_is_printed():
    borrowed = VisitMeasurements("interim", mask_of="baseline", adc_1e3_mm2_s=1.234)
    assert describe(borrowed) == [("in the mask of", "baseline"), ("ADC (10⁻³ mm²/s)", "1.23")]
    own = VisitMeasurements("baseline", mask_of="baseline", volume_ml=3.21, longest_mm=14.6)
    assert describe(own) == [("volume (mL)", "3.2"), ("longest (mm)", "15")]
