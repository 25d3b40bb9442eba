"""A log without a change says so; one with a change says what, since when and by how much."""

import json

import pytest

from pcrnet.errors import PcrnetError
from pcrnet.monitoring.log import UseLog, append, read_log
from pcrnet.monitoring.watch import to_json, watch


def test_nothing_new_raises_no_alarm(write_log):
    found = watch(read_log(write_log(150)))
    assert not found.alarms
    assert json.loads(json.dumps(to_json(found)))["patients"] == 150


def test_a_shift_is_named_with_its_size_and_beginning(write_log):
    found = watch(read_log(write_log(150, {"uptake": 1.0})))
    first = found.alarms[0]
    assert first.chart.name == "uptake"
    assert first.chart.up
    assert first.alarm < 60
    assert first.since < 15
    assert first.estimate == pytest.approx(1.0, abs=0.35)


def test_probabilities_that_do_not_come_true_are_noticed(write_log):
    path = write_log(300, labels=lambda generator, prob: float(generator.random() < prob / 3))
    groups = {one.chart.group for one in watch(read_log(path)).alarms}
    assert "calibration" in groups
    assert "inputs" not in groups


def test_outcomes_as_predicted_raise_no_alarm(write_log):
    path = write_log(200, labels=lambda generator, prob: float(generator.random() < prob))
    assert not watch(read_log(path)).alarms


def test_one_bundle_is_looked_at_the_last_or_the_one_asked_for(write_log):
    write_log(20, bundle="a" * 64)
    log = read_log(write_log(30, bundle="c" * 64))
    assert len(watch(log).predictions) == 30
    assert len(watch(log, "aaaa").predictions) == 20
    with pytest.raises(PcrnetError, match="0 bundles"):
        watch(log, "ffff")


@pytest.mark.parametrize("keep", ["baseline", "prediction"])
def test_a_log_that_says_too_little_is_refused(write_log, tmp_path, keep):
    lines = [json.loads(line) for line in write_log(5).read_text().splitlines()]
    path = tmp_path / "part.jsonl"
    append(path, [line for line in lines if line["kind"] == keep])
    with pytest.raises(PcrnetError):
        watch(read_log(path))


def test_an_empty_log_is_refused():
    with pytest.raises(PcrnetError, match="no prediction"):
        watch(UseLog({}, (), 0, False))
