"""Copies are found by what is measured of them; people who are alike are not taken for copies."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pcrnet.imaging.quantify.record import Quantities
from pcrnet.review.measured_twins import ALIKE, FEWEST, measured_twins

_VISITS = ("baseline", "interim")


def _cohort(n, quantities=20, seed=0):
    """Patients whose quantities go together, as those of lesions of all sizes do."""
    generator = np.random.default_rng(seed)
    size = generator.normal(size=(n, 1))
    return {
        f"P{row}": _measured(2 * size[row] + generator.normal(size=(2, quantities)))
        for row in range(n)
    }


def _measured(values):
    """Of one patient, from an array (2 visits, quantities)."""
    named = {
        f"{timepoint}.pet.q{column}": float(value)
        for timepoint, row in zip(_VISITS, values, strict=True)
        for column, value in enumerate(row)
    }
    return replace(Quantities.nothing(), values={**named, "interim.days": 42.0})


def _values(quantities):
    of = [value for name, value in quantities.values.items() if not name.endswith("days")]
    return np.reshape(of, (2, -1))


def _problems(cohort):
    return list(measured_twins(cohort, _VISITS))


def test_nobody_is_a_copy_of_anybody_in_cohorts_of_people():
    for seed in range(20):
        assert not _problems(_cohort(120, seed=seed))


@pytest.mark.parametrize("rounding", [0.0, 1e-5, ALIKE / 20])
def test_a_person_under_two_names_is_found_though_numbers_were_rounded(rounding):
    cohort = _cohort(60)
    noise = np.random.default_rng(1).normal(size=(2, 20))
    cohort["Q"] = _measured(_values(cohort["P7"]) + rounding * noise)
    problems = _problems(cohort)
    assert [(problem.patient, problem.field) for problem in problems] == [
        ("Q", "baseline"),
        ("Q", "interim"),
    ]
    assert "baseline of the patient P7 in 20 quantities" in str(problems[0])
    assert "join the rows" in str(problems[0])


def test_a_person_under_three_names_is_found_twice():
    cohort = _cohort(60)
    cohort |= {"Q": cohort["P7"], "R": cohort["P7"]}
    assert [problem.patient for problem in _problems(cohort)] == ["Q", "Q", "R", "R"]


def test_one_visit_in_common_is_enough():
    cohort = _cohort(60)
    first, _ = _values(cohort["P7"])
    _, second = _values(cohort["P9"])
    cohort["Q"] = _measured(np.stack([first, second + 0.5]))
    (problem,) = _problems(cohort)
    assert problem.field == "baseline"


def test_a_visit_that_is_the_visit_before_is_found():
    cohort = _cohort(60)
    first, _ = _values(cohort["P7"])
    cohort["P7"] = _measured(np.stack([first, first + 1e-6]))
    (problem,) = _problems(cohort)
    assert (problem.patient, problem.field) == ("P7", "interim")
    assert "baseline of the same patient" in str(problem)


def test_floors_and_defaults_that_many_share_make_nobody_alike():
    cohort = _cohort(60)
    for name in list(cohort)[:20]:
        values = _values(cohort[name])
        values[1, : FEWEST + 4] = -1.2  # nothing is left of these lesions
        cohort[name] = _measured(values)
    assert not _problems(cohort)


def test_what_was_hardly_measured_is_not_compared():
    cohort = _cohort(60)
    values = _values(cohort["P7"])
    values[:, FEWEST - 1 :] = math.nan
    cohort["P7"], cohort["Q"] = _measured(values), _measured(values)
    assert not _problems(cohort)


def test_without_quantities_nothing_is_said():
    assert not _problems({name: Quantities.nothing() for name in ("A", "B", "C")})
    assert not _problems({})
