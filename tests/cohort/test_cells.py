"""Single cells of the table."""

import pytest

from pcrnet.cohort.cells import find_file, name_problems, parse_days
from pcrnet.errors import CohortError


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@sum"])
def test_names_that_spreadsheets_would_run_are_refused(text):
    (problem,) = name_problems(text, "patient_id")
    assert "formula" in problem.problem


@pytest.mark.parametrize("text", ["a/b", "a\\b", "..", "a\x07b", "x" * 65, "a\u202eb"])
def test_names_that_are_no_plain_names_are_refused(text):
    assert list(name_problems(text, "site"))


@pytest.mark.parametrize("text", ["", "P-001", "Müller 7", "01", "STS_002", "北京"])
def test_plain_names_pass(text):
    assert not list(name_problems(text, "patient_id"))


@pytest.mark.parametrize(
    ("text", "days"), [("21", 21.0), ("-3.5", -3.5), ("", None), ("1e1", 10.0)]
)
def test_days_are_numbers(text, days):
    assert parse_days(text, "baseline.days") == days


@pytest.mark.parametrize("text", ["nan", "inf", "2024-01-05", "21 d", "1,5"])
def test_other_days_are_refused_without_repeating_them(text):
    with pytest.raises(CohortError) as caught:
        parse_days(text, "baseline.days")
    assert caught.value.field == "baseline.days"
    assert text not in str(caught.value).split("remedy")[0]


def test_files_are_found_below_the_table_or_by_absolute_path(tmp_path):
    (tmp_path / "images").mkdir()
    file = tmp_path / "images" / "scan.nii"
    file.touch()
    assert find_file(tmp_path, "images/scan.nii", "a.b") == file
    assert find_file(tmp_path, "./images/../images/scan.nii", "a.b") == file
    assert find_file(tmp_path, str(file), "a.b") == file
    assert find_file(tmp_path, "images", "a.b") == file.parent
    assert find_file(tmp_path, "", "a.b") is None


def test_a_relative_path_may_not_leave_the_folder_of_the_table(tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "scan.nii").touch()
    for text in ("../scan.nii", "x/../../scan.nii", ".."):
        with pytest.raises(CohortError, match="leads out"):
            find_file(tmp_path / "table", text, "a.b")


@pytest.mark.parametrize(
    "text", ["JaneSmith.nii", "sub\\JaneSmith.nii", "JaneSmith" * 100, "~/JaneSmith", "\tJaneSmith"]
)
def test_missing_files_are_refused_without_naming_them(tmp_path, text):
    with pytest.raises(CohortError) as caught:
        find_file(tmp_path, text, "baseline.pet")
    assert caught.value.field == "baseline.pet"
    assert "Jane" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_dangling_link_is_a_missing_file(tmp_path):
    (tmp_path / "link.nii").symlink_to(tmp_path / "nowhere.nii")
    with pytest.raises(CohortError, match="does not exist"):
        find_file(tmp_path, "link.nii", "baseline.pet")
