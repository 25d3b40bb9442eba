"""Virtual patients whose response lies in the pattern of the residue rather than in its amount.

Tumours that respond shrink concentrically to one compact residue, or leave a diffuse faint
inflammation of the bed. Those that resist break up into foci scattered over the bed or along its
rim. How much is left, and how hot it is, follows mostly from another latent quantity that says
little about the outcome.

Each liability is a sum of independent normal parts, so both probabilities of every cell are exact:
what baseline knows, what the interim visit shows (pattern, amount, nodes) and what stays hidden.

Anchors: concentric shrinkage by the second cycle goes with complete response, nodular and mixed
patterns less so (Tumour Biology 2017, doi 10.1177/1010428317694540); necrosis and receptor-positive
disease respond less often (Kawashima et al., SpringerPlus 2014; 3:240); macrophages and granulation
tissue take up FDG (Kubota et al., J Nucl Med 1992). The strengths of the effects are choices that
give the discrimination of a realistic trial.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

from pcrnet.cohort.outcome import CELLS
from pcrnet.simulation.biology import Disease, bivariate_normal_cdf

TUMOUR_MEAN = 0.10
NODE_MEAN = 0.36
NODE_BURDEN = 0.45
"""Fall of the nodes' liability with each step of cN above 1."""
CLINICALLY_NEGATIVE_MEAN = 2.1
"""About 2 % of clinically negative axillae hold residual disease at surgery."""

BASELINE_WEIGHT = 0.15
"""Of the baseline factor in both liabilities, beside what the pattern repeats of it."""
PATTERN_WEIGHT = {True: 0.57, False: 0.68}
"""Of the pattern in the breast's liability, by hormone receptor status."""
AMOUNT_WEIGHT = 0.17
NODE_WEIGHT = 0.58
HIDDEN_VARIANCE = 0.50
HIDDEN_CORRELATION = 0.65
"""Between breast and axilla, in what stays unknowable."""
PATTERN_FORETOLD = 0.30
"""Correlation of the pattern with the baseline factor."""
NODE_PATTERN = 0.55
"""Correlation of the nodes' response with the tumour's pattern."""

# Weights of independent standardised factors in what baseline tells; squares sum to one.
_YOUTH_WEIGHT = 0.40
_RECEPTOR_WEIGHT = 0.40
_GRADE_WEIGHT = 0.40
_RIM_WEIGHT = 0.45
_SIZE_WEIGHT = 0.35
_CELLULARITY_WEIGHT = float(np.sqrt(1.0 - 3 * 0.40**2 - 0.45**2 - 0.35**2))

_AGE_MEAN, _AGE_SPREAD, _MENOPAUSE = 52.0, 11.0, 50
_YOUNG_CHANCE = float(ndtr((_MENOPAUSE - 0.5 - _AGE_MEAN) / _AGE_SPREAD))
_POSITIVE_CHANCE = 0.65
_GRADE_CHANCES = {True: (0.15, 0.55, 0.30), False: (0.03, 0.32, 0.65)}
_DIFFUSE_CHANCE = 0.30
_DIFFUSE_BELOW = 0.45


@dataclass(frozen=True)
class Regression:
    """What therapy has made of the primary tumour by the interim visit.

    Attributes:
        volume: Residue as a share of the tumour bed, 0–1.
        suv, adc, ktrans: Of the residue, as ratios to baseline.
        scatter: 0 one compact residue, 1 foci strewn over the bed.
        shallowness: 0 the residue lies in the middle of the bed, 1 along its rim.
        inflammation: Uptake of the treated bed around the residue, SUVbw.
    """

    volume: float
    suv: float
    adc: float
    ktrans: float
    scatter: float
    shallowness: float
    inflammation: float


@dataclass(frozen=True)
class NodeRegression:
    """What therapy has left of the metastatic nodes by the interim visit: ratios to baseline of
    their ``volume`` and their ``suv``.
    """

    volume: float
    suv: float


@dataclass(frozen=True)
class PatternPatient:
    """A virtual patient of this world with the truth about the outcome.

    Attributes:
        disease: The state at baseline.
        hollowness: 0 a solid tumour at baseline, 1 one whose uptake lies in its rim.
        regression, node_regression: The state at interim.
        pattern, amount, node_sensitivity: The latent quantities behind it, standard normal; high
            ones favour response.
        baseline_prob, interim_prob: Probability of each of :data:`pcrnet.cohort.outcome.CELLS`,
            given everything knowable by then.
        ypT, ypN: Pathology after therapy, drawn from ``interim_prob``.
    """

    disease: Disease
    hollowness: float
    regression: Regression
    node_regression: NodeRegression
    pattern: float
    amount: float
    node_sensitivity: float
    baseline_prob: tuple[float, float, float, float]
    interim_prob: tuple[float, float, float, float]
    ypT: str
    ypN: str


