"""The log of daily use is appended to by many, torn by crashes, and read back as it was."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from pcrnet.errors import IntegrityError
from pcrnet.monitoring.log import (
    Prediction,
    append,
    bundles_with_baseline,
    outcome_record,
    prediction_record,
    read_log,
    refusal_record,
)

ONE = Prediction(
    "2026-01-01T00:00:00+00:00", "b", "P1", "site", {"uptake": 0.5}, ("a.pet",), {"yT0": 1.0}
)


def test_what_is_appended_reads_back(tmp_path, baseline):
    path = tmp_path / "deep" / "use.jsonl"
    append(path, [prediction_record(ONE), refusal_record("b", "P2", "UnlikeError")])
    log = read_log(path)
    assert log.predictions == (ONE,)
    assert (log.refused, log.torn) == (1, False)


def test_a_series_that_is_not_finite_is_left_out_of_the_line():
    record = prediction_record(Prediction("t", "b", "P", "", {"x": float("nan"), "y": 1.0}))
    assert record["series"] == {"y": 1.0}


def test_outcomes_that_come_later_belong_to_the_patient(tmp_path):
    path = tmp_path / "use.jsonl"
    append(path, [prediction_record(ONE), outcome_record("P1", {"yN0": 0.0})])
    assert read_log(path).predictions[0].label == {"yT0": 1.0, "yN0": 0.0}


def test_a_patient_predicted_again_counts_once(tmp_path):
    path = tmp_path / "use.jsonl"
    append(path, [prediction_record(ONE)] * 3)
    assert len(read_log(path).predictions) == 1


def test_a_line_that_a_crash_cut_off_is_left_out_and_joined_to_nothing(tmp_path):
    path = tmp_path / "use.jsonl"
    append(path, [prediction_record(ONE)])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert read_log(path).torn
    assert len(read_log(path).predictions) == 1
    append(path, [outcome_record("P1", {"yN0": 1.0})])
    log = read_log(path)
    assert log.torn
    assert log.predictions[0].label == {"yT0": 1.0, "yN0": 1.0}


def test_many_append_at_once_and_no_line_is_lost(tmp_path):
    path = tmp_path / "use.jsonl"
    others = [Prediction("t", "b", f"P{n}", "", {"x": float(n)}) for n in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: append(path, [prediction_record(one)]), others))
    assert {one.patient for one in read_log(path).predictions} == {one.patient for one in others}


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        '{"kind": "song"}',
        '{"kind": "prediction"}',
        "word",
        '{"kind": "outcome", "patient": "P", "label": {"yT0": 2}}',
    ],
)
def test_a_line_that_is_no_record_is_refused_by_its_number(tmp_path, line):
    path = tmp_path / "use.jsonl"
    path.write_text(json.dumps(prediction_record(ONE)) + "\n" + line + "\n")
    with pytest.raises(IntegrityError, match="line 2"):
        read_log(path)


def test_a_log_that_is_not_there_has_no_baseline_and_cannot_be_read(tmp_path):
    assert bundles_with_baseline(tmp_path / "none") == frozenset()
    with pytest.raises(IntegrityError):
        read_log(tmp_path / "none")


def test_a_log_knows_the_bundles_whose_baseline_it_holds(write_log):
    assert bundles_with_baseline(write_log(3)) == {"b" * 64}
