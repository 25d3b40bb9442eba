"""Who comes from the same population is usual; who does not is not."""

import numpy as np
import pytest

from pcrnet.applicability.limits import UsualLimits


@pytest.fixture
def cohort():
    generator = np.random.default_rng(0)
    mix = np.eye(6) + 0.6
    return generator.normal(size=(400, 6)) @ mix


def _limits(values, groups=None):
    groups = np.arange(len(values)) % 4 if groups is None else groups
    return UsualLimits.fit(values, np.full(6, 1e-3), groups)


def test_nearly_nobody_of_the_same_population_is_beyond_a_limit(cohort):
    limits = _limits(cohort[:200])
    new = cohort[200:]
    beyond = (np.abs(limits.deviations(new)) > 1).any(axis=1) | (limits.distances(new) > 1)
    assert beyond.mean() <= 0.02


def test_an_unusual_combination_of_usual_numbers_is_noticed(cohort):
    limits = _limits(cohort)
    row = np.array([[2.0, -2.0, 2.0, -2.0, 2.0, -2.0]]) * cohort.std(axis=0)
    assert (np.abs(limits.deviations(row)) < 1).all()
    assert limits.distances(row)[0] > 1


def test_the_spread_of_sites_widens_what_is_usual():
    generator = np.random.default_rng(1)
    site = np.repeat([0.0, 3.0, -3.0], 40)
    values = generator.normal(size=(120, 6)) + site[:, None]
    by_site, mixed = _limits(values, site), _limits(values)
    assert by_site.distance_limit > 1.2 * mixed.distance_limit


def test_unknown_numbers_are_neither_usual_nor_unusual(cohort):
    values = cohort.copy()
    values[:, 2] = np.nan
    limits = _limits(values)
    assert np.isnan(limits.deviations(cohort[:5])[:, 2]).all()
    assert np.isfinite(limits.distances(cohort[:5])).all()


def test_few_patients_are_no_ground_to_call_anybody_unusual(cohort):
    limits = _limits(cohort[:7])
    assert np.isnan(limits.deviations(100 + cohort[:3])).all()
    assert (limits.distances(100 + cohort[:3]) <= 1).all()


def test_leeway_moves_what_a_number_must_exceed_alone(cohort):
    plain = _limits(cohort)
    wide = UsualLimits.fit(
        cohort, np.full(6, 1e-3), np.arange(400) % 4, np.array([2.0] + [1.0] * 5)
    )
    assert wide.limit[0] == pytest.approx(2 * plain.limit[0])
    assert wide.limit[1:] == pytest.approx(plain.limit[1:])
    assert wide.distances(cohort) == pytest.approx(plain.distances(cohort))
