"""Scans of one body bear each other out, however their levels are related."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from pcrnet.imaging.facts.relations import Agreements, level_ratio_ln, sample_all, visit_grid


def agreement(one, other):
    return Agreements()(one, other)[0]


@pytest.fixture
def sampled(make_visit):
    visit = make_visit()
    return sample_all(visit, visit_grid(visit), np.eye(4))


def test_agreement_ignores_any_rising_scale(sampled):
    values, covered = sampled["pet"]
    bent = (np.exp(values / 4), covered)
    assert agreement(bent, sampled["t2"]) == pytest.approx(
        agreement(sampled["pet"], sampled["t2"]), abs=1e-6
    )


def test_it_is_the_information_of_ranks_that_scikit_learn_finds(sampled):
    agreements = Agreements()
    for other in ("t2", "adc", "dce_pre", "t2"):
        pair = sampled["pet"], sampled[other]
        used = pair[0][1] & pair[1][1]
        assert used.sum() > 1000
        tenths = np.linspace(0, 1, 17)[1:-1]
        ranks = [
            np.searchsorted(np.quantile(v[used], tenths), v[used], side="right") for v, _ in pair
        ]
        cells, *margins = (len(set(each)) for each in (zip(*ranks, strict=True), *ranks))
        chance = (cells - sum(margins) + 1) / (2 * used.sum())
        expected = mutual_info_score(*ranks) - chance
        assert agreements(*pair) == pytest.approx((expected, expected), abs=1e-9)


def test_where_little_overlaps_nothing_is_said(sampled):
    values, covered = sampled["pet"]
    assert np.isnan(Agreements()((values, np.zeros_like(covered)), sampled["t2"])).all()


def test_a_flip_takes_agreement_away(sampled):
    values, covered = sampled["pet"]
    flipped = (np.flip(values, 1), np.flip(covered, 1))
    assert agreement(flipped, sampled["t2"]) < 0.7 * agreement(sampled["pet"], sampled["t2"])


def test_unrelated_scans_share_nothing(sampled):
    generator = np.random.default_rng(0)
    noise = (generator.random(sampled["pet"][0].shape, dtype=np.float32), sampled["pet"][1])
    assert abs(agreement(noise, sampled["t2"])) < 0.02


def test_the_ratio_of_two_phases_is_that_of_their_levels(sampled):
    pre = sampled["dce_pre"]
    doubled = (2.0 * pre[0], pre[1])
    assert level_ratio_ln(doubled, pre, ("dce", "dce")) == pytest.approx(np.log(2), abs=1e-5)
    assert np.isnan(level_ratio_ln(doubled, pre, ("suv", "dce")))
