from __future__ import annotations

import re
import sys

import pytest
from PIL import Image

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig, NoAlignment, RigidAlignment
from pcrnet.errors import ConfigError
from pcrnet.review import quality_sheet as quality
from pcrnet.review.quality_sheet import quality_sheet

DATA = DataConfig(branches={"pet": ("pet",), "mri": ("t2",)})
IMAGING = ImagingConfig(spacing_mm=(4.0, 4.0, 4.0), size=(10, 10, 8), alignment=NoAlignment())


def test_the_whole_cohort_is_one_page_with_its_pictures_beside_it(small_cohort, tmp_path):
    told = []
    out = tmp_path / "sheet"
    index = quality_sheet(small_cohort, DATA, IMAGING, out, lambda *done: told.append(done))
    html = index.read_text(encoding="utf-8")
    assert told == [(1, 3), (2, 3), (3, 3)]
    shown = re.findall(r'<img [^>]*src="([^"]+)" width="(\d+)" height="(\d+)" loading="lazy"', html)
    assert [path for path, *_ in shown] == [
        f"pictures/{name}-{row}.jpg" for row in (2, 3) for name in ("row", "quantities")
    ]
    for path, *size in shown:
        with Image.open(out / path) as picture:
            assert picture.size == tuple(map(int, size))
            assert picture.width > 500
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {"index.html", *(path for path, *_ in shown)}
    assert set(re.findall(r'href="([^"]*)"', html)) == {"#row-2", "#row-3", "#row-4"}
    assert "Simulated data" not in html
    assert "CANARY" not in html
    # The damaged scan is named by patient, row and column.
    assert re.search(r"patient P-3, file cohort.csv row 4, field interim.t2: .+", html)


def test_a_simulated_cohort_says_so(small_cohort, tmp_path):
    index = quality_sheet(small_cohort, DATA, IMAGING, tmp_path / "sheet", simulated=True)
    assert "Simulated data" in index.read_text(encoding="utf-8")


def test_processes_draw_the_same_sheet_in_the_order_of_the_table(small_cohort, tmp_path):
    imaging = IMAGING.model_copy(update={"alignment": RigidAlignment()})
    sheets = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        quality_sheet(small_cohort, DATA, imaging, out, workers=workers)
        sheets.append({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert sheets[0] == sheets[1]
    assert len(sheets[0]) == 6  # the index, two pictures of two patients, and one registration


def test_a_fault_in_one_page_is_named_and_costs_no_other(small_cohort, tmp_path, monkeypatch):
    real = quality.patient_page

    def faulty(patient, *settings, **options):
        if patient.patient_id == "P-1":
            raise MemoryError("CANARY")
        return real(patient, *settings, **options)

    monkeypatch.setattr(quality, "patient_page", faulty)
    html = quality_sheet(small_cohort, DATA, IMAGING, tmp_path / "sheet").read_text(
        encoding="utf-8"
    )
    assert "patient P-1, file cohort.csv row 2: cannot be drawn (MemoryError)" in html
    assert 'src="pictures/row-3.jpg"' in html
    assert "CANARY" not in html


def test_a_process_that_is_killed_is_named(small_cohort, tmp_path, monkeypatch):
    def killed_at_the_first(work, items, workers):
        yield from ((position, work(item)) for position, item in enumerate(items) if position)
        yield 0, None

    monkeypatch.setattr(quality, "sparing_the_killed", killed_at_the_first)
    html = quality_sheet(small_cohort, DATA, IMAGING, tmp_path / "sheet").read_text(
        encoding="utf-8"
    )
    assert "cohort.csv row 2: cannot be drawn (its process was killed)" in html
    assert html.index('id="row-2"') < html.index('id="row-3"') < html.index('id="row-4"')


def test_an_engine_that_is_not_installed_is_named_before_anything_is_read(
    small_cohort, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "picsl_greedy", None)
    imaging = IMAGING.model_copy(update={"alignment": RigidAlignment(engine="greedy")})
    with pytest.raises(ConfigError, match="not installed"):
        quality_sheet(small_cohort, DATA, imaging, tmp_path / "sheet")
    assert not (tmp_path / "sheet").exists()
