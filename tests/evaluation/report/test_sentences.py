from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from pcrnet.config.experiment import Experiment
from pcrnet.evaluation.population.case_mix import BundleIdentity
from pcrnet.evaluation.report.sentences import (
    meaning,
    p_short,
    with_interval,
    write_words,
)
from pcrnet.evaluation.results import Analysis
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.net_benefit import consequences


def with_experiment(analysis: Analysis, **sections: object) -> Analysis:
    experiment = Experiment.model_validate(sections)
    return replace(analysis, sources=replace(analysis.sources, experiment=experiment))


def with_metric(analysis: Analysis, name: str, low: float, high: float) -> Analysis:
    estimate = Estimate((low + high) / 2, low, high, 9, "Wald")
    main = replace(analysis.main, metrics={**analysis.main.metrics, name: estimate})
    return replace(analysis, heads=(main, *analysis.heads[1:]))


def test_the_lead_says_what_was_predicted_from_what(analysis: Analysis) -> None:
    lead = write_words(analysis).lead
    assert lead.startswith("In 453 patients, predictions from PET and MRI at baseline and interim")
    assert "yT0 yN0" in lead
    assert with_interval(analysis.main.metrics["auc"]) in lead


def test_one_branch_and_timepoint_read_as_one(analysis: Analysis) -> None:
    one = with_experiment(analysis, data={"branches": {"pet": ["pet"]}, "timepoints": ["baseline"]})
    assert "predictions from PET at baseline told" in write_words(one).lead


def test_the_hundred_in_words_are_those_counted(analysis: Analysis) -> None:
    found = analysis.main.consequences
    assert found is not None
    rightly, missed, needless, _ = found.icons
    words = write_words(analysis)
    assert re.findall(r"\d+", words.operating_point.partition("of 100")[2]) == [
        str(rightly + missed),
        str(rightly),
        str(missed),
    ]
    for count in (rightly + missed, rightly, missed, needless):
        assert f" {count} (" in words.consequences


def test_counts_of_a_hundred_add_up_when_each_would_be_rounded_down(analysis: Analysis) -> None:
    # 37.5 rightly and 5.5 missed of 43 spared: rounded alone they are 38 and 6.
    responder = np.repeat([True, False, True, False], [75, 11, 40, 74])
    found = consequences(responder, np.repeat([True, False], [86, 114]))
    main = replace(analysis.main, consequences=found)
    text = write_words(replace(analysis, heads=(main,))).operating_point
    spared, rightly, missed = map(int, re.findall(r"\d+", text.partition("of 100")[2]))
    assert spared == rightly + missed
    assert (rightly, missed) == found.icons[:2]


def test_each_outcome_names_the_surgery_that_it_could_spare(analysis: Analysis) -> None:
    _, breast, nodes = analysis.heads
    assert "spared breast surgery" in write_words(replace(analysis, heads=(breast,))).consequences
    assert (
        "axillary surgery spared" in write_words(replace(analysis, heads=(nodes,))).operating_point
    )


@pytest.mark.parametrize(
    ("low", "high", "judged"),
    [
        (0.5, 0.9, "the predictions are too extreme"),
        (-2.2, -0.6, "the predictions point the wrong way"),
        (1.1, 1.5, "the predictions are too timid"),
        (0.85, 1.2, "the slope agrees with the ideal of 1"),
        (0.4, 1.6, "the slope may be the ideal of 1, but the interval is too wide to say so"),
    ],
)
def test_the_slope_is_judged_by_its_interval(
    analysis: Analysis, low: float, high: float, judged: str
) -> None:
    assert judged in write_words(with_metric(analysis, "calibration_slope", low, high)).calibration


@pytest.mark.parametrize(
    ("low", "high", "judged"),
    [
        (-1.8, -1.0, "response is overestimated"),
        (0.1, 0.9, "response is underestimated"),
        (-0.1, 0.1, "the level agrees with the ideal of 0"),
        (-0.5, 0.5, "the level may be the ideal of 0, but the interval is too wide to say so"),
    ],
)
def test_the_level_is_judged_beside_the_slope(
    analysis: Analysis, low: float, high: float, judged: str
) -> None:
    good = with_metric(analysis, "calibration_slope", 0.9, 1.1)
    text = write_words(with_metric(good, "calibration_in_the_large", low, high)).calibration
    assert "the slope agrees with the ideal of 1" in text
    assert judged in text


def test_a_slope_that_does_not_exist_leaves_the_level(analysis: Analysis) -> None:
    none = Estimate.undefined("perfect separation", n=9, method="Wald")
    main = replace(analysis.main, metrics={**analysis.main.metrics, "calibration_slope": none})
    text = write_words(replace(analysis, heads=(main,))).calibration
    assert "not defined (perfect separation)" in text
    assert "of the slope nothing can be said" in text


@pytest.mark.parametrize(("p", "text"), [(0.0, "< 0.001"), (0.0009, "< 0.001"), (0.0312, "0.031")])
def test_a_p_value_is_never_shown_as_nothing(p: float, text: str) -> None:
    assert p_short(p) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"kind": "youden"}, "sensitivity + specificity"),
        ({"kind": "sensitivity", "target": 0.9}, "sensitivity of at least 0.90"),
        ({"kind": "specificity", "target": 0.8}, "specificity of at least 0.80"),
        ({"kind": "net_benefit", "threshold": 0.7}, "probability above 0.70"),
    ],
)
def test_the_rule_of_the_threshold_is_said(
    analysis: Analysis, rule: dict[str, object], text: str
) -> None:
    facts = dict(write_words(with_experiment(analysis, evaluation={"operating_point": rule})).facts)
    assert text in facts["Threshold"]


def test_the_strict_definition_and_the_other_read_differently() -> None:
    assert meaning("yT0", "ypT0") == "no tumour left in the breast"
    assert meaning("yT0", "ypT0/is") == "no invasive tumour left in the breast"


def test_a_table_of_unknown_definition_is_not_said_to_be_free_of_tumour() -> None:
    assert "no tumour" not in meaning("yT0", None)
    assert "as the table defines it" in meaning("yT0yN0", None)


def test_what_is_not_known_is_not_said(analysis: Analysis) -> None:
    none = Estimate.undefined("one class only", n=4, method="DeLong")
    bare = replace(
        analysis.main,
        metrics={"auc": none},
        consequences=None,
        decision=None,
    )
    words = write_words(
        replace(
            analysis,
            heads=(bare,),
            conditional={},
            sources=replace(analysis.sources, experiment=None),
        )
    )
    assert "could not be judged in 453 patients: one class only" in words.lead
    assert (words.operating_point, words.consequences) == ("", "")
    assert (words.conditional, words.calibration) == ("", "")
    assert dict(words.facts)["Estimated in"] == "5 folds"


def test_an_interval_is_said_where_there_is_one() -> None:
    assert with_interval(Estimate(0.5, 0.4, 0.6, 9, "")) == "0.50 (95 % CI 0.40 to 0.60)"
    assert with_interval(Estimate(0.5, None, None, 9, "", "few")) == "0.50"
    assert with_interval(Estimate.undefined("few", n=1, method="")) == "not defined (few)"


def test_a_bundle_is_named_with_what_it_predicted_from(analysis: Analysis) -> None:
    bundle = BundleIdentity("model", "a" * 64, "0.1.0", "ypT0", "PET at baseline", True, None)
    sources = replace(analysis.sources, experiment=None, bundle=bundle)
    facts = dict(write_words(replace(analysis, sources=sources)).facts)
    assert facts["Bundle"] == f"model, {'a' * 16}"
    assert facts["Predicted from"] == "PET at baseline"
