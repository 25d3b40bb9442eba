"""Virtual patients: the disease, its sensitivity to therapy, and the pathology that follows.

Response is a liability for the breast and one for the axilla, each of unit variance. A share of it
follows from what is knowable at baseline, a share shows itself at interim, and the rest nobody can
know before surgery. Both probabilities of every cell are therefore exact (a bivariate normal
integral), not estimates.

Anchors for the ranges: HER2-positive disease is about 60 % hormone-receptor positive, and receptor
negative tumours respond more often (I-SPY2; Cortazar et al., Lancet 2014). SUVmax of primary
tumours 3–20, falling by about 60 % in responders and 30 % in others (Groheux et al., EJNMMI 2013;
Humbert et al., EJNMMI 2012). ADC of invasive cancer 0.8–1.2·10⁻³ mm²/s, rising by 20–40 % in
responders (Partridge et al., Radiology 2018). Ktrans 0.1–0.5 per minute (Li et al., Clin Cancer Res
2015). Half to two thirds of positive axillae convert under dual blockade (Samiei et al., JAMA
Oncol 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from pcrnet.cohort.outcome import CELLS

BASELINE_SHARE = 0.135
"""Share of the liability's variance that is knowable at baseline."""
INTERIM_SHARE = 0.32
"""Further share that the interim visit shows."""
TUMOUR_MEAN = 0.10
NODE_MEAN = 0.43
NODE_BURDEN = 0.35
"""Fall of the nodes' liability with each step of cN above 1."""
CLINICALLY_NEGATIVE_MEAN = 2.3
"""About 1 % of clinically negative axillae hold residual disease at surgery."""
SHOWN_CORRELATION = 0.75
"""Between breast and axilla, in what the interim visit shows."""
HIDDEN_CORRELATION = 0.75
"""Between breast and axilla, in what stays unknowable."""

# Weights of independent standardised factors in what baseline tells; squares sum to one.
_RECEPTOR_WEIGHT = 0.60
_GRADE_WEIGHT = 0.25
_SIZE_WEIGHT = 0.40
_GLYCOLYSIS_WEIGHT = 0.40
_PERFUSION_WEIGHT = 0.40
_CELLULARITY_WEIGHT = float(np.sqrt(1.0 - 0.60**2 - 0.25**2 - 3 * 0.40**2))


@dataclass(frozen=True)
class Disease:
    """What a perfect observer knows at baseline.

    Attributes:
        age: Years.
        hr_positive: Hormone receptor status.
        grade: 1–3.
        cT: 1–4.
        cN: 0–3.
        diameter_mm: Mean diameter of the primary tumour.
        suv: Uptake of its viable tissue, SUVbw.
        adc_1e3_mm2_s: Apparent diffusion coefficient of its viable tissue.
        ktrans_per_min: Volume transfer constant of its viable tissue.
        ve: Extravascular extracellular volume fraction.
        necrotic: Whether the tumour has a necrotic core.
    """

    age: int
    hr_positive: bool
    grade: int
    cT: int
    cN: int
    diameter_mm: float
    suv: float
    adc_1e3_mm2_s: float
    ktrans_per_min: float
    ve: float
    necrotic: bool


@dataclass(frozen=True)
class Response:
    """What therapy has done to lesions by the interim visit, as ratios to baseline.

    Attributes:
        volume: Viable volume that is left, 0–1.
        suv, adc, ktrans: Of the viable tissue that is left.
        fragmentation: 0 shrinks concentrically, 1 breaks up into islands.
    """

    volume: float
    suv: float
    adc: float
    ktrans: float
    fragmentation: float


@dataclass(frozen=True)
class SimulatedPatient:
    """A virtual patient with the truth about the outcome.

    Attributes:
        disease: The state at baseline.
        tumour_sensitivity, node_sensitivity: Knowable part of the liability, standard normal.
        tumour_response, node_response: The state at interim.
        baseline_prob, interim_prob: Probability of each of :data:`pcrnet.cohort.outcome.CELLS`,
            given everything knowable by then.
        ypT, ypN: Pathology after therapy, drawn from ``interim_prob``.
    """

    disease: Disease
    tumour_sensitivity: float
    node_sensitivity: float
    tumour_response: Response
    node_response: Response
    baseline_prob: tuple[float, float, float, float]
    interim_prob: tuple[float, float, float, float]
    ypT: str
    ypN: str


