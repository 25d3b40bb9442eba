"""A bundle is written whole, describes itself, and leaves the training cohort behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.decision.calibrators import fit_calibrator
from pcrnet.deploy import packing
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.manifest import CHECKSUMS_FILE, bundle_digest
from pcrnet.deploy.packing import describe_bundle, write_bundle
from pcrnet.deploy.prediction.predictor import load_predictor
from pcrnet.errors import OutputError
from pcrnet.models.frequencies import Frequencies
from pcrnet.models.network_model import NetworkModel
from pcrnet.storage import sha256_file

EXPERIMENT = load_experiment(
    [
        "data.cohort=/secret/place/cohort.csv",
        "data.timepoints=[baseline]",
        "data.branches={pet: [pet]}",
        "imaging.size=[8,8,8]",
        "imaging.spacing_mm=[12,12,12]",
        "model.width=16",
        "model.start=frequencies",
    ]
)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return pack(EXPERIMENT, tmp_path)


def pack(experiment: Experiment, tmp_path: Path) -> Path:
    # Networks that added nothing: none is kept.
    model = NetworkModel(Frequencies((0.3, 1.0, -0.5)), (), (), np.zeros(3))
    rng = np.random.default_rng(0)
    allowed = np.eye(4, dtype=bool)[rng.integers(4, size=40)]
    calibrator = fit_calibrator(
        experiment.evaluation.calibration, rng.normal(size=(40, 3)), allowed
    )
    manifest = describe_bundle(
        experiment,
        covariates=(),
        about=model.describe(),
        calibrator=calibrator,
        operating_points={"yT0": 0.5, "yN0": None, "yT0yN0": 0.4},
        splits_sha256="0" * 64,
        simulated=True,
    )
    write_bundle(tmp_path / "bundle", manifest, model)
    return tmp_path / "bundle"


def test_what_is_written_reads_back(packed: Path) -> None:
    manifest = Bundle.read(packed).manifest
    assert manifest.units == {"pet": "SUVbw"}
    assert manifest.operating_points == {"yT0": 0.5, "yN0": None, "yT0yN0": 0.4}


def test_every_file_has_its_digest(packed: Path) -> None:
    digests = json.loads((packed / CHECKSUMS_FILE).read_text())
    files = {path for path in packed.rglob("*") if path.is_file()} - {packed / CHECKSUMS_FILE}
    assert {packed / name for name in digests} == files
    assert all(sha256_file(packed / name) == digest for name, digest in digests.items())


def test_the_place_of_the_training_cohort_stays_behind(packed: Path) -> None:
    assert b"secret" not in b"".join(p.read_bytes() for p in packed.rglob("*") if p.is_file())


def test_nothing_half_written_is_left(packed: Path) -> None:
    assert [path.name for path in packed.parent.iterdir()] == ["bundle"]


def test_a_bundle_that_cannot_be_packed_leaves_the_old_one_alone(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bundle_digest(packed)

    def fail(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(packing, "model_card", fail)
    with pytest.raises(OutputError, match="the disk is full"):
        pack(EXPERIMENT, packed.parent)
    assert [path.name for path in packed.parent.iterdir()] == ["bundle"]
    assert bundle_digest(packed) == before


@pytest.mark.parametrize(("norm", "unit"), [("lbm-james", "SUL"), ("bsa", "SUVbsa")])
def test_bundle_and_model_card_say_the_norm_of_the_pet_and_golden_cases_are_in_it(
    tmp_path: Path, norm: str, unit: str
) -> None:
    dicom = EXPERIMENT.imaging.dicom.model_copy(update={"suv": norm})
    imaging = EXPERIMENT.imaging.model_copy(update={"dicom": dicom})
    packed = pack(EXPERIMENT.model_copy(update={"imaging": imaging}), tmp_path)
    assert Bundle.read(packed).manifest.units == {"pet": unit}
    assert f"| pet | pet | {unit} |" in (packed / "model_card.md").read_text()
    assert load_predictor(packed)
