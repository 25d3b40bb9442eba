from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pcrnet.evaluation.metrics_json import metrics_record
from pcrnet.evaluation.population.case_mix import BundleIdentity
from pcrnet.evaluation.results import Analysis


@pytest.fixture(scope="module")
def record(analysis: Analysis) -> dict[str, object]:
    return json.loads(json.dumps(metrics_record(analysis), allow_nan=False))


def estimates(value: object) -> list[dict[str, object]]:
    """Every estimate anywhere in the record."""
    if isinstance(value, dict):
        own = [value] if "method" in value else []
        return own + [found for item in value.values() for found in estimates(item)]
    if isinstance(value, list):
        return [found for item in value for found in estimates(item)]
    return []


def test_every_estimate_has_value_limits_n_and_method(record: dict[str, object]) -> None:
    found = estimates(record)
    assert len(found) > 300
    for estimate in found:
        assert {"value", "low", "high", "n", "method"} <= set(estimate)
        assert estimate["value"] is not None or estimate["reason"]


def test_the_record_holds_every_part(record: dict[str, object]) -> None:
    assert record["simulated"] is True
    assert record["patients"] == 460
    assert record["folds"] == 5
    assert set(record["heads"]) == {"yT0", "yN0", "yT0yN0"}
    assert set(record["uncalibrated"]) == set(record["heads"])
    assert set(record["tables"]["yT0"]) == {
        "true_positive",
        "false_positive",
        "true_negative",
        "false_negative",
    }
    assert record["bootstrap"] == {"draws": 200, "seed": 1}
    assert "endpoints" not in record
    assert "caution" not in record
    assert set(record["all_auc_equal"]["ablations"]["yT0"]) == {"chi2", "freedom", "p"}
    for name in ("sensitivity_difference", "specificity_difference"):
        assert 0 <= record["comparisons"][0]["heads"]["yT0"][name]["p"] <= 1
    assert {row["covariate"] for row in record["subgroups"]["yT0"]} >= {"site", "hormone_receptor"}


def test_the_bundle_that_was_validated_is_in_the_record(analysis: Analysis) -> None:
    bundle = BundleIdentity("model", "0" * 64, "0.1.0", "ypT0/is", "PET", True, None)
    record = metrics_record(replace(analysis, sources=replace(analysis.sources, bundle=bundle)))
    assert record["bundle"]["definition"] == "ypT0/is"
    assert record["bundle"]["sha256"] == "0" * 64
