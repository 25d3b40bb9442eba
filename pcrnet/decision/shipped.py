"""What the fits tell of the model that ships, beyond the predictions that are judged.

The terms are those of :mod:`pcrnet.evaluation.statistics.shipped`. Outcomes enter twice: what a
decision does to the patients it was fitted on, and what it does to the fold that it has not seen.
How fits differ in their rates is asked of outcomes that they have not seen; how they differ
otherwise of the predictions alone, as if each patient responded with the probability that the
shipped calibrator gives.

Shapes: n patients, K folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pcrnet.cohort.outcome import HEADS, Head
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.decision.between_fits import (
    INSIDE,
    called_rightly,
    expected_metrics,
    inside,
    levels,
    scores_of,
)
from pcrnet.decision.calibrators import head_probabilities, joint_cells
from pcrnet.decision.nested import (
    FittedDecision,
    OutOfFold,
    head_labels,
    inner_logits,
    left_out_logits,
    unseen_logits,
)
from pcrnet.decision.training_size import noise_shares, pair_key
from pcrnet.evaluation.statistics.array_types import FloatArray
from pcrnet.evaluation.statistics.calibration.reliability import (
    calibration_in_the_large,
    calibration_line,
)
from pcrnet.evaluation.statistics.confusion import confusion, sensitivity, specificity
from pcrnet.evaluation.statistics.intervals import Estimate, normal_quantile
from pcrnet.evaluation.statistics.shipped import ShippedHead

_RATES = {"sensitivity": sensitivity, "specificity": specificity}
_LEAST_RELIABLE = 0.2
"""Share of a score's variance that is taken for signal at least."""


def describe_shipped(
    fold: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    logits: Mapping[tuple[int, ...], FloatArray],
    config: EvaluationConfig,
    judged: OutOfFold,
    final: FittedDecision,
) -> dict[Head, ShippedHead]:
    """What is known of the shipped model, by head; nothing in ``crossfit``, which has no pair fits.

    Args:
        fold: (n,) fold of each patient.
        allowed: (n, 4) outcome cells that agree with what is known.
        logits: Folds left out by a fit to its logits (n, 3), NaN where it saw the patient.
        config: Calibration, operating point and mode.
        judged: The nested estimate.
        final: The decision that ships.
    """
    if config.mode != "nested":
        return {}
    seen = see_fits(fold, allowed, logits, config, judged, final)
    return {
        head: describe_head(
            seen[head],
            [decision.thresholds[head] for decision in judged.decisions],
            final.thresholds[head],
        )
        for head in HEADS
    }


@dataclass(frozen=True)
class Noise:
    """Shares ``of_sample``, ``of_seeds`` and ``differences`` of noise, as in ``NoiseShares``."""

    of_sample: float
    of_seeds: float
    differences: float


_UNTOLD = Noise(of_sample=1.0, of_seeds=0.0, differences=1.0)
"""Where the fits do not tell, all of a score may be noise, and all difference that of seeds."""


@dataclass(frozen=True, eq=False)
class SeenFits:
    """What the fits say of one outcome, whatever the thresholds.

    Attributes:
        fold: (n,) fold of each patient.
        label: (n,) 1, 0 or NaN.
        shown: Folds left out to probabilities (n,) under the shipped calibrator.
        own: (n,) probabilities on which the shipped threshold is chosen.
        noise: Of what they say, how much is noise.
        exchange: What decisions make of patients whom they were fitted on, and of others.
    """

    fold: NDArray[np.int64]
    label: FloatArray
    shown: Mapping[tuple[int, ...], FloatArray]
    own: FloatArray
    noise: Noise
    exchange: Exchange


