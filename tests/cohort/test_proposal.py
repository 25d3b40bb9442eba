"""A table with other timepoints or channels is told the settings that fit it."""

import shlex

import pytest

from pcrnet.cohort.table import read_cohort
from pcrnet.config.layers import load_experiment
from pcrnet.errors import ProblemListError
from pcrnet.review.checks import check_cohort


@pytest.fixture
def table(tmp_path):
    """Write a cohort table whose cells name files that are there."""

    def write(header, *rows):
        for row in rows:
            for cell in row:
                if cell.endswith((".nii", ".nii.gz")):
                    (tmp_path / cell).touch()
        path = tmp_path / "cohort.csv"
        path.write_text("\n".join(",".join(row) for row in (header, *rows)) + "\n")
        return path

    return write


def _proposed(path):
    """The overrides at the end of the refusal, as a shell would hand them over."""
    data = load_experiment().data
    with pytest.raises(ProblemListError) as caught:
        read_cohort(path, timepoints=data.timepoints, channels=data.channels)
    return shlex.split(str(caught.value).rpartition("settings that fit this table: ")[2])


@pytest.mark.parametrize(
    ("header", "timepoints", "branches"),
    [
        (["baseline.pet", "baseline.adc"], ("baseline",), {"pet": ("pet",), "mri": ("adc",)}),
        (["pre.pet", "post.pet"], ("pre", "post"), {"pet": ("pet",)}),
        (["t0.t2", "t0.pet_late"], ("t0",), {"pet": ("pet_late",), "mri": ("t2",)}),
        (
            ["interim.adc", "baseline.adc", "baseline.mask"],
            ("baseline", "interim"),
            {"mri": ("adc",)},
        ),
    ],
    ids=["one visit", "other visits", "other channels", "no PET"],
)
def test_what_is_proposed_can_be_pasted_and_fits(table, header, timepoints, branches):
    path = table(
        ["patient_id", *header, "yT0", "yN0"],
        ["P1", *(f"{name}.1.nii" for name in header), "1", "1"],
        ["P2", *(f"{name}.2.nii" for name in header), "0", "1"],
    )
    experiment = load_experiment(_proposed(path))
    assert experiment.data.timepoints == timepoints
    assert experiment.data.branches == branches
    assert not check_cohort(path, experiment, read_images=False).problems


def test_days_say_which_visit_is_the_first(table):
    path = table(
        ["patient_id", "after.pet", "before.pet", "after.days", "before.days", "yT0"],
        ["P1", "a.nii", "b.nii", "40", "-3", "1"],
    )
    assert load_experiment(_proposed(path)).data.timepoints == ("before", "after")


def test_a_dotted_covariate_is_no_scan(table):
    path = table(["patient_id", "baseline.pet", "lab.ki67", "yT0"], ["P1", "a.nii", "20", "1"])
    data = load_experiment(_proposed(path)).data
    assert (data.timepoints, data.channels) == (("baseline",), ("pet",))


def test_a_table_without_scans_gets_no_proposal(table):
    assert "settings that fit" not in " ".join(_proposed(table(["patient_id", "yT0"], ["P1", "1"])))


def test_a_finished_model_proposes_no_other_settings(table):
    path = table(["patient_id", "baseline.pet", "yT0"], ["P1", "a.nii", "1"])
    with pytest.raises(ProblemListError) as caught:
        read_cohort(path, timepoints=["baseline", "interim"], channels=["pet"], settings_fixed=True)
    assert "add the column" in str(caught.value)
    assert "settings" not in str(caught.value)


def test_names_that_tell_no_rule_of_intensity_are_given_one(table):
    header = ["pre.fdg", "pre.t1_pre", "pre.t1_gd", "pre.t2_fs"]
    path = table(
        ["patient_id", *header, "yT0", "yN0"],
        ["P1", *(f"{name}.nii" for name in header), "1", "1"],
    )
    experiment = load_experiment(_proposed(path))
    assert experiment.data.branches["pet"] == ("fdg",)
    assert experiment.imaging.channels == {"fdg": "suv", "t1_pre": "dce", "t1_gd": "dce"}