def draw_pattern_patient(rng: np.random.Generator) -> PatternPatient:
    """Draw one patient: disease, regression and pathology."""
    disease, hollowness, factor = _draw_disease(rng)
    fresh = rng.standard_normal(3)
    pattern = PATTERN_FORETOLD * factor + np.sqrt(1.0 - PATTERN_FORETOLD**2) * fresh[0]
    node = NODE_PATTERN * pattern + np.sqrt(1.0 - NODE_PATTERN**2) * fresh[1]
    amount = fresh[2]
    interim_prob = interim_probabilities(disease, factor, pattern, amount, node)
    cell = CELLS[int(np.searchsorted(np.cumsum(interim_prob)[:-1], rng.random(), side="right"))]
    regression = _draw_regression(rng, pattern, amount)
    return PatternPatient(
        disease=disease,
        hollowness=hollowness,
        regression=regression,
        node_regression=_draw_node_regression(rng, node),
        pattern=float(pattern),
        amount=float(amount),
        node_sensitivity=float(node),
        baseline_prob=baseline_probabilities(disease, factor),
        interim_prob=interim_prob,
        ypT=_draw_ypT(rng, regression, complete=cell[0]),
        ypN=_draw_ypN(rng, disease, complete=cell[1]),
    )


def interim_probabilities(
    disease: Disease, factor: float, pattern: float, amount: float, node: float
) -> tuple[float, float, float, float]:
    """Probability of each outcome cell given everything that both visits can tell.

    Args:
        disease: Its receptor status and cN enter.
        factor: What baseline tells, standard normal in the population.
        pattern, amount, node: What the interim visit shows.

    Returns:
        In the order of :data:`pcrnet.cohort.outcome.CELLS`; they sum to 1.
    """
    known_tumour = (
        BASELINE_WEIGHT * factor
        + PATTERN_WEIGHT[disease.hr_positive] * pattern
        + AMOUNT_WEIGHT * amount
    )
    known_node = BASELINE_WEIGHT * factor + NODE_WEIGHT * node
    return _cells(disease.cN, (known_tumour, known_node), (0.0, 0.0, 0.0))


def baseline_probabilities(disease: Disease, factor: float) -> tuple[float, float, float, float]:
    """Probability of each outcome cell given all that the first visit can tell of the disease.

    ``factor`` is what baseline tells, standard normal in the population.
    """
    pattern_weight = PATTERN_WEIGHT[disease.hr_positive]
    foretold = PATTERN_FORETOLD * factor
    fresh = 1.0 - PATTERN_FORETOLD**2
    known_tumour = BASELINE_WEIGHT * factor + pattern_weight * foretold
    known_node = BASELINE_WEIGHT * factor + NODE_WEIGHT * NODE_PATTERN * foretold
    unseen = (
        pattern_weight**2 * fresh + AMOUNT_WEIGHT**2,
        NODE_WEIGHT**2 * (1.0 - (NODE_PATTERN * PATTERN_FORETOLD) ** 2),
        pattern_weight * NODE_WEIGHT * NODE_PATTERN * fresh,
    )
    return _cells(disease.cN, (known_tumour, known_node), unseen)


def _cells(
    cN: int, known: tuple[float, float], unseen: tuple[float, float, float]
) -> tuple[float, float, float, float]:
    """The cells, where ``unseen`` adds to the hidden variances and to their covariance."""
    tumour_variance = HIDDEN_VARIANCE + unseen[0]
    tumour = (TUMOUR_MEAN + known[0]) / np.sqrt(tumour_variance)
    if cN == 0:
        # No node is seen, so nothing is learnt of it: all of its liability stays hidden.
        node = CLINICALLY_NEGATIVE_MEAN
        correlation = HIDDEN_CORRELATION * np.sqrt(HIDDEN_VARIANCE / tumour_variance)
    else:
        node_variance = HIDDEN_VARIANCE + unseen[1]
        node = (NODE_MEAN - NODE_BURDEN * (cN - 1) + known[1]) / np.sqrt(node_variance)
        covariance = HIDDEN_CORRELATION * HIDDEN_VARIANCE + unseen[2]
        correlation = covariance / np.sqrt(tumour_variance * node_variance)
    both = bivariate_normal_cdf(float(tumour), float(node), float(correlation))
    only_tumour = max(float(ndtr(tumour)) - both, 0.0)
    only_node = max(float(ndtr(node)) - both, 0.0)
    return both, only_tumour, only_node, max(1.0 - both - only_tumour - only_node, 0.0)


