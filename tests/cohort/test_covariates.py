"""Columns that are numbers for some patients and text for others."""

import pytest

from pcrnet.cohort.covariates import as_number, mixed_covariates, number_of
from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient
from pcrnet.errors import CohortError


def _column(*values):
    return [Patient(f"P{i}", 2, None, {}, Outcome(), {"age": v}) for i, v in enumerate(values)]


@pytest.mark.parametrize(
    "values", [("44", "51.5", None, "1e1"), ("G1", "G2", None, "unknown"), (None, None), ()]
)
def test_numbers_alone_and_words_alone_are_in_order(values):
    assert list(mixed_covariates(_column(*values), ["age"], "cohort.csv")) == []


@pytest.mark.parametrize("odd", ["postmenopausal", "1,5", "nan", "inf"])
def test_one_word_among_numbers_is_named_by_its_patient_and_not_repeated(odd):
    (problem,) = mixed_covariates(_column("44", None, odd, "51"), ["age"], "cohort.csv")
    text = str(problem)
    assert "numbers of 2 patients and text of 1, of whom P2" in text
    assert "cohort.csv" in text
    assert "age" in text
    assert odd not in text


def test_every_column_is_looked_at():
    patients = [
        Patient("A", 2, None, {}, Outcome(), {"age": "1", "grade": "G1", "size": "x"}),
        Patient("B", 3, None, {}, Outcome(), {"age": "y", "grade": "G2", "size": "2"}),
    ]
    found = [p.field for p in mixed_covariates(patients, ["age", "grade", "size"], "cohort.csv")]
    assert found == ["age", "size"]


def test_only_finite_numbers_are_numbers():
    assert as_number(" 1e3 ") == 1000.0
    assert [as_number(text) for text in ("inf", "nan", "", "1,5", "T1")] == [None] * 5


@pytest.mark.parametrize(
    "values",
    [("52,3", None, "48,1"), ("60 %", "5%", "7.5 %"), ("52,3", "48", "47,5"), ("<1,5", "2,5")],
)
def test_numbers_written_as_text_are_no_categories(values):
    (problem,) = mixed_covariates(_column(*values), ["age"], "cohort.csv")
    assert "written as text" in str(problem)
    assert "decimal point" in problem.remedy
    assert not any(value in str(problem) for value in values if value)


@pytest.mark.parametrize("values", [("2024-03-01", "2024-04-11"), ("01.03.2024", None, "3/4/24")])
def test_dates_are_no_categories(values):
    (problem,) = mixed_covariates(_column(*values), ["age"], "cohort.csv")
    assert "dates of 2 patients" in str(problem)
    assert "2024" not in str(problem)


@pytest.mark.parametrize(
    "values", [("1+", "2+", "3+"), ("1a", "2b"), ("0-10 %", "10-20 %"), ("II", "III")]
)
def test_categories_that_begin_with_a_digit_stay_categories(values):
    assert list(mixed_covariates(_column(*values), ["age"], "cohort.csv")) == []


def test_the_number_of_a_patient_is_known_unknown_or_refused_without_its_text():
    known, unknown, word = _column("51", None, "fifty")
    assert number_of(known, "age") == 51.0
    assert number_of(unknown, "age") is None
    with pytest.raises(CohortError, match="text") as caught:
        number_of(word, "age")
    assert (caught.value.patient, caught.value.field) == ("P2", "age")
    assert "fifty" not in str(caught.value)
