"""Bundles whose networks are disturbed at random instead of trained, made in seconds."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.cohort.table import Patient
from pcrnet.config.layers import load_experiment
from pcrnet.decision.calibrators import ChainCalibrator
from pcrnet.deploy.packing import describe_bundle, write_bundle
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.contract import FitRequest
from pcrnet.models.kinds import fit_model

SETTINGS = (
    "data.covariates=[age, grade]",
    "data.branches={pet: [pet], mri: [adc]}",
    "imaging.size=[8,8,8]",
    "imaging.spacing_mm=[12,12,12]",
    "imaging.alignment.kind=none",
    "data.minimum_scans=2",
)
NETWORK = (
    "model.width=8",
    "model.networks=1",
    "model.encoder.stem_width=4",
    "model.encoder.widths=[8]",
    "model.encoder.blocks=[0]",
    "model.fusion.depth=1",
    "model.fusion.heads=2",
)
CALIBRATOR = ChainCalibrator((1.1, 0.9, 0.8), (0.1, -0.2, 0.05))
POINTS = {"yT0": 0.5, "yN0": None, "yT0yN0": 0.3}


class Measured:
    """Quantities that tell a little of the outcome; one in ten was not measured."""

    def __init__(self, experiment):
        self.data, self.imaging = experiment.data, experiment.imaging

    def get(self, patient):
        number = int(patient.patient_id[1:])
        generator = np.random.default_rng(number)
        shape = (len(self.data.timepoints), len(self.data.channels))
        values = {
            spec.name: float(generator.normal(number % 2)) if generator.random() < 0.9 else math.nan
            for spec in quantity_specs(self.data, self.imaging)
        }
        return PatientTensor(
            image=generator.uniform(0, 4, (*shape, *self.imaging.size)).astype(np.float16),
            present=np.ones(shape, dtype=bool),
            days=40.0 * np.arange(shape[0], dtype=np.float32),
            centre_mm=np.zeros(3),
            crop="body",
            quantities=Quantities(values, QuantityFlags("none", None, math.nan, {}, ())),
        )


def patients(n):
    """n patients; "rare" is a category that only few of them share."""
    return tuple(
        Patient(
            f"P{number:03d}",
            number + 2,
            None,
            {},
            Outcome(*CELLS[number % 4]),
            {
                "age": str(40 + number % 30),
                "grade": ("high", "low")[number % 3 == 0] if number % 10 else "rare",
            },
        )
        for number in range(n)
    )


def disturb(part):
    """Instead of training: no weight as it was, and a head that says something."""
    generator = torch.Generator().manual_seed(len(part.name))
    with torch.no_grad():
        for name, parameter in part.network.named_parameters():
            spread = 0.2 if name.endswith("linear.weight") else 0.05
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory):
    """Makes a bundle of settings, its folder; factors other than 0 keep all networks."""

    def make(*overrides, calibrator=CALIBRATOR, points=POINTS, change=lambda model: model):
        experiment = load_experiment([*SETTINGS, *overrides])
        covariates = tuple(experiment.data.covariates or ())
        request = FitRequest(
            name="without-0",
            patients=patients(60),
            source=Measured(experiment),
            covariates=covariates,
            data=experiment.data,
            imaging=experiment.imaging,
            seed=3,
            optimise=disturb,
        )
        model = change(fit_model(experiment.model, request))
        manifest = describe_bundle(
            experiment,
            covariates=covariates,
            about=model.describe(),
            calibrator=calibrator,
            operating_points=points,
            splits_sha256="0" * 64,
            simulated=True,
        )
        directory = tmp_path_factory.mktemp("bundles") / "bundle"
        write_bundle(directory, manifest, model)
        return directory

    return make


@pytest.fixture(scope="session")
def network_bundle(make_bundle):
    """Two networks of other factors and encodings, on top of the quantitative model."""

    def double(model):
        (network,), (encoding,) = model.networks, model.encodings
        # Another network knows other patients: a category less, and another mean age.
        other = dataclasses.replace(
            encoding,
            covariates=tuple(
                dataclasses.replace(each, mean=each.mean + 3.0) if hasattr(each, "mean") else each
                for each in encoding.covariates
            ),
        )
        return dataclasses.replace(
            model,
            networks=(network, network),
            encodings=(encoding, other),
            factors=np.array([0.5, 1.0, 0.0]),
        )

    return make_bundle(*NETWORK, change=double)


@pytest.fixture(scope="session")
def quantitative_bundle(make_bundle):
    return make_bundle("model.kind=quantitative")


@pytest.fixture(scope="session")
def clinical_bundle(make_bundle):
    return make_bundle("model.kind=clinical")
