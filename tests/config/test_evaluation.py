"""Settings of evaluation: the operating point and the ranges."""

import pytest

from pcrnet.config.evaluation import SensitivityRule, TemperatureCalibration
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


@pytest.mark.parametrize(
    ("model", "patients"),
    [
        ("{kind: network}", 60.0),
        ("{kind: network, start: frequencies}", 0.0),
        ("{kind: quantitative}", 60.0),
        ("{kind: clinical}", 60.0),
        ("{kind: monai}", 0.0),
    ],
)
def test_a_calibrator_believes_the_slopes_of_a_moderated_model_alone(model, patients):
    experiment = load_experiment([f"model={model}"])
    assert experiment.evaluation.calibration.prior_patients is None
    assert experiment.judging.calibration.prior_patients == patients


def test_what_is_set_about_the_calibrator_holds_for_every_model():
    for model in ("network", "monai"):
        experiment = load_experiment(
            [f"model.kind={model}", "evaluation.calibration={kind: chain, prior_patients: 7}"]
        )
        assert experiment.judging == experiment.evaluation
    other = load_experiment(["evaluation.calibration.kind=temperature"])
    assert other.judging.calibration == TemperatureCalibration()
    assert "prior_patients" not in str(other.judging.calibration)
