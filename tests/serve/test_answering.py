"""One request from archive to answer, without a server around it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pcrnet.applicability.certainty import ProbInterval
from pcrnet.applicability.judgement import Likeness
from pcrnet.applicability.scrutiny import Scrutiny
from pcrnet.cohort.outcome import HEADS
from pcrnet.deploy.manifest import bundle_digest
from pcrnet.deploy.prediction.predictor import Predictor, load_predictor
from pcrnet.errors import BundleError, InsufficientScansError, PcrnetError
from pcrnet.evaluation.tables.predictions import read_predictions
from pcrnet.serve import answering
from pcrnet.serve.answering import (
    UPLOAD_FILE,
    BundleChoice,
    ServerFaultError,
    answer,
    answer_requests,
)
from pcrnet.serve.limits import Limits


@pytest.fixture(scope="module")
def predictor(small_bundle: Path) -> Predictor:
    return load_predictor(small_bundle)


class Line:
    """The server's end of a connection, with what it asks and what it hears."""

    def __init__(self, *asked: object) -> None:
        self.asked = list(asked)
        self.heard: list[Any] = []

    def recv(self) -> object:
        if not self.asked:
            raise EOFError
        return self.asked.pop(0)

    def send(self, reply: object) -> None:
        self.heard.append(reply)


def test_the_answer_is_that_of_the_bundle_and_stays_in_its_folder(
    predictor: Predictor, small_bundle: Path, scans, question: str, make_zip, tmp_path: Path
) -> None:
    expected = read_predictions(small_bundle / "golden" / "expected.csv")
    (tmp_path / UPLOAD_FILE).write_bytes(make_zip(scans))
    found = answer(predictor, tmp_path, question, Limits())
    for head, prob in found["probabilities"].items():
        assert prob == pytest.approx(float(expected.prob[head][0]), abs=0.2)
        point = found["thresholds"][head]
        assert found["calls"][head] is (None if point is None else prob > point)
    assert found["scans"] == ["baseline.pet", "baseline.adc", "interim.pet", "interim.adc"]
    assert found["lesion"] == "found"
    assert 0 < found["lesion_quality"] <= 1
    assert found["bundle_sha256"] == predictor.bundle.sha256
    assert found["intervals"] == dict.fromkeys(found["calls"])
    assert json.loads(json.dumps(found)) == found


class Certain:
    """What knows the interval of every probability: from 0 to a third."""

    def scrutinise(self, *_: object, **__: object) -> Scrutiny:
        interval = ProbInterval(0.0, 1 / 3)
        return Scrutiny(Likeness(0.0, ()), dict.fromkeys(HEADS, interval), (), {})


def test_an_interval_that_begins_at_0_is_one(
    predictor: Predictor, scans, question: str, make_zip, tmp_path: Path
) -> None:
    (tmp_path / UPLOAD_FILE).write_bytes(make_zip(scans))
    certain: Any = Certain()
    knowing = Predictor(replace(predictor.bundle, applicability=certain))
    found = answer(knowing, tmp_path, question, Limits())
    assert found["intervals"] == {head: [0.0, 0.3333] for head in HEADS}


def test_a_patient_with_too_few_scans_is_refused(
    predictor: Predictor, scans, make_zip, tmp_path: Path
) -> None:
    (tmp_path / UPLOAD_FILE).write_bytes(make_zip(scans))
    bundle = predictor.bundle
    data = bundle.manifest.data.model_copy(update={"minimum_scans": 2})
    strict = Predictor(replace(bundle, manifest=bundle.manifest.model_copy(update={"data": data})))
    one = json.dumps({"scans": {"baseline.pet": "baseline/pet.nii.gz"}})
    with pytest.raises(InsufficientScansError):
        answer(strict, tmp_path, one, Limits())


def test_requests_are_answered_in_turn_until_the_server_hangs_up(
    small_bundle: Path, scans, question: str, make_zip, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(answering, "_say_nothing", lambda: None)
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / UPLOAD_FILE).write_bytes(b"no archive")
    (tmp_path / "c" / UPLOAD_FILE).write_bytes(make_zip(scans))
    line = Line((tmp_path / "a", question), (tmp_path / "b", question), (tmp_path / "c", question))
    answer_requests(line, BundleChoice(small_bundle), Limits())
    ready, refused, lost, answered = line.heard
    assert ready["bundle_sha256"] == bundle_digest(small_bundle)
    assert ready["timepoints"] == ["baseline", "interim"]
    assert isinstance(refused, PcrnetError)
    assert isinstance(lost, PcrnetError)
    assert set(answered["probabilities"]) == {"yT0", "yN0", "yT0yN0"}


def test_a_fault_of_ours_is_told_by_its_kind_alone(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("Meier^Anna")

    monkeypatch.setattr(answering, "_say_nothing", lambda: None)
    monkeypatch.setattr(answering, "answer", fail)
    line = Line((tmp_path, "{}"))
    answer_requests(line, BundleChoice(small_bundle), Limits())
    fault = line.heard[1]
    assert isinstance(fault, ServerFaultError)
    assert "Meier" not in str(fault)


def test_what_is_no_bundle_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_say_nothing", lambda: None)
    line = Line()
    answer_requests(line, BundleChoice(tmp_path), Limits())
    assert [type(heard) for heard in line.heard] == [BundleError]
