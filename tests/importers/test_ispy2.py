import numpy as np
import pytest

from pcrnet.cohort.table import read_cohort
from pcrnet.config.layers import load_experiment
from pcrnet.imaging.reader import read_volume
from pcrnet.importers.ispy2 import classify, import_ispy2

_DCE = "ISPY2: VOLSER: uni-lateral cropped: original DCE"
_MASK = "ISPY2: VOLSER: uni-lateral cropped: Analysis Mask"


@pytest.fixture
def source(tmp_path, save_mr, save_mask):
    """Two patients of TCIA's layout; one visit known by its tag, the others by their folder."""
    top = tmp_path / "manifest" / "ISPY2"
    first = top / "ISPY2-100899"
    t0 = first / "03-29-1990-218019T0-ISPY2MRIT0-74237"
    save_mr(t0 / "61000.000000-original DCE-1", phases=6, SeriesDescription=_DCE)
    save_mr(t0 / "5.000000-T2-2", SeriesDescription="ISPY2: Ax T2 FSE")
    save_mr(t0 / "6.000000-loc-3", SeriesDescription="T2 localizer")
    values = np.full((4, 6, 8), 3)
    values[1:3, 2:4, 2:5] = 0
    save_mask(t0 / "7.000000-Mask-4", values, SeriesDescription=_MASK)
    t3 = first / "07-03-1990-797021"
    save_mr(t3 / "a", phases=6, SeriesDescription=_DCE, ClinicalTrialTimePointID="T3")
    other = top / "ACRIN-6698-102212" / "09-21-2002-V20-13902"
    save_mr(other / "dwi", SeriesDescription="ADC: from S301: bVals")
    save_mr(other / "t2a", SeriesDescription="T2W TSE")
    save_mr(other / "t2b", SeriesDescription="STIR")
    save_mr(top / "nobody" / "x", SeriesDescription="T2")
    clinical = tmp_path / "clinical.csv"
    clinical.write_text(
        "Patient_ID,HR,HER2,MP,pCR,Age_at_Screening\n100899,1,1,,1,46\n777777,0,0,0,0,50\n"
    )
    return tmp_path, clinical


def _import(source, **options):
    folder, clinical = source
    return import_ispy2(folder / "manifest", folder / "cohort.csv", clinical=clinical, **options)


def _read(report):
    experiment = load_experiment([str(report.settings)])
    cohort = read_cohort(
        report.table,
        definition=experiment.outcome.definition,
        timepoints=experiment.data.timepoints,
        channels=experiment.data.channels,
        covariates=["age", "her2"],
    )
    return {patient.patient_id: patient for patient in cohort.patients}


def test_visits_channels_and_outcome_are_mapped(source):
    report = _import(source)
    patients = _read(report)
    assert set(patients) == {"ISPY2-100899", "ACRIN-6698-102212"}
    first = patients["ISPY2-100899"]
    assert set(first.visits["baseline"].scans) == {"dce_pre", "dce_early", "dce_late", "t2"}
    assert set(first.visits["presurgical"].scans) == {"dce_pre", "dce_early", "dce_late"}
    assert first.outcome.yT0yN0 is True
    assert first.covariates == {"age": "46", "her2": "1"}
    second = patients["ACRIN-6698-102212"]
    assert set(second.visits["interim"].scans) == {"adc"}
    assert second.outcome.yT0yN0 is None


def test_phases_come_from_the_one_dynamic_series(source):
    scans = _read(_import(source))["ISPY2-100899"].visits["baseline"].scans
    before, early = (read_volume(scans[name], name) for name in ("dce_pre", "dce_early"))
    np.testing.assert_array_equal(early.array - before.array, 60)


def test_what_could_not_be_mapped_is_said(source):
    reasons = {(item.subject, item.reason) for item in _import(source).unmapped}
    assert ("ACRIN-6698-102212 interim", "several series could be t2: none is chosen") in reasons
    assert ("a series", "neither patient nor visit can be told") in reasons
    assert ("ISPY2-100899", "series that are none of the channels") in reasons
    assert ("777777", "no images") in reasons
    assert (
        "ACRIN-6698-102212",
        "not in a clinical table: the outcome stays empty",
    ) in reasons


def test_masks_are_left_out_unless_their_convention_is_named(source):
    assert _read(_import(source))["ISPY2-100899"].visits["baseline"].mask is None
    mask = _read(_import(source, analysis_mask="zero"))["ISPY2-100899"].visits["baseline"].mask
    volume = read_volume(mask, "mask")
    assert volume.array.sum() == 2 * 2 * 3
    scan = read_volume(
        _read(_import(source))["ISPY2-100899"].visits["baseline"].scans["dce_pre"], "dce_pre"
    )
    np.testing.assert_allclose(volume.affine, scan.affine)


def test_no_tag_text_is_written(source):
    report = _import(source, analysis_mask="nonzero")
    written = report.table.read_text() + report.settings.read_text() + "\n".join(report.lines())
    assert "SECRET" not in written
    assert "localizer" not in written


@pytest.mark.parametrize(
    ("description", "channel"),
    [
        (_DCE.upper(), "dce"),
        ("ISPY2: VOLSER: BI-LATERAL: ORIGINAL DCE", "dce"),
        (_MASK.upper(), "mask"),
        ("ISPY2: VOLSER: UNI-LATERAL CROPPED: SER", None),
        ("ADC: FROM S7: BVALS=0,100,600,800", "adc"),
        ("TRT0: ADC: FROM S7", "adc"),
        ("TRT1: ADC: FROM S8", None),
        ("DWI MASK: FROM S7: WHOLE TUMOR MANUAL", None),
        ("ISPY2: INPHASEIDEAL_T2FSEASSET", "t2"),
        ("AX T2W TSE FS", "t2"),
        ("T2 LOC", None),
        ("", None),
    ],
)
def test_series_are_told_by_the_names_of_the_core_laboratory(description, channel):
    assert classify(description) == channel
