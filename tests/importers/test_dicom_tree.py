import csv
import shutil

import pytest

from pcrnet.cohort.table import read_cohort
from pcrnet.config.layers import load_experiment
from pcrnet.errors import CohortError, ProblemListError
from pcrnet.importers.dicom_tree import import_dicom_tree, list_dicom_tree


@pytest.fixture
def tree(tmp_path, save_mr):
    top = tmp_path / "export"
    visits = {"b": ("19930302", "1.2.1"), "a": ("19930101", "1.2.2")}
    for name, (day, study) in visits.items():
        tags = {"StudyDate": day, "StudyInstanceUID": study}
        save_mr(top / name / "1", phases=6, SeriesDescription="dyn", **tags)
        save_mr(top / name / "2", SeriesDescription="ep2d ADC map", **tags)
        save_mr(top / name / "3", SeriesDescription="t2_tse_tra", **tags)
    save_mr(
        top / "a" / "4",
        SeriesDescription="t2_tse_sag",
        StudyDate="19930101",
        StudyInstanceUID="1.2.2",
    )
    save_mr(top / "c" / "1", SeriesDescription="something", PatientID="OTHER", StudyDate="19930101")
    (top / "notes").mkdir()
    (top / "notes" / "readme.txt").write_text("no image")
    return top


def test_every_series_is_listed_with_a_proposal(tree, tmp_path):
    lines = list_dicom_tree(tree, tmp_path / "listing.csv")
    found = {line.path: (line.patient, line.timepoint, line.channel) for line in lines}
    assert found == {
        "export/a/1": ("P001", "baseline", "dce"),
        "export/a/2": ("P001", "baseline", "adc"),
        # Two T2 series of one visit: a person chooses.
        "export/a/3": ("P001", "baseline", ""),
        "export/a/4": ("P001", "baseline", ""),
        "export/b/1": ("P001", "interim", "dce"),
        "export/b/2": ("P001", "interim", "adc"),
        "export/b/3": ("P001", "interim", "t2"),
        "export/c/1": ("P002", "baseline", ""),
    }


def test_visits_are_ordered_by_study_date_not_by_folder(tree, tmp_path):
    lines = {line.path: line for line in list_dicom_tree(tree, tmp_path / "listing.csv")}
    assert lines["export/a/1"].days_after_first == "0"
    assert lines["export/b/1"].days_after_first == "60"


def test_no_tag_text_and_no_date_is_written(tree, tmp_path):
    list_dicom_tree(tree, tmp_path / "listing.csv")
    written = (tmp_path / "listing.csv").read_text()
    for secret in ("SECRET", "OTHER", "1993", "tse", "dyn,"):
        assert secret not in written


def test_a_confirmed_listing_becomes_a_cohort(tree, tmp_path):
    listing = tmp_path / "listing.csv"
    list_dicom_tree(tree, listing)
    rows = list(csv.reader(listing.read_text().splitlines()))
    for row in rows:
        if row[-1] == "export/a/3":
            row[rows[0].index("channel")] = "t2"
    listing.write_text("\n".join(",".join(row) for row in rows) + "\n")
    report = import_dicom_tree(listing, tmp_path / "cohort.csv")
    experiment = load_experiment([str(report.settings)])
    cohort = read_cohort(
        report.table, timepoints=experiment.data.timepoints, channels=experiment.data.channels
    )
    (patient,) = cohort.patients
    expected = {"dce_pre", "dce_early", "dce_late", "adc", "t2"}
    assert {visit: set(record.scans) for visit, record in patient.visits.items()} == {
        "baseline": expected,
        "interim": expected,
    }
    assert ("P002", "nothing in the header tells the channel") in {
        (item.subject, item.reason) for item in report.unmapped
    }


def test_a_series_without_a_study_date_waits_for_its_visit(save_mr, tmp_path):
    save_mr(tmp_path / "export" / "a", SeriesDescription="t2")
    (line,) = list_dicom_tree(tmp_path / "export", tmp_path / "listing.csv")
    assert (line.timepoint, line.channel, line.note) == (
        "",
        "t2",
        "no study date: name the visit",
    )
    with pytest.raises(CohortError, match="no scan was recognised"):
        import_dicom_tree(tmp_path / "listing.csv", tmp_path / "cohort.csv")


def test_of_two_pet_the_attenuation_corrected_one_is_proposed(save_mr, tmp_path):
    tags = {"Modality": "PT", "StudyDate": "19930101", "Units": "BQML"}
    save_mr(tmp_path / "export" / "ac", CorrectedImage=["DECY", "ATTN"], **tags)
    save_mr(tmp_path / "export" / "nac", CorrectedImage=["DECY"], **tags)
    save_mr(tmp_path / "export" / "dyn", CorrectedImage=["ATTN"], phases=2, **tags)
    lines = list_dicom_tree(tmp_path / "export", tmp_path / "listing.csv")
    assert [(line.path, line.channel, line.note) for line in lines] == [
        ("export/ac", "pet", ""),
        ("export/dyn", "", "several volumes: a dynamic or gated PET"),
        ("export/nac", "", "not attenuation corrected"),
    ]


