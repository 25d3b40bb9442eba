from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy import stats

from pcrnet.evaluation.statistics.confusion import Confusion, sensitivity, specificity
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.shipped import ShippedHead, shipped_metrics

TABLE = Confusion(40, 15, 35, 10)
KNOWN = ShippedHead(
    noise_share=0.0,
    between_fits={},
    apparent={"sensitivity": 0.82, "specificity": 0.7},
    optimism={"sensitivity": 0.02, "specificity": 0.0},
)
METRICS = {
    "sensitivity": sensitivity(TABLE),
    "specificity": specificity(TABLE),
    "auc": Estimate(0.8, 0.7, 0.87, 100, "DeLong"),
    "calibration_slope": Estimate(1.0, 0.6, 1.4, 100, "Wald"),
    "calibration_in_the_large": Estimate(0.1, -0.3, 0.5, 100, "Wald"),
}


def test_without_any_noise_of_fits_a_rate_has_wilsons_interval() -> None:
    found = shipped_metrics(METRICS, TABLE, KNOWN, 5)
    for name in ("sensitivity", "specificity"):
        assert found[name].value == pytest.approx(METRICS[name].value)
        assert found[name].low == pytest.approx(METRICS[name].low, abs=1e-9)
        assert found[name].high == pytest.approx(METRICS[name].high, abs=1e-9)


def test_noise_and_differences_between_fits_widen_every_interval_but_the_level() -> None:
    wide = replace(KNOWN, noise_share=0.5, between_fits={"auc": 0.001, "sensitivity": 0.002})
    before, after = (shipped_metrics(METRICS, TABLE, known, 5) for known in (KNOWN, wide))
    for name in METRICS:
        assert after[name].value == before[name].value
        if name == "calibration_in_the_large":
            assert after[name] == before[name]
        else:
            assert after[name].high - after[name].low > before[name].high - before[name].low


def test_the_slope_is_that_of_the_shipped_calibrator_less_its_optimism() -> None:
    apparent = {**KNOWN.apparent, "calibration_slope": 1.3, "calibration_slope_error": 0.3}
    known = replace(KNOWN, apparent=apparent, optimism={"calibration_slope": 0.1})
    found = shipped_metrics(METRICS, None, known, 5)["calibration_slope"]
    assert found.value == pytest.approx(1.2)
    assert found.high - found.value == pytest.approx(1.959963985 * 0.3)
    assert found.value - found.low == pytest.approx(1.959963985 * 0.3)


def test_few_fits_that_differ_much_ask_for_students_t() -> None:
    """By hand: five folds have 8.571 degrees of freedom where nothing but fits differ."""
    metrics = {"calibration_slope": Estimate(1.0, 1.0, 1.0, 100, "Wald")}
    known = replace(
        KNOWN, between_fits={"calibration_slope": 0.01}, between_seen={"calibration_slope": 0.01}
    )
    found = shipped_metrics(metrics, None, known, 5)["calibration_slope"]
    half = stats.t.ppf(0.975, 1 / (1 / 10 + 1 / 60)) * math.sqrt(0.01 * 1.2)
    assert found.high - found.value == pytest.approx(half)
    surely = replace(known, between_seen={})
    certain = shipped_metrics(metrics, None, surely, 5)["calibration_slope"]
    assert certain.high - certain.value == pytest.approx(1.959963985 * math.sqrt(0.012))


def test_what_patients_add_has_degrees_of_its_own() -> None:
    """By hand: five folds give 15 degrees to what is drawn anew in each."""
    metrics = {"calibration_slope": Estimate(1.0, 1.0, 1.0, 100, "Wald")}
    names = ("calibration_slope",)
    known = replace(
        KNOWN, between_fits=dict.fromkeys(names, 0.01), between_seen=dict.fromkeys(names, 0.02)
    )
    found = shipped_metrics(metrics, None, known, 5)["calibration_slope"]
    degrees = 1 / ((1 / 10 + 1 / 60) + (2 * 1 + 1) / 15)
    half = stats.t.ppf(0.975, degrees) * math.sqrt(0.01 * 1.2)
    assert found.high - found.value == pytest.approx(half)


def test_the_level_is_that_of_the_shipped_decision() -> None:
    name = "calibration_in_the_large"
    known = replace(KNOWN, apparent={name: 0.02}, optimism={name: 0.0})
    found = shipped_metrics(METRICS, None, known, 5)[name]
    assert found.value == 0.02
    assert found.high - found.low == pytest.approx(0.8)


def test_who_calls_nobody_may_go_on_to_call_nobody() -> None:
    known = replace(KNOWN, apparent={"specificity": 1.0}, optimism={"specificity": 0.03})
    found = shipped_metrics(METRICS, TABLE, known, 5)["specificity"]
    assert found.value == pytest.approx(0.97)
    assert found.high == 1.0
    sometimes = replace(known, apparent={"specificity": 0.99}, optimism={"specificity": 0.02})
    assert shipped_metrics(METRICS, TABLE, sometimes, 5)["specificity"].high < 1.0


def test_what_is_not_known_has_no_interval() -> None:
    silent = replace(KNOWN, apparent={}, optimism={})
    found = shipped_metrics(METRICS, None, silent, 5)
    assert found["sensitivity"].low is None
    assert found["sensitivity"].reason
    perfect = {"auc": Estimate(1.0, 0.9, 1.0, 9, "exact")}
    assert shipped_metrics(perfect, None, KNOWN, 5)["auc"].low == 0.9
    missing = {"auc": Estimate.undefined("one class", n=3, method="DeLong")}
    assert shipped_metrics(missing, None, KNOWN, 5)["auc"].value is None


@pytest.mark.parametrize("seen", [5e-324, 1e-300, 1e-9, 1.0, 1e300, math.inf, math.nan])
@pytest.mark.parametrize("between", [0.0, 5e-324, 0.01])
def test_however_little_or_much_the_fits_differ_there_is_an_interval(
    seen: float, between: float
) -> None:
    known = replace(
        KNOWN,
        between_fits=dict.fromkeys(METRICS, between),
        between_seen=dict.fromkeys(METRICS, seen),
    )
    sharp = {**METRICS, "calibration_slope": Estimate(1.0, 1.0, 1.0, 100, "Wald")}
    for found in shipped_metrics(sharp, TABLE, known, 5).values():
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        assert -math.inf < found.low <= found.value <= found.high < math.inf
