from __future__ import annotations

from dataclasses import replace

import pytest

from pcrnet.config.experiment import Experiment
from pcrnet.evaluation.intervals import Estimate
from pcrnet.evaluation.results import Analysis
from pcrnet.evaluation.words import meaning, with_interval, write_words


def with_experiment(analysis: Analysis, **sections: object) -> Analysis:
    experiment = Experiment.model_validate(sections)
    return replace(analysis, sources=replace(analysis.sources, experiment=experiment))


def with_slope(analysis: Analysis, low: float, high: float) -> Analysis:
    slope = Estimate((low + high) / 2, low, high, 9, "Wald")
    main = replace(analysis.main, metrics={**analysis.main.metrics, "calibration_slope": slope})
    return replace(analysis, heads=(main, *analysis.heads[1:]))


def test_the_lead_says_what_was_predicted_from_what(analysis: Analysis) -> None:
    lead = write_words(analysis).lead
    assert lead.startswith("In 453 women, predictions from PET and MRI at baseline and interim")
    assert "yT0 yN0" in lead
    assert with_interval(analysis.main.metrics["auc"]) in lead


def test_one_branch_and_timepoint_read_as_one(analysis: Analysis) -> None:
    one = with_experiment(analysis, data={"branches": {"pet": ["pet"]}, "timepoints": ["baseline"]})
    assert "predictions from PET at baseline told" in write_words(one).lead


def test_the_hundred_in_words_are_those_counted(analysis: Analysis) -> None:
    found = analysis.main.consequences
    assert found is not None
    text = write_words(analysis).operating_point
    for estimate in (found.spared, found.rightly, found.missed):
        assert f"{estimate.value:.0f}" in text


def test_each_outcome_names_the_surgery_that_it_could_spare(analysis: Analysis) -> None:
    _, breast, nodes = analysis.heads
    assert "spared breast surgery" in write_words(replace(analysis, heads=(breast,))).consequences
    assert (
        "axillary surgery spared" in write_words(replace(analysis, heads=(nodes,))).operating_point
    )


@pytest.mark.parametrize(
    ("low", "high", "judged"), [(0.5, 0.9, "extreme"), (1.1, 1.5, "timid"), (0.8, 1.2, "agrees")]
)
def test_the_slope_is_judged_by_its_interval(
    analysis: Analysis, low: float, high: float, judged: str
) -> None:
    assert judged in write_words(with_slope(analysis, low, high)).calibration


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
    other = Experiment.model_validate({"outcome": {"definition": "ypT0/is"}})
    assert meaning("yT0", None) == "no tumour left in the breast"
    assert meaning("yT0", other) == "no invasive tumour left in the breast"


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
    assert "could not be judged in 453 women: one class only" in words.lead
    assert (words.operating_point, words.consequences) == ("", "")
    assert (words.conditional, words.calibration) == ("", "")
    assert dict(words.facts)["Estimated in"] == "5 folds"


def test_an_interval_is_said_where_there_is_one() -> None:
    assert with_interval(Estimate(0.5, 0.4, 0.6, 9, "")) == "0.50 (95 % CI 0.40 to 0.60)"
    assert with_interval(Estimate(0.5, None, None, 9, "", "few")) == "0.50"
    assert with_interval(Estimate.undefined("few", n=1, method="")) == "not defined (few)"