def see_fits(
    fold: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    logits: Mapping[tuple[int, ...], FloatArray],
    config: EvaluationConfig,
    judged: OutOfFold,
    final: FittedDecision,
) -> dict[Head, SeenFits]:
    """By head, for the arguments of :func:`describe_shipped`, such as ``fold`` (n,).

    No threshold of theirs is used.
    """
    left_out = [key for key in logits if key]
    scores = {key: _probabilities(logits[key]) for key in left_out}
    shown = {
        key: head_probabilities(final.calibrator.cells(np.nan_to_num(logits[key])))
        for key in left_out
    }
    own = head_probabilities(final.calibrator.cells(left_out_logits(fold, logits, config)))
    seen, unseen = [], []
    for outer, decision in enumerate(judged.decisions):
        decide = decision.calibrator.cells
        inner = np.full((len(fold), 3), np.nan)
        inner[fold != outer] = inner_logits(fold, logits, outer, config)
        others = unseen_logits(fold, logits, outer, config)
        seen.append({i: head_probabilities(decide(inner[fold == i])) for i in others})
        unseen.append({i: head_probabilities(decide(values)) for i, values in others.items()})
    found = {}
    for head in HEADS:
        shares = noise_shares(
            {key: scores_of(scores[key][head])[:, None] for key in left_out}, fold
        )
        found[head] = SeenFits(
            fold=fold,
            label=head_labels(allowed, head),
            shown={key: shown[key][head] for key in left_out},
            own=own[head],
            noise=_UNTOLD
            if shares is None
            else Noise(*(float(getattr(shares, part.name)[0]) for part in fields(shares))),
            exchange=Exchange(
                seen=[{i: prob[head] for i, prob in each.items()} for each in seen],
                unseen=[{i: prob[head] for i, prob in each.items()} for each in unseen],
            ),
        )
    return found


@dataclass(frozen=True, eq=False)
class Exchange:
    """What pair fits say of patients whom a decision was fitted on, and of some it never saw.

    Both hold the same logits: those of the fit without i and j, of the patients of j. The decision
    of i was fitted on them; that of j knows nothing of j. So the two differ by what a decision
    flatters itself by, and neither by the fits nor by the patients.

    Attributes:
        seen: For each fold i what its decision makes of the others: j to probabilities (n_j,).
        unseen: For each fold i what its decision makes of i: the other fold that the fit left out
            to probabilities (n_i,).
    """

    seen: Sequence[Mapping[int, FloatArray]]
    unseen: Sequence[Mapping[int, FloatArray]]

    def pooled(
        self, fold: NDArray[np.int64], label: FloatArray, thresholds: Sequence[float | None]
    ) -> tuple[tuple[FloatArray, FloatArray, FloatArray], ...]:
        """Probabilities, labels and thresholds, each (m,), of the seen, then the unseen.

        m is n(K − 1): every patient once for each other fold.
        """
        cuts = [np.nan if cut is None else cut for cut in thresholds]
        pairs = [(i, j) for i, of_others in enumerate(self.seen) for j in of_others]
        return tuple(
            (
                np.concatenate([of[i][j] for i, j in pairs]),
                np.concatenate([label[fold == (j if of is self.seen else i)] for i, j in pairs]),
                np.concatenate([np.full(len(of[i][j]), cuts[i]) for i, j in pairs]),
            )
            for of in (self.seen, self.unseen)
        )

    def strengths(self, fold: NDArray[np.int64], label: FloatArray) -> tuple[float | None, ...]:
        """Slope of outcomes (n,) on scores in units of their spread, of the seen, then the unseen.

        The spread is that of each decision's own scores: decisions are more and less bold by
        chance, and the slope over all of them would be drawn down by their being unlike.
        """
        scales = []
        for of_others in self.seen:
            score = scores_of(np.concatenate(list(of_others.values())))
            scales.append((float(score.mean()), float(score.std())))
        found = []
        for of, whose in ((self.seen, 1), (self.unseen, 0)):
            pairs = [(i, j) for i, of_others in enumerate(of) for j in of_others]
            scores = [
                (scores_of(of[i][j]) - scales[i][0]) / max(scales[i][1], INSIDE) for i, j in pairs
            ]
            outcome = np.concatenate([label[fold == pair[whose]] for pair in pairs])
            found.append(_line(expit(np.concatenate(scores)), outcome).value)
        return tuple(found)


