"""Settings of evaluation: the operating point and the ranges."""

from pcrnet.config.evaluation import SensitivityRule
from pcrnet.config.layers import load_experiment


def test_the_operating_point_takes_its_target():
    rule = load_experiment(
        ["evaluation.operating_point={kind: sensitivity, target: 0.8}"]
    ).evaluation.operating_point
    assert rule == SensitivityRule(target=0.8)


def test_a_value_out_of_range_names_the_key_and_what_was_found(refusal):
    text = refusal("evaluation.folds=2")
    assert "evaluation.folds" in text
    assert "found 2" in text
