from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from pcrnet.evaluation.statistics.curves import draw_weights
from pcrnet.evaluation.statistics.net_benefit import (
    THRESHOLDS,
    Consequences,
    consequences,
    decision_curve,
    net_benefit,
)


def read_columns(path: Path) -> dict[str, list[str]]:
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_net_benefit_equals_dcurves_in_r(test_data: Path) -> None:
    patients = read_columns(test_data / "reference" / "dca_df_binary.csv")
    expected = read_columns(test_data / "reference" / "dca_expected_R.csv")
    cancer = np.array(patients["cancer"], dtype=float)
    age = sm.add_constant(np.array(patients["age"], dtype=float))
    risks = {
        "all": np.ones(cancer.size),
        "famhistory": np.array(patients["famhistory"], dtype=float),
        "age": np.asarray(sm.Logit(cancer, age).fit(disp=0, tol=1e-12).predict()),
    }
    for name, risk in risks.items():
        rows = [i for i, variable in enumerate(expected["variable"]) if variable == name]
        thresholds = np.array([float(expected["threshold"][i]) for i in rows])
        benefit = np.array([float(expected["net_benefit"][i]) for i in rows])
        assert rows
        np.testing.assert_allclose(
            net_benefit(cancer == 1, risk, thresholds), benefit, atol=1e-9, err_msg=name
        )


def test_treating_none_is_zero_and_treating_all_needs_no_model() -> None:
    responder = np.arange(100) < 40
    curve = decision_curve(responder, np.zeros(100), np.ones((3, 100)))
    np.testing.assert_array_equal(curve.model, 0.0)
    np.testing.assert_allclose(
        curve.treat_all, 0.4 - 0.6 * THRESHOLDS / (1 - THRESHOLDS), atol=1e-12
    )


def test_benefit_seen_from_the_residual_tumour_is_the_same_number() -> None:
    rng = np.random.default_rng(1)
    responder, prob = rng.random(300) < 0.5, rng.random(300)
    for t in (0.3, 0.6, 0.85):
        operate = prob <= t
        odds = (1 - t) / t
        model = np.mean(operate & ~responder) - np.mean(operate & responder) * odds
        everybody = np.mean(~responder) - np.mean(responder) * odds
        here = net_benefit(responder, prob, np.array([t]))[0]
        assert here == pytest.approx((model - everybody) / odds)


def test_band_holds_the_curve_and_narrows_with_patients() -> None:
    rng = np.random.default_rng(2)
    widths = []
    for n in (60, 600):
        prob = rng.random(n)
        responder = rng.random(n) < prob
        curve = decision_curve(responder, prob, draw_weights(n, 400, 1))
        assert ((curve.low <= curve.model + 1e-9) & (curve.model <= curve.high + 1e-9)).all()
        widths.append(np.mean(curve.high[:80] - curve.low[:80]))
    assert widths[1] < widths[0] / 2


def test_band_equals_draws_made_one_by_one() -> None:
    rng = np.random.default_rng(3)
    prob = rng.random(40)
    responder = rng.random(40) < prob
    weights = draw_weights(40, 50, 5)
    curve = decision_curve(responder, prob, weights)
    draws = [
        net_benefit(*(np.repeat(a, w.astype(int)) for a in (responder, prob)), THRESHOLDS)
        for w in weights
    ]
    np.testing.assert_allclose(curve.low, np.quantile(draws, 0.025, axis=0), atol=1e-12)


def test_consequences_add_up_to_the_hundred() -> None:
    responder = np.array([True] * 50 + [False] * 30)
    spared = np.array([True] * 40 + [False] * 10 + [True] * 5 + [False] * 25)
    found = consequences(responder, spared)
    assert found.spared.value == pytest.approx(56.25)
    assert found.rightly.value == pytest.approx(50.0)
    assert found.missed.value == pytest.approx(6.25)
    assert found.needless.value == pytest.approx(12.5)
    assert found.operated_with_residual == pytest.approx(31.25)
    assert found.icons == (50, 6, 13, 31)


def test_nobody_gives_a_reason() -> None:
    nobody = consequences(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))
    assert nobody.spared.value is None
    assert nobody.spared.reason


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_a_hundred_icons_always(women: list[tuple[bool, bool]]) -> None:
    responder, spared = np.array(women).T
    found: Consequences = consequences(responder, spared)
    assert sum(found.icons) == 100
    assert min(found.icons) >= 0