def draw_patient(rng: np.random.Generator) -> SimulatedPatient:
    """Draw one patient: disease, sensitivity, response and pathology."""
    disease, baseline_factor = _draw_disease(rng)
    shown = rng.standard_normal(2)
    shown[1] = SHOWN_CORRELATION * shown[0] + np.sqrt(1 - SHOWN_CORRELATION**2) * shown[1]
    known = np.sqrt(BASELINE_SHARE) * baseline_factor
    revealed = known + np.sqrt(INTERIM_SHARE) * shown
    tumour_sensitivity, node_sensitivity = revealed / np.sqrt(BASELINE_SHARE + INTERIM_SHARE)
    interim_prob = cell_probabilities(disease.cN, (revealed[0], revealed[1]), shown_at_interim=True)
    cell = CELLS[int(np.searchsorted(np.cumsum(interim_prob)[:-1], rng.random(), side="right"))]
    return SimulatedPatient(
        disease=disease,
        tumour_sensitivity=float(tumour_sensitivity),
        node_sensitivity=float(node_sensitivity),
        tumour_response=_draw_response(rng, tumour_sensitivity),
        node_response=_draw_response(rng, node_sensitivity),
        baseline_prob=cell_probabilities(disease.cN, (known, known), shown_at_interim=False),
        interim_prob=interim_prob,
        ypT=_draw_ypT(rng, disease, complete=cell[0]),
        ypN=_draw_ypN(rng, disease, complete=cell[1]),
    )


def cell_probabilities(
    cN: int, knowable: tuple[float, float], *, shown_at_interim: bool
) -> tuple[float, float, float, float]:
    """Probability of each outcome cell given the knowable part of the liabilities.

    Args:
        cN: Clinical nodal stage; 0 makes the axilla's outcome all but certain.
        knowable: Deviation of the breast's and the axilla's liability from their means that is
            known so far.
        shown_at_interim: Whether the interim visit's share is part of it.

    Returns:
        Probabilities in the order of :data:`pcrnet.cohort.outcome.CELLS`; they sum to 1.
    """
    hidden_share = 1.0 - BASELINE_SHARE - INTERIM_SHARE
    unknown_share = hidden_share if shown_at_interim else hidden_share + INTERIM_SHARE
    covariance = HIDDEN_CORRELATION * hidden_share
    if not shown_at_interim:
        covariance += SHOWN_CORRELATION * INTERIM_SHARE
    spread = np.sqrt(unknown_share)
    tumour = (TUMOUR_MEAN + knowable[0]) / spread
    if cN == 0:
        # No node is seen, so nothing is learnt of it: all of its liability stays hidden.
        node = CLINICALLY_NEGATIVE_MEAN
        correlation = HIDDEN_CORRELATION * np.sqrt(hidden_share / unknown_share)
    else:
        node = (NODE_MEAN - NODE_BURDEN * (cN - 1) + knowable[1]) / spread
        correlation = covariance / unknown_share
    both = bivariate_normal_cdf(tumour, node, correlation)
    only_tumour = max(float(ndtr(tumour)) - both, 0.0)
    only_node = max(float(ndtr(node)) - both, 0.0)
    return both, only_tumour, only_node, max(1.0 - both - only_tumour - only_node, 0.0)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def bivariate_normal_cdf(h: float, k: float, correlation: float) -> float:
    """P(X < h, Y < k) of two standard normal variables of ``correlation`` ρ, in [0, 1].

    Accurate to about 1e-10 for |ρ| < 0.95:

    Φ(h)Φ(k) + 1/2π ∫₀^arcsin ρ exp(−(h² + k² − 2hk sin θ)/(2cos² θ)) dθ.

    Reference: Drezner and Wesolowsky, J Stat Comput Simul 1990; 35:101–107.
    """
    limit = np.arcsin(correlation)
    theta = 0.5 * limit * (_NODES + 1.0)
    exponent = (h * h + k * k - 2.0 * h * k * np.sin(theta)) / (2.0 * np.cos(theta) ** 2)
    integral = 0.5 * limit * float(np.sum(_WEIGHTS * np.exp(-exponent)))
    return float(ndtr(h) * ndtr(k) + integral / (2.0 * np.pi))