def test_without_patient_id_the_folder_below_the_top_tells_patients_apart(save_mr, tmp_path):
    for name in ("left", "right"):
        for visit in ("1", "2"):
            save_mr(
                tmp_path / "export" / name / visit,
                PatientID="",
                SeriesDescription="t2",
                StudyDate=f"1993010{visit}",
                StudyInstanceUID=f"1.2.{visit}",
            )
    lines = list_dicom_tree(tmp_path / "export", tmp_path / "listing.csv")
    assert [(line.patient, line.timepoint) for line in lines] == [
        ("P001", "baseline"),
        ("P001", "interim"),
        ("P002", "baseline"),
        ("P002", "interim"),
    ]


def test_progress_is_told_while_series_are_found_and_looked_at(tree, tmp_path):
    calls = []
    list_dicom_tree(tree, tmp_path / "listing.csv", progress=lambda *call: calls.append(call))
    assert calls == [*((n, 9) for n in range(1, 10)), *((n, 8) for n in range(1, 9))]


def test_two_series_for_one_channel_are_refused(tree, tmp_path):
    listing = tmp_path / "listing.csv"
    list_dicom_tree(tree, listing)
    listing.write_text(listing.read_text().replace("baseline,0,,MR", "baseline,0,t2,MR"))
    with pytest.raises(ProblemListError, match=r"a second series for baseline\.t2"):
        import_dicom_tree(listing, tmp_path / "cohort.csv")


def test_a_folder_without_dicom_is_refused(tmp_path):
    with pytest.raises(CohortError, match="holds no DICOM series"):
        list_dicom_tree(tmp_path, tmp_path / "listing.csv")


@pytest.mark.slow
def test_real_series_are_recognised_and_ordered_by_date(test_data, tmp_path):
    top = tmp_path / "tree"
    top.mkdir()
    for archive in (test_data / "cmb_crc_two_timepoints").glob("*.zip"):
        shutil.copy(archive, top)
    lines = {line.path: line for line in list_dicom_tree(top, tmp_path / "listing.csv")}
    found = {
        name.removeprefix("tree/"): (line.timepoint, line.channel) for name, line in lines.items()
    }
    # The folders' numbers are not in order of time.
    assert found == {
        "SCAN_002_adc_image.zip": ("baseline", "adc"),
        "SCAN_002_t2_image.zip": ("baseline", "t2"),
        "SCAN_001_adc_image.zip": ("interim", "adc"),
        "SCAN_001_t2_image.zip": ("interim", "t2"),
    }
    assert {line.patient for line in lines.values()} == {"P001"}
    assert lines["tree/SCAN_001_t2_image.zip"].days_after_first == "126"


def test_units_types_and_attenuation_correction_are_listed_and_decide(save_mr, tmp_path):
    mr = {"StudyDate": "19930101", "SeriesDescription": "t2 ADC SECRET"}
    pet = {"Modality": "PT", "StudyDate": "19930101", "CorrectedImage": ["DECY", "ATTN"]}
    derived = ["DERIVED", "PRIMARY", "DIFFUSION"]
    series = {
        "adc": mr | {"ImageType": [*derived, "ADC", "SECRET"], "RescaleType": "10^-6 mm^2/s"},
        "fa": mr | {"ImageType": [*derived, "FA"]},
        "pet": pet | {"Units": "BQML"},
        "counts": pet | {"Units": "PROPCNTS"},
        "nothing": pet,
        "sub": mr | {"ImageType": ["DERIVED", "PRIMARY", "SUB"], "SeriesDescription": "t1 fl3d"},
        "trace": mr | {"ImageType": [*derived, "TRACEW"]},
    }
    for name, tags in series.items():
        save_mr(tmp_path / "export" / name, phases=1, **tags)
    save_mr(
        tmp_path / "export" / "subs",
        phases=3,
        StudyDate="19930101",
        ImageType=["DERIVED", "PRIMARY", "SUB"],
    )
    lines = list_dicom_tree(tmp_path / "export", tmp_path / "listing.csv")
    found = {line.path.removeprefix("export/"): line for line in lines}
    proposed = {name: line.channel for name, line in found.items() if line.channel}
    assert proposed == {"adc": "adc", "pet": "pet"}
    assert (found["adc"].units, found["adc"].image_type) == (
        "0.001e-3 mm2/s",
        "ADC DERIVED DIFFUSION PRIMARY",
    )
    assert (found["pet"].units, found["pet"].attenuation_corrected) == ("BQML", "yes")
    assert found["counts"].note == "its units are no activity (PROPCNTS)"
    assert found["nothing"].note == "its units are no activity (none stated)"
    assert "TRACEW" in found["trace"].note
    assert "SUB" in found["subs"].note
    assert "SECRET" not in (tmp_path / "listing.csv").read_text()
