from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcrnet.errors import PredictionsError
from pcrnet.evaluation.population.patients import (
    CategoricalCovariate,
    NumericCovariate,
    covariates_of,
    read_covariates,
    table_one,
)


def test_numbers_with_many_values_are_measured_and_few_are_levels() -> None:
    age, grade = covariates_of({"age": [str(40 + i) for i in range(12)], "grade": ["2", "3"] * 6})
    assert isinstance(age, NumericCovariate)
    assert isinstance(grade, CategoricalCovariate)
    assert grade.levels == ("2", "3")


def test_days_are_measured_however_few_differ_and_left_out_where_none_does() -> None:
    days = {
        "baseline.days": ["0.0"] * 12,
        "interim.days": ["21", "28", ""] * 4,
        "final.days": ["84"] * 11 + [""],
    }
    (interim,) = covariates_of(days)
    assert isinstance(interim, NumericCovariate)
    assert interim.name == "interim.days"
    everybody = np.ones(12, dtype=bool)
    (row,) = table_one([interim], [("all", everybody)]).rows
    assert row.label == "interim.days, median (quartiles); unknown 4"
    assert row.cells == ("24.5 (21 to 28)",)


def test_a_constant_that_is_no_day_is_still_told() -> None:
    (sex,) = covariates_of({"sex": ["female"] * 12})
    assert isinstance(sex, CategoricalCovariate)
    assert sex.levels == ("female",)


def test_levels_are_in_their_natural_order() -> None:
    (stage,) = covariates_of({"cT": ["10"] * 5 + ["2"] * 5 + ["is"] * 5})
    assert isinstance(stage, CategoricalCovariate)
    assert stage.levels == ("2", "10", "is")


def test_an_empty_cell_is_unknown() -> None:
    numeric, text = covariates_of(
        {"age": [str(i) for i in range(9)] + [""], "side": ["left"] * 5 + [""] * 5}
    )
    assert isinstance(numeric, NumericCovariate)
    assert isinstance(text, CategoricalCovariate)
    assert np.isnan(numeric.values[-1])
    np.testing.assert_array_equal(text.codes, [0] * 5 + [-1] * 5)


def test_values_of_single_patients_are_never_shown() -> None:
    names = [f"canary-{i}" for i in range(20)]
    mixed = names[:10] + ["common"] * 10
    found = covariates_of({"name": names, "mixed": mixed, "empty": [""] * 20})
    assert [covariate.name for covariate in found] == ["mixed"]
    everybody = np.ones(20, dtype=bool)
    table = table_one(found, [("all", everybody)])
    assert "canary" not in str(table)
    assert [row.label for row in table.rows] == ["mixed", "common", "other"]


def test_no_number_is_shown_of_fewer_than_five_patients() -> None:
    (age,) = covariates_of({"age": [str(i) for i in range(12)]})
    few = np.arange(12) < 4
    assert table_one([age], [("few", few)]).rows[0].cells == ("–",)


def test_table_one_counts_medians_and_shares() -> None:
    covariates = covariates_of(
        {
            "age": ["40", "50", "60", "70", "80", "41", "51", "61", "71", ""],
            "node": ["positive"] * 6 + ["negative"] * 4,
        }
    )
    mask = np.arange(10) < 5
    table = table_one(covariates, [("all", np.ones(10, dtype=bool)), ("first", mask)])
    assert table.columns == ("all (n = 10)", "first (n = 5)")
    labels = [(row.label, row.cells) for row in table.rows]
    assert labels[0] == ("age, median (quartiles); unknown 1", ("60 (50 to 70)", "60 (50 to 70)"))
    # Four share "negative", fewer than the smallest level that is shown.
    assert labels[1:] == [
        ("node", ()),
        ("positive", ("6 (60 %)", "5 (100 %)")),
        ("other", ("4 (40 %)", "0 (0 %)")),
    ]


def test_an_empty_group_has_no_percentages() -> None:
    covariates = covariates_of({"side": ["left"] * 6 + [""]})
    table = table_one(covariates, [("nobody", np.zeros(7, dtype=bool))])
    assert [row.cells for row in table.rows] == [(), ("–",), ("–",)]
    assert table.rows[-1].label == "unknown"


def test_the_table_is_read_in_the_order_of_the_predictions(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("patient_id,age\n" + "".join(f"P{i},{i}\n" for i in range(9)))
    (age,) = read_covariates(path, ["P8", "P0", "P3"] + [f"P{i}" for i in (1, 2, 4, 5, 6, 7)])
    assert isinstance(age, NumericCovariate)
    np.testing.assert_array_equal(age.values[:3], [8, 0, 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,age\nP1,3\n", "no such column"),
        ("patient_id,age\nP1,3\nP1,4\n", "appears twice"),
        ("patient_id,age\nP2,3\n", "no row in this table"),
        ("", "is empty"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "patients.csv"
    path.write_text(text)
    with pytest.raises(PredictionsError, match=message):
        read_covariates(path, ["P1"])
