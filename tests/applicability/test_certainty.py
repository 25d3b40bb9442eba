"""Intervals hold what they are said to hold, and read back as they were."""

import json

import numpy as np
import pytest
from scipy.special import expit

from pcrnet.applicability.certainty import (
    RECORD_FILE,
    Certainty,
    ProbInterval,
    near_threshold,
    spread_of_members,
)
from pcrnet.decision.calibrators import ChainCalibrator, IdentityCalibrator
from pcrnet.errors import IntegrityError
from pcrnet.models.rivals.posterior import ChainPosterior

PLAIN = ChainCalibrator((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
LOGITS = np.array([[0.4, 1.0, -0.5]])


def _intervals(covariance, calibrators=(PLAIN,)):
    return Certainty(None, calibrators).intervals(LOGITS, covariance, PLAIN)[0]


def test_an_interval_is_that_of_the_gaussian_it_is_drawn_from():
    covariance = np.diag([0.25, 0.0, 0.0])[None]
    found = _intervals(covariance)["yT0"]
    assert found.low == pytest.approx(expit(0.4 - 1.645 * 0.5), abs=0.03)
    assert found.high == pytest.approx(expit(0.4 + 1.645 * 0.5), abs=0.03)


def test_without_any_doubt_the_interval_is_the_probability():
    found = _intervals(np.zeros((1, 3, 3)))["yT0"]
    assert found.low == found.high == pytest.approx(expit(0.4))


def test_the_spread_of_calibrators_counts():
    drawn = tuple(
        ChainCalibrator((1.0, 1.0, 1.0), (b, 0.0, 0.0)) for b in np.linspace(-1.0, 1.0, 81)
    )
    found = _intervals(np.zeros((1, 3, 3)), drawn)["yT0"]
    assert found.low == pytest.approx(expit(-0.5), abs=0.01)  # 5 % of −0.6 … 1.4
    assert found.high == pytest.approx(expit(1.3), abs=0.01)


def test_neither_order_nor_company_changes_an_interval():
    generator = np.random.default_rng(0)
    logits, root = generator.normal(size=(4, 3)), generator.normal(size=(4, 3, 3))
    covariance = root @ root.transpose(0, 2, 1)
    certainty = Certainty(None, (PLAIN,))
    together = certainty.intervals(logits, covariance, PLAIN)
    alone = certainty.intervals(logits[2:3], covariance[2:3], PLAIN)
    assert alone[0] == together[2]


def test_a_threshold_within_the_interval_is_near():
    intervals = {head: ProbInterval(0.3, 0.6) for head in ("yT0", "yN0", "yT0yN0")}
    assert near_threshold(intervals, {"yT0": 0.5, "yN0": 0.7, "yT0yN0": None}) == ("yT0",)


def test_members_that_agree_show_no_spread():
    same = [np.ones((2, 3))] * 3
    assert not spread_of_members(same, np.ones(3)).any()
    assert not spread_of_members(same[:1], np.ones(3)).any()


def test_the_spread_of_a_mean_is_that_of_its_members_over_their_number():
    generator = np.random.default_rng(0)
    members = [generator.normal(size=(1, 3)) for _ in range(5)]
    factors = np.array([1.0, 0.5, 0.0])
    found = spread_of_members(members, factors)[0]
    expected = np.cov(np.concatenate(members).T) / 5 * np.outer(factors, factors)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("calibrators", [(PLAIN, PLAIN), (IdentityCalibrator(),), ()])
def test_it_reads_back(tmp_path, calibrators):
    generator = np.random.default_rng(0)
    posterior = ChainPosterior(
        generator.normal(size=(4, 4)), generator.normal(size=(5, 5)), (1.5, -0.5)
    )
    Certainty(posterior, calibrators).write(tmp_path)
    again = Certainty.read(tmp_path, features=3)
    assert again.calibrators == calibrators
    assert again.posterior.steps == posterior.steps
    np.testing.assert_array_equal(again.posterior.nodes, posterior.nodes)


def test_the_posterior_of_another_model_is_refused(tmp_path):
    Certainty(ChainPosterior(np.eye(4), np.eye(5), (1.0, 0.0)), ()).write(tmp_path)
    with pytest.raises(IntegrityError):
        Certainty.read(tmp_path, features=7)


def test_a_calibrator_that_falls_is_refused(tmp_path):
    Certainty(None, (PLAIN,)).write(tmp_path)
    record = json.loads((tmp_path / RECORD_FILE).read_text())
    record["calibrators"][0]["slopes"][0] = -1.0
    (tmp_path / RECORD_FILE).write_text(json.dumps(record))
    with pytest.raises(Exception, match="number out of range"):
        Certainty.read(tmp_path, features=None)