def _draw_disease(rng: np.random.Generator) -> tuple[Disease, float]:
    """The disease, and the standardised factor by which it foretells its response."""
    hr_positive = bool(rng.random() < 0.6)
    high_grade_chance = 0.50 if hr_positive else 0.72
    high_grade = bool(rng.random() < high_grade_chance)
    size, glycolysis, perfusion, cellularity = rng.standard_normal(4)
    factor = (
        _RECEPTOR_WEIGHT * (0.6 - hr_positive) / np.sqrt(0.6 * 0.4)
        + _GRADE_WEIGHT
        * (high_grade - high_grade_chance)
        / np.sqrt(high_grade_chance * (1.0 - high_grade_chance))
        - _SIZE_WEIGHT * size
        + _GLYCOLYSIS_WEIGHT * glycolysis
        + _PERFUSION_WEIGHT * perfusion
        + _CELLULARITY_WEIGHT * cellularity
    )
    diameter_mm = float(np.clip(28.0 * np.exp(0.38 * size), 13.0, 60.0))
    suv = 7.5 * np.exp(0.40 * glycolysis + 0.10 * high_grade - 0.12 * hr_positive)
    ktrans = 0.24 * np.exp(0.40 * perfusion)
    disease = Disease(
        age=round(float(np.clip(rng.normal(51.0, 11.0), 24.0, 82.0))),
        hr_positive=hr_positive,
        grade=3 if high_grade else int(rng.choice((1, 2), p=(0.1, 0.9))),
        cT=_draw_cT(rng, diameter_mm),
        cN=_draw_cN(rng, diameter_mm),
        diameter_mm=diameter_mm,
        suv=float(np.clip(suv, 2.5, 22.0)),
        adc_1e3_mm2_s=float(np.clip(0.98 - 0.11 * cellularity, 0.65, 1.35)),
        ktrans_per_min=float(np.clip(ktrans, 0.07, 0.80)),
        ve=float(np.clip(rng.normal(0.38, 0.07), 0.2, 0.6)),
        necrotic=bool(diameter_mm > 32.0 and rng.random() < 0.55),
    )
    return disease, float(factor)


def _draw_cT(rng: np.random.Generator, diameter_mm: float) -> int:
    if rng.random() < 0.04:
        return 4  # skin or chest wall involvement, at any size
    return 1 + int(np.searchsorted((20.0, 50.0), diameter_mm, side="left"))


def _draw_cN(rng: np.random.Generator, diameter_mm: float) -> int:
    positive_chance = 1.0 / (1.0 + np.exp(-(0.4 + 0.04 * (diameter_mm - 29.0))))
    if rng.random() > positive_chance:
        return 0
    return int(rng.choice((1, 2, 3), p=(0.78, 0.15, 0.07)))


def _draw_response(rng: np.random.Generator, sensitivity: float) -> Response:
    """Changes until interim; every one follows the sensitivity, blurred by its own biology."""
    volume, suv, adc, ktrans = sensitivity + 0.35 * rng.standard_normal(4)
    return Response(
        volume=float(1.0 / (1.0 + np.exp(0.6 + 1.1 * volume))),
        suv=float(np.clip(np.exp(-(0.62 + 0.50 * suv)), 0.08, 1.3)),
        adc=float(np.clip(1.0 + 0.22 + 0.13 * adc, 0.95, 1.8)),
        ktrans=float(np.clip(np.exp(-(0.45 + 0.35 * ktrans)), 0.15, 1.3)),
        fragmentation=float(rng.beta(0.7, 0.9)),
    )


def _draw_ypT(rng: np.random.Generator, disease: Disease, *, complete: bool) -> str:
    if complete:
        return "0"
    if rng.random() < 0.18:
        return "is"
    return str(rng.choice(("1", "2") if disease.cT <= 2 else ("1", "2", "3")))


def _draw_ypN(rng: np.random.Generator, disease: Disease, *, complete: bool) -> str:
    if complete:
        return "0"
    return str(rng.choice(("1mi", "1") if disease.cN <= 1 else ("1", "2")))