def _draw_disease(rng: np.random.Generator) -> tuple[Disease, float, float]:
    """The disease, its hollowness, and the standardised factor by which it foretells response."""
    age = round(float(np.clip(rng.normal(_AGE_MEAN, _AGE_SPREAD), 25.0, 84.0)))
    hr_positive = bool(rng.random() < _POSITIVE_CHANCE)
    chances = np.array(_GRADE_CHANCES[hr_positive])
    grade = 1 + int(np.searchsorted(np.cumsum(chances)[:-1], rng.random(), side="right"))
    size, cellularity, rim, glycolysis, perfusion = rng.standard_normal(5)
    grades = np.arange(1, 4)
    grade_mean = float(chances @ grades)
    grade_spread = float(np.sqrt(chances @ (grades - grade_mean) ** 2))
    factor = (
        _YOUTH_WEIGHT * _standardised(age < _MENOPAUSE, _YOUNG_CHANCE)
        - _RECEPTOR_WEIGHT * _standardised(hr_positive, _POSITIVE_CHANCE)
        + _GRADE_WEIGHT * (grade - grade_mean) / grade_spread
        - _RIM_WEIGHT * rim
        - _SIZE_WEIGHT * size
        + _CELLULARITY_WEIGHT * cellularity
    )
    diameter_mm = float(np.clip(33.0 * np.exp(0.30 * size), 17.0, 62.0))
    disease = Disease(
        age=age,
        hr_positive=hr_positive,
        grade=grade,
        cT=_draw_cT(rng, diameter_mm),
        cN=_draw_cN(rng, diameter_mm),
        diameter_mm=diameter_mm,
        suv=float(np.clip(8.5 * np.exp(0.35 * glycolysis + 0.12 * (grade - 2)), 3.0, 24.0)),
        adc_1e3_mm2_s=float(np.clip(1.02 - 0.12 * cellularity, 0.65, 1.45)),
        ktrans_per_min=float(np.clip(0.22 * np.exp(0.35 * perfusion), 0.07, 0.7)),
        ve=float(np.clip(rng.normal(0.42, 0.06), 0.25, 0.6)),
        necrotic=bool(rim > 1.2 and diameter_mm > 30.0),
    )
    return disease, float(ndtr(rim)), float(factor)


def _standardised(holds: bool, chance: float) -> float:
    return float((holds - chance) / np.sqrt(chance * (1.0 - chance)))


def _draw_cT(rng: np.random.Generator, diameter_mm: float) -> int:
    if rng.random() < 0.06:
        return 4  # skin or chest wall involvement, at any size
    return 1 + int(np.searchsorted((20.0, 50.0), diameter_mm, side="left"))


def _draw_cN(rng: np.random.Generator, diameter_mm: float) -> int:
    if rng.random() > expit(0.35 + 0.03 * (diameter_mm - 34.0)):
        return 0
    return int(rng.choice((1, 2, 3), p=(0.70, 0.20, 0.10)))


def _draw_regression(rng: np.random.Generator, pattern: float, amount: float) -> Regression:
    """How the tumour regresses; every part follows its latent, blurred by its own biology."""
    blur = rng.standard_normal(7)
    volume = float(expit(-0.75 - 0.55 * (amount + 0.3 * blur[0])))
    scatter = float(ndtr(-1.35 * (pattern + 0.30 * blur[1])))
    inflammation = 1.25 * float(np.exp(0.12 * pattern + 0.25 * blur[2]))
    if rng.random() < _DIFFUSE_CHANCE and scatter < _DIFFUSE_BELOW:
        # The tumour is all but gone; what is hot is the inflammation of the whole bed.
        volume *= 0.12
        inflammation *= 1.6
    return Regression(
        volume=volume,
        suv=float(np.clip(np.exp(-0.50 - 0.28 * (amount + 0.4 * blur[3])), 0.15, 1.3)),
        adc=float(np.clip(1.22 + 0.10 * (0.6 * amount + 0.2 * pattern + 0.7 * blur[4]), 0.9, 1.8)),
        ktrans=float(np.clip(np.exp(-0.35 - 0.20 * amount + 0.25 * blur[5]), 0.2, 1.4)),
        scatter=scatter,
        shallowness=float(ndtr(-0.85 * pattern + 0.65 * blur[6])),
        inflammation=float(np.clip(inflammation, 0.7, 3.5)),
    )


def _draw_node_regression(rng: np.random.Generator, sensitivity: float) -> NodeRegression:
    volume, suv = sensitivity + 0.35 * rng.standard_normal(2)
    return NodeRegression(
        volume=float(expit(0.1 - 1.1 * volume)),
        suv=float(np.clip(np.exp(-0.50 - 0.45 * suv), 0.12, 1.3)),
    )


def _draw_ypT(rng: np.random.Generator, regression: Regression, *, complete: bool) -> str:
    if complete:
        return "0"
    if rng.random() < 0.16:
        return "is"
    return str(rng.choice(("1", "1", "2") if regression.scatter > 0.5 else ("1", "2", "3")))


def _draw_ypN(rng: np.random.Generator, disease: Disease, *, complete: bool) -> str:
    if complete:
        return "0"
    return str(rng.choice(("1mi", "1") if disease.cN <= 1 else ("1", "2")))
