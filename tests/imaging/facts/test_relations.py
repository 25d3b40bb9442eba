"""Scans of one body bear each other out, however their levels are related."""

import numpy as np
import pytest

from pcrnet.imaging.facts.relations import agreement, level_ratio_ln, sample_all, visit_grid


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
