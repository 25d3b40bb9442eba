"""Calibration error without bins, and with them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from torchmetrics.functional.classification import binary_calibration_error

from pcrnet.evaluation.statistics.calibration.smooth_ece import binned_ece, smooth_ece


def simulate(n=200, seed=0, distort=lambda p: p):
    generator = np.random.default_rng(seed)
    prob = generator.random(n)
    return distort(prob), (generator.random(n) < prob).astype(float)


def measure(prob, label, draws=200, **more):
    return smooth_ece(prob, label, draws=draws, generator=np.random.default_rng(0), **more)


def by_quadrature(prob, label):
    """The definition with the reflected kernel written out as images."""
    grid = (np.arange(400) + 0.5) / 400

    def error(width):
        kernel = sum(
            norm.pdf(grid[:, None], sign * prob + 2 * image, width)
            for image in (-1, 0, 1)
            for sign in (1, -1)
        )
        return np.abs(kernel @ (label - prob)).mean() / len(prob)

    return brentq(lambda width: error(width) - width, 1e-2, 0.5, xtol=1e-7)


def test_published_smooth_ece(val_prob):
    prob, label, case = val_prob
    # relplot rounds the predictions to a grid; the fixed point computed directly is 0.0468.
    assert measure(prob, label).error.value == pytest.approx(case["smece"], abs=2e-4)


@pytest.mark.parametrize("distort", [lambda p: p, lambda p: p**2, lambda p: 0.9 * p, np.round])
def test_value_is_the_fixed_point_of_the_definition(distort):
    prob, label = simulate(n=80, distort=distort)
    assert measure(prob, label).error.value == pytest.approx(by_quadrature(prob, label), abs=1e-4)


def test_error_of_a_constant_shift_is_about_the_shift():
    prob = np.full(1000, 0.5)
    label = np.append(np.ones(700), np.zeros(300))
    assert measure(prob, label).error.value == pytest.approx(0.2, abs=0.01)


def test_relabelling_changes_nothing():
    prob, label = simulate(distort=lambda p: p**2)
    assert measure(1 - prob, 1 - label).error.value == pytest.approx(
        measure(prob, label).error.value
    )


def test_perfect_model_lies_in_its_null_band_and_a_distorted_one_above():
    perfect = measure(*simulate(seed=1))
    assert perfect.null.low < perfect.error.value < perfect.null.high
    assert perfect.p > 0.05
    assert perfect.null.low < perfect.null.value < perfect.null.high
    distorted = measure(*simulate(seed=1, distort=lambda p: p**3))
    assert distorted.error.value > distorted.null.high
    assert distorted.p == 1 / 201


def test_null_band_holds_its_level():
    outside = [measure(*simulate(n=80, seed=k), draws=99).p < 0.1 for k in range(100)]
    assert 0.03 <= np.mean(outside) <= 0.18


def test_error_has_no_interval_and_says_why():
    found = measure(*simulate())
    assert (found.error.low, found.error.high) == (None, None)
    assert "null band" in found.error.reason
    assert found.null.method == "smooth ECE of a perfectly calibrated model, 200 draws"
    assert found.null.n == 200


def test_narrower_band_with_less_confidence():
    wide, narrow = measure(*simulate()), measure(*simulate(), confidence=0.5)
    assert wide.null.low < narrow.null.low < narrow.null.high < wide.null.high


def test_undefined_smooth_ece_is_named():
    found = measure(np.array([0.1, np.nan]), np.array([0.0, 1.0]))
    assert found.p is None
    assert "finite" in found.error.reason
    assert "finite" in found.null.reason
    assert measure(np.array([0.9, 0.8]), np.ones(2)).error.value > 0


def test_published_binned_ece(reference, val_prob):
    prob, label, case = val_prob
    assert binned_ece(prob, label).value == pytest.approx(case["ece15_equal_width"], abs=1e-9)
    tiny = reference.cases["ece_tiny"][0]
    prob, label = np.array(tiny["p"]), np.array(tiny["y"], dtype=float)
    for norm_name in ("l1", "l2", "max"):
        value = binned_ece(prob, label, tiny["bins"], norm_name).value
        assert value == pytest.approx(tiny[norm_name], abs=5e-5)


@pytest.mark.parametrize("norm_name", ["l1", "l2", "max"])
@pytest.mark.parametrize("bins", [5, 15])
def test_binned_ece_agrees_with_torchmetrics(norm_name, bins):
    torch = pytest.importorskip("torch")
    prob, label = simulate(distort=lambda p: 0.1 + 0.7 * p)
    theirs = binary_calibration_error(
        torch.tensor(prob), torch.tensor(label).int(), n_bins=bins, norm=norm_name
    )
    assert binned_ece(prob, label, bins, norm_name).value == pytest.approx(float(theirs), abs=1e-6)


def test_warning_states_what_a_perfect_model_would_show():
    found = [binned_ece(*simulate(seed=k)) for k in range(200)]
    mean = np.mean([f.value for f in found])
    # A perfect model at n = 200 shows 0.09 with 15 bins.
    assert mean == pytest.approx(0.089, abs=0.01)
    assert np.mean([f.expected for f in found]) == pytest.approx(mean, abs=0.004)
    assert f"about {found[0].expected:.3f} with 15 bins and 200 patients" in found[0].warning


def test_probability_of_one_falls_into_the_last_bin():
    assert binned_ece(np.array([1.0, 0.95]), np.array([1.0, 0.0]), 10).value == pytest.approx(0.475)


def test_binned_ece_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no patient"):
        binned_ece(np.array([]), np.array([]))


def test_without_draws_there_is_the_error_alone():
    prob, label = simulate(n=80)
    found = measure(prob, label, draws=0)
    assert found.error.value == measure(prob, label).error.value
    assert found.error.low is None
    assert found.null.value is None
    assert "no draws" in str(found.error.reason)
