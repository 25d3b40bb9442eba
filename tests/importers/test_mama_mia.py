import pytest

from pcrnet.errors import CohortError
from pcrnet.importers.mama_mia import choose_phase, import_mama_mia

_HEADER = "patient_id,dataset,site,pcr,age,hr,er,pr,her2,nottingham_grade,acquisition_times"
_ROWS = (
    'DUKE_001,DUKE,,0.0,41,1,1,0,0,high,"[0, 584, 714, 846, 977]"',
    'ISPY2_100899,ISPY2,Site AAI,1.0,50,0,0,0,1,,"[0, 92, 184, 276, 368, 460]"',
    'NACT_01,NACT,,,60,,,,,low,""',
    'ISPY1_1001,ISPY1,,1.0,33,,,,,,"[0, 100]"',
)


@pytest.fixture
def source(tmp_path):
    """The published layout in small: names differ in case, one patient lacks a segmentation."""
    folder = tmp_path / "MAMA-MIA"
    for patient, phases in (("DUKE_001", 5), ("ispy2_100899", 6), ("NACT_01", 3), ("EXTRA_1", 2)):
        images = folder / "images" / patient.upper()
        images.mkdir(parents=True)
        for phase in range(phases):
            (images / f"{patient.lower()}_{phase:04d}.nii.gz").touch()
    for kind in ("expert", "automatic"):
        masks = folder / "Segmentations" / kind
        masks.mkdir(parents=True)
        for patient in ("duke_001", "ISPY2_100899"):
            (masks / f"{patient}.nii.gz").touch()
    (folder / "clinical_and_imaging_info.csv").write_text("\n".join([_HEADER, *_ROWS]) + "\n")
    return folder


def _cells(report):
    header, *rows = (line.split(",") for line in report.table.read_text().splitlines())
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def test_phases_masks_outcome_and_covariates_are_mapped(source, tmp_path):
    report = import_mama_mia(source, tmp_path / "cohort.csv")
    cells = _cells(report)
    assert list(cells) == ["DUKE_001", "ISPY2_100899", "NACT_01"]
    duke = cells["DUKE_001"]
    assert duke["baseline.dce_pre"] == "MAMA-MIA/images/DUKE_001/duke_001_0000.nii.gz"
    assert duke["baseline.dce_early"].endswith("duke_001_0001.nii.gz")
    assert duke["baseline.dce_late"].endswith("duke_001_0004.nii.gz")
    assert duke["baseline.mask"] == "MAMA-MIA/Segmentations/expert/duke_001.nii.gz"
    assert (duke["yT0yN0"], duke["age"], duke["grade"], duke["site"]) == ("0.0", "41", "3", "DUKE")
    assert cells["ISPY2_100899"]["site"] == "Site AAI"
    assert cells["NACT_01"]["yT0yN0"] == ""


def test_the_definition_of_response_goes_with_the_labels(source, tmp_path):
    report = import_mama_mia(source, tmp_path / "cohort.csv")
    assert "definition: ypT0/is" in report.settings.read_text()
    assert any("ypT0/is ypN0" in remark for remark in report.remarks)


def test_what_could_not_be_mapped_is_said(source, tmp_path):
    report = import_mama_mia(source, tmp_path / "cohort.csv")
    reasons = {(item.subject, item.reason) for item in report.unmapped}
    assert ("NACT_01", "no acquisition times") in reasons
    assert ("NACT_01", "no expert segmentation") in reasons
    assert ("NACT_01", "pCR unknown: the outcome stays empty") in reasons
    assert ("ISPY1_1001", "no images") in reasons
    assert ("extra_1", "images of nobody in the table") in reasons


def test_automatic_segmentations_are_an_explicit_choice(source, tmp_path):
    report = import_mama_mia(source, tmp_path / "cohort.csv", segmentations="automatic")
    assert "Segmentations/automatic/" in report.table.read_text()


# Published times of DUKE_001, DUKE_002 and a fast protocol of a phase a minute.
@pytest.mark.parametrize(
    ("times_s", "early", "late"),
    [
        ([0, 584, 714, 846, 977], 1, 4),
        ([0, 165, 288, 411], 1, 3),
        ([0, 60, 120, 180, 240, 300, 360, 420, 480], 2, 7),
        ([0, 90], None, None),
        ([], None, None),
        ([0, 400, 1200], None, 1),
    ],
)
def test_phases_are_chosen_by_seconds_after_injection(times_s, early, late):
    assert choose_phase(times_s, (60.0, 150.0)) == early
    assert choose_phase(times_s, (240.0, 600.0)) == late


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(CohortError, match="holds no folder images"):
        import_mama_mia(tmp_path, tmp_path / "cohort.csv")
    (tmp_path / "images").mkdir()
    with pytest.raises(CohortError, match=r"holds no clinical_and_imaging_info\.xlsx"):
        import_mama_mia(tmp_path, tmp_path / "cohort.csv")
