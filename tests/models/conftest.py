"""Small networks of every kind, and patients with gaps."""

import dataclasses
import functools
import math
from functools import cache

import numpy as np
import pytest
import torch

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import (
    ENCODERS,
    ConcatFusionConfig,
    GatedFusionConfig,
    NetworkConfig,
    TransformerFusionConfig,
)
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.contract import FitRequest
from pcrnet.models.dual_branch.network import NetworkInput, PcrNet

_SMALLER = {
    "resnet": {"stem_width": 6, "widths": (8, 12)},
    "convnext": {"stem_width": 6, "widths": (8, 12)},
    "densenet": {"stem_width": 8, "growth": 4, "blocks": (2,), "initial_width": 8},
    "vit": {"stem_width": 6, "depth": 1},
    "swin": {"stem_width": 6, "width": 8},
    "monai": {"backbone": "BasicUNet", "stages": 4},
}
_ENCODERS = {
    name: kind.settings.model_validate(_SMALLER.get(name, {})) for name, kind in ENCODERS.items()
}
"""Every encoder that is registered; one that is not made smaller has its defaults."""
_FUSIONS = {
    "concat": ConcatFusionConfig(hidden=16),
    "gated": GatedFusionConfig(hidden=16),
    "transformer": TransformerFusionConfig(depth=1),
}


@cache
def build_network(encoder, fusion):
    """An untrained network on 16³ voxels with two covariates of two and one features."""
    torch.manual_seed(3)
    network = PcrNet(
        DataConfig(branches={"pet": ("pet",), "mri": ("t2", "adc")}),
        ImagingConfig(size=(16, 16, 16)),
        NetworkConfig(width=16, encoder=_ENCODERS[encoder], fusion=_FUSIONS[fusion]),
        covariate_of_feature=(0, 0, 1),
        covariates=2,
    )
    torch.nn.init.normal_(network.head.linear.weight, std=0.3)  # a new network says 0
    return network.eval()


@pytest.fixture(params=sorted(_ENCODERS))
def encoder_config(request):
    """Every kind of encoder."""
    return _ENCODERS[request.param]


@pytest.fixture(
    params=[(encoder, fusion) for encoder in _ENCODERS for fusion in _FUSIONS], ids="-".join
)
def network(request):
    """Every encoder with every fusion; tests do not change it."""
    return build_network(*request.param)


@pytest.fixture
def default_network():
    """The default encoder and fusion; tests do not change it."""
    return build_network("resnet", "transformer")


@pytest.fixture
def patients():
    """Four patients: complete; one visit; gaps in both visits; a single channel and no age."""
    generator = torch.Generator().manual_seed(7)
    image = 3.0 * torch.rand(4, 2, 3, 16, 16, 16, generator=generator)
    present = torch.ones(4, 2, 3, dtype=torch.bool)
    present[1, 1] = False
    present[2, 0, 0] = present[2, 1, 1] = False
    present[3] = False
    present[3, 0, 0] = True
    return NetworkInput(
        image=image,
        present=present,
        days=torch.tensor([[0.0, 42.0], [-3.0, torch.nan], [0.0, 60.0], [torch.nan, torch.nan]]),
        covariates=torch.tensor([[1.0, 0, 0.3], [0, 1.0, -1.0], [0, 1.0, 2.0], [1.0, 0, 0.0]]),
        covariate_present=torch.tensor([[True, True]] * 3 + [[True, False]]),
    )


class FakeScans:
    """Scans and quantities that follow from the patient's number and tell a little of the outcome.

    Args:
        data: Timepoints and channels.
        imaging: The grid.
        hidden: (T, C) of scans that nobody had.
        spoiled: What a model must not look at is NaN in the image and a million elsewhere: absent
            scans, and those of ``spoiled`` (T, C).
    """

    def __init__(self, data, imaging, *, hidden=None, spoiled=None):
        self.data, self.imaging = data, imaging
        self.hidden, self.spoiled = hidden, spoiled

    def get(self, patient):
        number = int(patient.patient_id[1:])
        generator = np.random.default_rng(number)
        shape = (len(self.data.timepoints), len(self.data.channels))
        present = generator.uniform(size=shape) < 0.8
        present[0, 0] = True
        image = generator.uniform(0, 4, (*shape, *self.imaging.size))
        image += 0.5 * (number % 4 < 2)
        values = {
            spec.name: float(generator.normal(0.8 * (number % 4 < 2)))
            for spec in quantity_specs(self.data, self.imaging)
        }
        if self.hidden is not None:
            present &= ~self.hidden
        image[~present] = 0.0
        gone, left = self._resting_on(present), math.nan
        if self.spoiled is not None:
            image[~present | self.spoiled] = math.nan
            gone, left = self._resting_on(present & ~self.spoiled), 1e6
        days = np.array([0.0, 40.0 + number][: shape[0]], np.float32)
        days[~present.any(axis=1)] = math.nan
        return PatientTensor(
            image=image.astype(np.float16),
            present=present,
            days=days,
            centre_mm=np.zeros(3),
            crop="body",
            quantities=Quantities(
                values | dict.fromkeys(gone, left),
                QuantityFlags("none", None, math.nan, {}, ()),
            ),
        )

    def _resting_on(self, seen):
        """Quantities that cannot be known from the scans that are seen."""
        there = {
            f"{timepoint}.{name}"
            for timepoint, row in zip(self.data.timepoints, seen, strict=True)
            for name, known in [
                *zip(self.data.channels, row, strict=True),
                *((of, row.any()) for of in ("mask", "days")),
            ]
            if known
        }
        return [
            spec.name
            for spec in quantity_specs(self.data, self.imaging)
            if not spec.scans <= there or (spec.unit == "days" and spec.name not in there)
        ]


@pytest.fixture(scope="session")
def trial_data():
    """Two visits of three channels."""
    return DataConfig(branches={"pet": ("pet",), "mri": ("t2", "adc")})


@pytest.fixture(scope="session")
def trial_imaging():
    """A grid of 8³ voxels."""
    return ImagingConfig(size=(8, 8, 8))


@pytest.fixture(scope="session")
def scans(trial_data, trial_imaging):
    """Makes a source of fake scans."""
    return functools.partial(FakeScans, trial_data, trial_imaging)


@pytest.fixture(scope="session")
def trial_patients():
    """Makes n patients of all four cells; of every eighth the outcome is unknown, or partly."""

    def make(n, first=0):
        return tuple(
            Patient(
                f"P{number:03d}",
                number + 2,
                None,
                {},
                {5: Outcome(), 6: Outcome(yT0=number % 16 == 6).closed}.get(
                    number % 8, Outcome(*CELLS[number % 4])
                ),
                {
                    "age": None if number % 7 == 3 else str(40 + number % 30),
                    "grade": ("high", "low")[number % 3 == 0],
                },
            )
            for number in range(first, first + n)
        )

    return make


def stir(part):
    """Instead of training: a last layer that is no longer zero."""
    generator = torch.Generator().manual_seed(len(part.name))
    for name, parameter in part.network.named_parameters():
        if name.endswith("linear.weight"):
            with torch.no_grad():
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))


@pytest.fixture(scope="session")
def fit_request(trial_data, trial_imaging, scans):
    """Makes a request for patients; networks are stirred rather than trained."""

    def make(patients, **changes):
        return dataclasses.replace(
            FitRequest(
                name="without-0",
                patients=tuple(patients),
                source=scans(),
                covariates=("age", "grade"),
                data=trial_data,
                imaging=trial_imaging,
                seed=3,
                optimise=stir,
            ),
            **changes,
        )

    return make
