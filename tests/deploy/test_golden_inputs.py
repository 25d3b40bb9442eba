"""A changed preprocessing is noticed before anything is predicted, whatever the network learnt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.deploy import golden_inputs
from pcrnet.deploy.golden_inputs import input_difference
from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.errors import IntegrityError, PcrnetError
from pcrnet.storage import sha256_file


def alter(bundle: Path, name: str, change: Callable) -> None:
    """Change a JSON file and its digest."""
    path = bundle / name
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    sums = json.loads((bundle / "checksums.json").read_text())
    (bundle / "checksums.json").write_text(json.dumps(sums | {name: sha256_file(path)}))


@pytest.fixture
def bundle(finished_run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run.bundle, tmp_path / "bundle"))


OTHER_SETTINGS = {
    "a spacing one percent larger": lambda m: m["imaging"].update(spacing_mm=[12.12, 12.0, 12.0]),
    "another grid": lambda m: m["imaging"].update(size=[8, 8, 16]),
    "SUV standardised": lambda m: m["imaging"].update(channels={"pet": "zscore"}),
    "T2 not standardised": lambda m: m["imaging"].update(channels={"t2": "adc"}),
    "visits in another order": lambda m: m["data"]["timepoints"].reverse(),
    "channels in another order": lambda m: m["data"]["branches"].update(mri=["adc", "t2"]),
}


@pytest.mark.parametrize("change", OTHER_SETTINGS.values(), ids=OTHER_SETTINGS)
def test_other_settings_of_preprocessing_are_noticed(bundle: Path, change: Callable) -> None:
    alter(bundle, "bundle.json", change)
    with pytest.raises(PcrnetError):
        load_predictor(bundle)


OTHER_CODE = {
    "brighter by a thousandth": lambda t: replace(t, image=t.image * np.float16(1.001)),
    "shifted by half a grey value": lambda t: replace(t, image=t.image + np.float16(0.01)),
    "mirrored": lambda t: replace(t, image=t.image[:, :, ::-1]),
    "moved by a voxel": lambda t: replace(t, image=np.roll(t.image, 1, axis=4)),
    "a scan lost": lambda t: replace(t, present=t.present & (np.arange(3) != 1)),
    "days lost": lambda t: replace(t, days=np.full_like(t.days, np.nan)),
}


@pytest.mark.parametrize("change", OTHER_CODE.values(), ids=OTHER_CODE)
def test_other_code_of_preprocessing_is_noticed(
    bundle: Path, change: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = golden_inputs.preprocess_patient
    monkeypatch.setattr(golden_inputs, "preprocess_patient", lambda *a: change(original(*a)))
    with pytest.raises(IntegrityError, match=r"preprocessed otherwise .*golden-"):
        load_predictor(bundle)


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_covariate_is_noticed(
    bundle: Path, lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ClinicalEncoding.encode

    def encode(self, patient):
        features, present = original(self, patient)
        gone = np.array(self.covariate_of_feature) == lost
        return np.where(gone, 0, features), present & (np.arange(len(present)) != lost)

    monkeypatch.setattr(ClinicalEncoding, "encode", encode)
    with pytest.raises(IntegrityError, match="covariates"):
        load_predictor(bundle)


OTHER_ENCODINGS = {
    "another mean": lambda e: e[0].update(mean=e[0]["mean"] + 0.01),
    "another deviation": lambda e: e[0].update(deviation=e[0]["deviation"] * 1.001),
    "the first category renamed": lambda e: e[1]["categories"].__setitem__(0, "hIgh"),
    "the last category renamed": lambda e: e[1]["categories"].__setitem__(-1, "lOw"),
    "categories swapped": lambda e: e[1]["categories"].reverse(),
}


@pytest.mark.parametrize("change", OTHER_ENCODINGS.values(), ids=OTHER_ENCODINGS)
def test_another_encoding_is_noticed(bundle: Path, change: Callable) -> None:
    alter(bundle, "model/start/ridge.json", lambda record: change(record["encoding"]))
    with pytest.raises(IntegrityError, match="covariates"):
        load_predictor(bundle)


def test_rounding_is_no_difference_and_the_place_of_one_is_named() -> None:
    expected = {"a": {"scans": {"pet": [2.0, 0.5]}, "days": [0.0, None]}}
    close = {"a": {"scans": {"pet": [2.0 + 1e-5, 0.5]}, "days": [0.0, None]}}
    far = {"a": {"scans": {"pet": [2.0, 0.501]}, "days": [0.0, None]}}
    assert input_difference(expected, close) is None
    assert input_difference(expected, far) == "a, scans, pet"
    assert input_difference(expected, {"a": {"scans": {}, "days": [0.0, None]}}) == "a, scans"
    assert input_difference({"a": [0.0, None]}, {"a": [0.0, 1.0]}) == "a, 1"
