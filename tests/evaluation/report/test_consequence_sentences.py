from __future__ import annotations

from dataclasses import replace

import numpy as np

from pcrnet.evaluation.report.consequence_sentences import level_sentence, net_benefit_sentence
from pcrnet.evaluation.results import Analysis, HeadResult
from pcrnet.evaluation.statistics.intervals import Estimate


def at_level(main: HeadResult, value: float, half: float) -> str:
    level = Estimate(value, value - half, value + half, main.n, "Wald")
    return level_sentence(replace(main, metrics={"calibration_in_the_large": level}))


def test_a_level_is_called_wrong_only_where_its_whole_interval_is(analysis: Analysis) -> None:
    assert "too high" in at_level(analysis.main, -1.35, 0.4)
    assert "too low" in at_level(analysis.main, 0.9, 0.4)
    assert at_level(analysis.main, -0.5, 0.4) == ""
    assert at_level(analysis.main, 0.0, 0.1) == ""
    assert level_sentence(replace(analysis.main, metrics={})) == ""
    without = {"calibration_in_the_large": Estimate.undefined("one class", n=3, method="Wald")}
    assert level_sentence(replace(analysis.main, metrics=without)) == ""


def with_benefit(main: HeadResult, low: float, high: float, late_high: float | None = None) -> str:
    curve = main.decision
    assert curve is not None
    lows = np.full(len(curve.thresholds), low)
    highs = np.full(len(curve.thresholds), high)
    if late_high is not None:
        late = curve.thresholds > 0.75
        lows[late], highs[late] = late_high - 0.01, late_high
    return net_benefit_sentence(replace(main, decision=replace(curve, low=lows, high=highs)))


def test_benefit_is_claimed_and_denied_by_its_interval_alone(analysis: Analysis) -> None:
    main = analysis.main
    assert "better than operating on all" in with_benefit(main, 0.01, 0.2)
    assert "better at none" in with_benefit(main, -0.3, -0.1)
    assert "none of the thresholds" in with_benefit(main, -0.1, 0.1)
    both = with_benefit(main, 0.01, 0.2, late_high=-0.01)
    assert "better than operating on all at thresholds of 0.50, 0.60 and 0.70" in both
    assert "worse at 0.80, 0.90 and 0.95" in both
    assert net_benefit_sentence(replace(main, decision=None)) == ""
