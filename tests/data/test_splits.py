"""Folds: balanced, written down, and nothing but the patients and the seed decides them."""

import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient
from pcrnet.data.splits import make_splits, read_splits
from pcrnet.errors import CohortError, IntegrityError

_OUTCOMES = [Outcome(*cell).closed for cell in [(1, 1), (1, 0), (0, 1), (0, 0)]] + [
    Outcome(yT0=True),
    Outcome(),
]


def _patient(number, outcome=_OUTCOMES[0], site="A"):
    return Patient(f"P{number:03d}", number + 2, site, {}, outcome, {})


def _cohort(count, seed=0):
    rng = random.Random(seed)  # noqa: S311 - no secret
    return [_patient(i, rng.choice(_OUTCOMES), rng.choice("ABC")) for i in range(count)]


_COHORTS = st.lists(
    st.tuples(st.sampled_from(_OUTCOMES), st.sampled_from(["A", "B", None])),
    min_size=5,
    max_size=80,
).map(lambda rows: [_patient(i, *row) for i, row in enumerate(rows)])


def _spread(fold_of, folds, of_patient):
    """Largest difference between two folds in the count of any value of ``of_patient``."""
    worst = 0
    for value in set(of_patient.values()):
        counts = Counter(fold_of[name] for name, own in of_patient.items() if own == value)
        worst = max(worst, max(counts.values()) - min(counts[fold] for fold in range(folds)))
    return worst


@settings(max_examples=60, deadline=None)
@given(_COHORTS, st.integers(3, 5), st.integers(0, 99))
def test_sizes_and_outcome_cells_differ_by_one_patient_at_most(patients, folds, seed):
    splits = make_splits(patients, folds, seed, "patient")
    assert sorted(splits.fold_of) == [patient.patient_id for patient in patients]
    everyone = dict.fromkeys(splits.fold_of, 0)
    cells = {patient.patient_id: patient.outcome.allowed_cells for patient in patients}
    assert _spread(splits.fold_of, folds, everyone) <= 1
    assert _spread(splits.fold_of, folds, cells) <= 1


@settings(max_examples=30, deadline=None)
@given(_COHORTS, st.integers(3, 5))
def test_sites_are_spread_within_every_outcome_cell(patients, folds):
    splits = make_splits(patients, folds, 1, "patient")
    both = {item.patient_id: (item.outcome.allowed_cells, item.site) for item in patients}
    assert _spread(splits.fold_of, folds, both) <= 1


@settings(max_examples=30, deadline=None)
@given(_COHORTS, st.randoms(use_true_random=False), st.sampled_from(["patient", "site"]))
def test_the_order_of_the_table_decides_nothing(patients, rng, group):
    patients = [
        Patient(item.patient_id, 2, item.site or "C", {}, item.outcome, {}) for item in patients
    ] + [_patient(900, site="B"), _patient(901, site="C"), _patient(902)]
    shuffled = list(patients)
    rng.shuffle(shuffled)
    assert make_splits(patients, 3, 7, group) == make_splits(shuffled, 3, 7, group)


def test_the_seed_decides():
    patients = _cohort(60)
    assert make_splits(patients, 5, 1, "patient") == make_splits(patients, 5, 1, "patient")
    assert make_splits(patients, 5, 1, "patient") != make_splits(patients, 5, 2, "patient")


def test_whole_sites_are_held_out_and_fold_sizes_are_near():
    sizes = {"A": 30, "B": 20, "C": 15, "D": 10, "E": 5}
    patients = [
        _patient(100 * index + number, site=site)
        for index, (site, size) in enumerate(sizes.items())
        for number in range(size)
    ]
    splits = make_splits(patients, 3, 1, "site")
    site_of = {patient.patient_id: patient.site for patient in patients}
    folds = [{site_of[name] for name in splits.members(fold)} for fold in range(3)]
    # Largest first, each to the smallest fold: A | B, then E after D | C, then D.
    assert sorted(map(sorted, folds)) == [["A"], ["B", "E"], ["C", "D"]]


def test_the_members_of_all_folds_are_everybody_once():
    splits = make_splits(_cohort(23), 4, 3, "patient")
    members = [name for fold in range(4) for name in splits.members(fold)]
    assert sorted(members) == sorted(splits.fold_of)


def test_too_few_patients_are_refused_with_both_numbers():
    with pytest.raises(CohortError, match="at least 5 patients, found 4"):
        make_splits(_cohort(4), 5, 1, "patient")


def test_too_few_sites_are_refused_with_both_numbers():
    with pytest.raises(CohortError, match="at least 5 sites, found 3"):
        make_splits(_cohort(40), 5, 1, "site")


def test_a_patient_without_a_site_is_named():
    with pytest.raises(CohortError) as caught:
        make_splits([*_cohort(20), _patient(500, site=None)], 3, 1, "site")
    assert (caught.value.patient, caught.value.field) == ("P500", "site")


def test_splits_are_read_back_as_they_were_written(tmp_path):
    splits = make_splits(_cohort(30), 5, 1, "patient")
    splits.write(tmp_path / "splits.json")
    assert read_splits(tmp_path / "splits.json") == splits


def test_the_digest_depends_on_the_assignment_alone():
    patients = _cohort(30)
    first = make_splits(patients, 5, 1, "patient")
    second = make_splits(patients[::-1], 5, 1, "patient")
    assert first.sha256 == second.sha256
    assert first.sha256 != make_splits(patients, 5, 2, "patient").sha256
    assert first.sha256 != make_splits(patients, 4, 1, "patient").sha256


def _move_one(data):
    data["fold_of"]["P000"] = (data["fold_of"]["P000"] + 1) % data["folds"]


def _drop_one(data):
    del data["fold_of"]["P000"]


def _more_folds(data):
    data["folds"] += 1


def _no_digest(data):
    del data["sha256"]


@pytest.mark.parametrize("alter", [_move_one, _drop_one, _more_folds, _no_digest])
def test_an_altered_file_is_refused(tmp_path, alter):
    path = tmp_path / "splits.json"
    make_splits(_cohort(30), 5, 1, "patient").write(path)
    data = json.loads(path.read_text())
    alter(data)
    path.write_text(json.dumps(data))
    with pytest.raises(IntegrityError) as caught:
        read_splits(path)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"sha256": "x"}'])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(IntegrityError):
        read_splits(tmp_path / "splits.json")
