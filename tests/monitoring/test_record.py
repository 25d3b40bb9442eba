"""A table of predictions adds its patients to the log, and the bundle's baseline once."""

import json
from types import SimpleNamespace

import pytest

from pcrnet.applicability.judgement import Doubt, Likeness
from pcrnet.applicability.scrutiny import Scrutiny
from pcrnet.errors import BundleError, UnlikeError
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.monitoring.log import read_log
from pcrnet.monitoring.record import log_predictions


def _table(names):
    doubts = (Doubt("a.pet", "too bright", 2.0),)
    scrutiny = Scrutiny(Likeness(2.0, doubts), {}, (), {"uptake": 0.5, "prob_yT0yN0": 0.3})
    predictions = Predictions(
        tuple(names), {"yT0": [0.5] * len(names)}, {"yT0": [1.0] * len(names)}
    )
    refused = (UnlikeError("no", patient="X"),)
    return SimpleNamespace(
        predictions=predictions, refused=refused, scrutinies=dict.fromkeys(names, scrutiny)
    )


def test_each_run_adds_its_patients_and_the_first_the_baseline(tmp_path, baseline):
    bundle = SimpleNamespace(
        sha256="f" * 64,
        applicability=SimpleNamespace(baseline=baseline),
        manifest=SimpleNamespace(outcome=SimpleNamespace(definition="ypT0/is")),
    )
    path = tmp_path / "use.jsonl"
    log_predictions(path, _table(["P1", "P2"]), bundle)
    log_predictions(path, _table(["P3"]), bundle)
    kinds = [json.loads(line)["kind"] for line in path.read_text().splitlines()]
    assert kinds.count("baseline") == 1
    log = read_log(path)
    assert log.definitions == {"ypT0/is"}
    assert [one.patient for one in log.predictions] == ["P1", "P2", "P3"]
    assert log.predictions[0].unlike == ("a.pet",)
    assert log.predictions[0].label == {"yT0": 1.0}
    assert log.refused == 2


def test_a_bundle_without_a_baseline_cannot_be_watched(tmp_path):
    with pytest.raises(BundleError, match="what its training patients were like"):
        log_predictions(tmp_path / "x", _table(["P"]), SimpleNamespace(applicability=None))
    assert not (tmp_path / "x").exists()
