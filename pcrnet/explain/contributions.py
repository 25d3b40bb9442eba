"""What each measured quantity and covariate adds to the logits: exact, since the chain is linear.

A logit of the ridge chain is its value at the training mean plus one term for every feature that is
known. A feature that was not measured is filled in as a linear function of those that were: what
that adds is counted where it came from, and the feature itself adds exactly nothing. Where networks
are kept, what they add is one further term.

Shapes: p features, o of them known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pcrnet.applicability.scrutiny import OneTensor, ridge_of
from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.imaging.quantify.subjects import subject_of
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.contract import FittedModel
from pcrnet.models.rivals.ridge import FloatArray
from pcrnet.models.rivals.tabular import TabularModel

COVARIATES, NETWORKS = "covariates", "networks"
"""Subjects beside those of measured quantities."""


@dataclass(frozen=True)
class Contribution:
    """What one quantity, one covariate, or the networks add.

    Attributes:
        name: As in ``quantities.csv``, or the covariate's column.
        subject: What it is about.
        value: As measured; NaN for a covariate and for what is absent.
        deviation: From the training mean, in standard deviations; NaN where absent.
        breast: Added to the logit of yT0.
        nodes: Added to both logits of yN0.
        known: Whether it was there at all; what was not adds exactly 0.
    """

    name: str
    subject: str
    value: float
    deviation: float
    breast: float
    nodes: float
    known: bool


@dataclass(frozen=True)
class Breakdown:
    """The logits of one patient, term by term.

    Attributes:
        base: (3,) logits at the training mean.
        logits: (3,) logits of the patient: the base and all terms.
        contributions: The terms, in the model's order.
        networks: (3,) what the networks add; zeros where none are kept.
    """

    base: FloatArray
    logits: FloatArray
    contributions: tuple[Contribution, ...]
    networks: FloatArray

    def by_subject(self) -> dict[str, tuple[float, float]]:
        """Subject to what it adds to the breast's logit and to those of the nodes."""
        found: dict[str, tuple[float, float]] = {}
        for one in self.contributions:
            breast, nodes = found.get(one.subject, (0.0, 0.0))
            found[one.subject] = (breast + one.breast, nodes + one.nodes)
        return found


def break_down(
    model: FittedModel,
    patient: Patient,
    tensor: PatientTensor,
    data: DataConfig,
    imaging: ImagingConfig,
) -> Breakdown:
    """Take the logits of a patient apart; a model without a ridge chain has a base and networks."""
    source = OneTensor(tensor)
    logits = np.asarray(model.logits([patient], source)[0])
    ridge = ridge_of(model)
    if ridge is None:
        return Breakdown(logits, logits, (), np.zeros(3))
    start = np.asarray(ridge.logits([patient], source)[0])
    base = ridge.chain.logits(ridge.imputation.mean[None])[0]
    measured = ridge.measured([patient], source)[0]
    return Breakdown(
        base=base,
        logits=logits,
        contributions=_terms(ridge, measured, tensor, data, imaging),
        networks=logits - start,
    )


def known_coefficients(ridge: TabularModel, known: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Coefficients (p,) of breast and nodes with what is filled in counted where it came from."""
    covariance = ridge.imputation.covariance
    found = []
    for coefficients in (ridge.chain.breast.coefficients, ridge.chain.nodes.coefficients):
        own = np.where(known, coefficients, 0.0)
        if known.any() and not known.all():
            across = covariance[np.ix_(known, ~known)] @ coefficients[~known]
            own[known] += np.linalg.solve(covariance[np.ix_(known, known)], across)
        found.append(own)
    return found[0], found[1]


def _terms(
    ridge: TabularModel,
    measured: FloatArray,
    tensor: PatientTensor,
    data: DataConfig,
    imaging: ImagingConfig,
) -> tuple[Contribution, ...]:
    kinds = {channel: imaging.channel_kind(channel) for channel in data.channels}
    known = np.isfinite(measured)
    apart = np.where(known, measured - ridge.imputation.mean, 0.0)
    breast, nodes = (of * apart for of in known_coefficients(ridge, known))
    terms = [
        Contribution(
            name=spec.name,
            subject=subject_of(spec, kinds),
            value=tensor.quantities.values.get(spec.name, math.nan) if known[i] else math.nan,
            deviation=float(measured[i]) if known[i] else math.nan,
            breast=float(breast[i]),
            nodes=float(nodes[i]),
            known=bool(known[i]),
        )
        for i, spec in enumerate(ridge.specs)
    ]
    first = len(ridge.specs)
    for index, covariate in enumerate(ridge.encoding.covariates):
        own = [
            first + feature
            for feature, of in enumerate(ridge.encoding.covariate_of_feature)
            if of == index
        ]
        there = bool(own) and bool(known[own].any())
        terms.append(
            Contribution(
                name=covariate.name,
                subject=COVARIATES,
                value=math.nan,
                deviation=float(measured[own[0]]) if there and len(own) == 1 else math.nan,
                breast=float(breast[own].sum()),
                nodes=float(nodes[own].sum()),
                known=there,
            )
        )
    return tuple(terms)


def strongest(breakdown: Breakdown, count: int) -> list[Contribution]:
    """The known terms that add most to either logit."""
    known = [one for one in breakdown.contributions if one.known]
    return sorted(known, key=lambda one: -max(abs(one.breast), abs(one.nodes)))[:count]


def counted(breakdown: Breakdown) -> Mapping[str, int]:
    """How many terms were known and how many were not."""
    known = sum(one.known for one in breakdown.contributions)
    return {"known": known, "absent": len(breakdown.contributions) - known}
