"""What a model needs is read, side by side, and nothing else is."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcrnet.deploy.prediction import patient_inputs
from pcrnet.deploy.prediction.patient_inputs import PatientInputs, read_inputs
from pcrnet.deploy.prediction.predictor import Predictor, load_predictor
from pcrnet.errors import ImageError, InsufficientScansError, ProcessEndedError
from pcrnet.imaging.tensors.preprocess import preprocess_patient
from pcrnet.models.contract import Needs

EVERYTHING = Needs(scans=True, quantities=True, covariates=())
NOTHING = Needs(scans=False, quantities=False, covariates=())


@pytest.fixture(scope="module")
def predictor(small_bundle: Path) -> Predictor:
    return load_predictor(small_bundle)


@pytest.fixture(scope="module")
def patients(predictor: Predictor, small_bundle: Path):
    return predictor.read_patients(small_bundle / "golden" / "cohort.csv")


def read(predictor: Predictor, patients, needs: Needs, workers: int = 1):
    manifest = predictor.bundle.manifest
    found = dict(read_inputs(patients, needs, manifest.data, manifest.imaging, workers=workers))
    return [found[n] for n in range(len(patients))]


@pytest.mark.slow
def test_processes_read_what_one_reads(predictor: Predictor, patients) -> None:
    manifest = predictor.bundle.manifest
    for here, there in zip(
        read(predictor, patients, EVERYTHING, 1), read(predictor, patients, EVERYTHING, 2),
        strict=True,
    ):  # fmt: skip
        assert isinstance(here, PatientInputs)
        assert isinstance(there, PatientInputs)
        np.testing.assert_array_equal(here.tensor.image, there.tensor.image)
        assert here.tensor.quantities.to_json() == there.tensor.quantities.to_json()
        assert here.marks == there.marks
    own = preprocess_patient(patients[0], manifest.data, manifest.imaging)
    first = read(predictor, patients[:1], EVERYTHING)[0]
    np.testing.assert_array_equal(first.tensor.image, own.image)


def test_a_model_that_looks_at_nothing_opens_no_file(
    predictor: Predictor, patients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        pytest.fail("a scan was read")

    monkeypatch.setattr(patient_inputs, "preprocess_patient", fail)
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no image")
    visits = dict(patients[0].visits)
    visits["baseline"] = replace(visits["baseline"], scans={"pet": broken})
    gone = replace(visits["baseline"], scans={"pet": tmp_path / "gone.nii.gz"})
    some = [
        replace(patients[0], visits=visits),
        replace(patients[0], visits=visits | {"baseline": gone}),
    ]
    for inputs in read(predictor, some, NOTHING):
        assert isinstance(inputs, PatientInputs)
        assert not inputs.tensor.present.any()
        assert inputs.tensor.days.tolist() == [0.0, 45.0]


def test_too_few_scans_are_too_few_for_any_model(predictor: Predictor, patients) -> None:
    empty = {name: replace(visit, scans={}) for name, visit in patients[0].visits.items()}
    for needs in (EVERYTHING, NOTHING):
        (found,) = read(predictor, [replace(patients[0], visits=empty)], needs)
        assert isinstance(found, InsufficientScansError)
        assert found.patient == patients[0].patient_id


def test_what_cannot_be_read_is_said_of_its_patient_alone(
    predictor: Predictor, patients, tmp_path: Path
) -> None:
    (tmp_path / "broken.nii.gz").write_bytes(b"\x1f\x8b nothing")
    visits = dict(patients[1].visits)
    visits["baseline"] = replace(visits["baseline"], scans={"pet": tmp_path / "broken.nii.gz"})
    found = read(predictor, [patients[0], replace(patients[1], visits=visits)], EVERYTHING)
    assert isinstance(found[0], PatientInputs)
    assert isinstance(found[1], ImageError)
    assert found[1].patient == patients[1].patient_id


@pytest.mark.slow
def test_a_process_that_is_killed_costs_its_patient_alone(
    predictor: Predictor, patients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "killing_reader.py").write_text(
        "import os, signal\n"
        "from pcrnet.deploy.prediction.patient_inputs import PatientInputs, _nothing_seen\n"
        "def try_to_read(patient, *, data, imaging, looks):\n"
        "    if patient.row == 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return PatientInputs(_nothing_seen(patient, data), frozenset())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    killing = importlib.import_module("killing_reader")
    monkeypatch.setattr(patient_inputs, "_try_to_read", killing.try_to_read)
    found = read(predictor, patients, EVERYTHING, 2)
    assert isinstance(found[1], ProcessEndedError)
    assert isinstance(found[0], PatientInputs)
    assert isinstance(found[2], PatientInputs)


def test_a_clinical_model_is_predicted_without_its_scans(
    predictor: Predictor, patients, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clinical:
        def needs(self) -> Needs:
            return NOTHING

        def logits(self, patients, source, **_: object):
            assert not source.get(patients[0]).present.any()
            return np.zeros((1, 3))

    bundle = replace(predictor.bundle, model=Clinical())
    table = Predictor(bundle).predict_patients(patients)
    assert table.predictions is not None
    assert table.predictions.scans == ((), (), ())
