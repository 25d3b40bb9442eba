from __future__ import annotations

import io

import nibabel
import pytest
from PIL import Image

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig, RigidAlignment
from pcrnet.imaging.quantify.lesion import PetMeasurements
from pcrnet.review.measurements import VisitMeasurements
from pcrnet.review.patient_page import describe, patient_page

DATA = DataConfig(branches={"pet": ("pet",), "mri": ("t2",)})
IMAGING = ImagingConfig(spacing_mm=(4.0, 4.0, 4.0), size=(10, 10, 8))


def test_numbers_stand_beside_the_pictures(small_cohort):
    whole, partial, damaged = (patient_page(p, DATA, IMAGING) for p in small_cohort.patients)
    assert [visit.timepoint for visit in whole.measurements] == ["baseline", "interim"]
    pet = nibabel.load(small_cohort.patients[0].visits["baseline"].scans["pet"]).get_fdata()
    assert whole.measurements[0].pet.suv_max == pytest.approx(pet.max())
    assert [visit.timepoint for visit in partial.measurements] == ["baseline"]
    assert (damaged.sheet, damaged.measurements) == (None, ())
    assert damaged.problem


def test_registered_visits_show_before_and_after(small_cohort):
    imaging = IMAGING.model_copy(update={"alignment": RigidAlignment()})
    page = patient_page(small_cohort.patients[0], DATA, imaging)
    assert page.problem is None
    assert list(page.alignments) == ["interim"]
    assert Image.open(io.BytesIO(page.alignments["interim"])).format == "JPEG"


def test_an_absent_visit_takes_one_flat_row(small_cohort):
    whole, partial, _ = (patient_page(p, DATA, IMAGING) for p in small_cohort.patients[:3])
    heights = [Image.open(io.BytesIO(page.sheet)).height for page in (whole, partial)]
    assert heights[1] < 0.7 * heights[0]


def test_only_what_was_measured_is_printed():
    borrowed = VisitMeasurements("interim", mask_of="baseline", adc_1e3_mm2_s=1.234)
    assert describe(borrowed) == [("in the mask of", "baseline"), ("ADC (10⁻³ mm²/s)", "1.23")]
    own = VisitMeasurements("baseline", mask_of="baseline", volume_ml=3.21, longest_mm=14.6)
    assert describe(own) == [("volume (mL)", "3.2"), ("longest (mm)", "15")]


def test_small_lesions_are_printed_with_one_decimal_more_and_in_their_own_unit():
    pet = PetMeasurements(0.84, 0.6, 0.7, 0.0, 0.0, 0.042, 0.31)
    small = VisitMeasurements(
        "interim", mask_of="interim", volume_ml=0.042, longest_mm=4.6, pet=pet, suv_unit="SUL"
    )
    printed = dict(describe(small))
    assert printed["volume (mL)"] == "0.04"
    assert printed["longest (mm)"] == "4.6"
    assert printed["SULmax"] == "0.84"
    assert printed["MTV, SUL ≥ 4 (mL)"] == "0.0"
    assert printed["TLG, 41 % (SUL·mL)"] == "0.3"