def describe_head(
    fits: SeenFits, thresholds: Sequence[float | None], threshold: float | None
) -> ShippedHead:
    """One outcome, with the K judged ``thresholds`` and the shipped ``threshold``, in [0, 1]."""
    fold, label, own = fits.fold, fits.label, fits.own
    known = np.isfinite(label)
    folds = int(fold.max()) + 1
    # Chances are told by one fit, whose noise hides part of what two others differ in.
    reliable = max(1 - fits.noise.of_sample - fits.noise.of_seeds, _LEAST_RELIABLE)
    cut = np.nan if threshold is None else threshold
    seen = {
        name: value / reliable for name, value in expected_metrics(fold, fits.shown, own).items()
    }
    between = dict(seen)
    apparent, optimism = {}, {}
    pooled = fits.exchange.pooled(fold, label, thresholds)
    # A decision on K folds has K/(K − 1) as many patients to suit as one on K − 1 of them.
    fewer = 1 - 1 / folds
    # Where all patients have one probability, all are called alike, here and elsewhere.
    alike = np.ptp(own[known]) < INSIDE
    spread = float(np.std(scores_of(own)))
    for name, rate in _RATES.items():
        between[name], seen[name] = called_rightly(
            fold, fits.shown, label, cut, spread, of_responders=name == "sensitivity"
        )
        tables = [confusion(own, label, cut), *(confusion(*each) for each in pooled)]
        rates = [rate(table).value for table in tables]
        if rates[0] is not None and rates[1] is not None and rates[2] is not None:
            apparent[name] = rates[0]
            optimism[name] = 0.0 if alike else (rates[1] - rates[2]) * fewer
    level = calibration_in_the_large(inside(own[known]), label[known]).value
    if level is not None:
        # Where it flatters itself it is 0, and as likely too high as too low.
        apparent["calibration_in_the_large"], optimism["calibration_in_the_large"] = level, 0.0
        between["calibration_in_the_large"], seen["calibration_in_the_large"] = levels(
            fold, fits.shown, own, known
        )
    line = _line(own, label)
    if line.value is not None and line.low is not None and line.high is not None:
        apparent["calibration_slope"] = line.value
        apparent["calibration_slope_error"] = (line.high - line.low) / (2 * normal_quantile(0.95))
        fitted, unseen = fits.exchange.strengths(fold, label)
        if fitted is not None and unseen is not None:
            optimism["calibration_slope"] = (fitted - unseen) * fewer / spread
    return ShippedHead(
        noise_share=fits.noise.of_sample,
        # What fits differ in by their samples is, on average, what the shipped fit differs in.
        between_fits={name: value * fits.noise.differences for name, value in between.items()},
        between_seen={name: value * fits.noise.differences for name, value in seen.items()},
        apparent=apparent,
        optimism=optimism,
        instability=_instability(fold, fits.shown, cut),
    )


def _line(prob: FloatArray, label: FloatArray) -> Estimate:
    known = np.isfinite(label)
    return calibration_line(inside(prob[known]), label[known])[0]


def _instability(
    fold: NDArray[np.int64], shown: Mapping[tuple[int, ...], FloatArray], threshold: float
) -> dict[str, float]:
    """How far the pair fits, none of which saw the patient, agree on each of the patients."""
    folds = range(int(fold.max()) + 1)
    spread, changed = np.zeros(len(fold)), np.zeros(len(fold), dtype=bool)
    for outer in folds:
        own = fold == outer
        risks = np.stack([shown[pair_key(outer, inner)][own] for inner in folds if inner != outer])
        spread[own] = risks.std(axis=0, ddof=1)
        called = risks > threshold
        changed[own] = called.any(axis=0) & ~called.all(axis=0)
    found = {
        "median": float(np.median(spread)),
        "ninetieth": float(np.quantile(spread, 0.9)),
    }
    return found if np.isnan(threshold) else found | {"changed": float(changed.mean())}


def _probabilities(logits: FloatArray) -> dict[Head, FloatArray]:
    return head_probabilities(joint_cells(np.nan_to_num(logits)))
