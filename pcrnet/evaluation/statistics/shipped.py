"""Intervals for the model that ships, beside those for the models that were judged.

An interval of a judged model asks what its fixed fit, calibrator and threshold would do to other
patients. The model that ships is another fit, with another calibrator and threshold; how far the
claim may be from what *it* does to other patients has more parts:

- The claim rests on the patients twice. What patient j teaches the fit that predicts i mirrors
  what i teaches the fit that predicts j, so that the noise which fits take from their samples
  counts double: the variance of an estimate grows by the share ν of the scores' variance that is
  noise of the sample (a degenerate U-statistic; exact for a linear score without signal).
- Fits differ by their seeds. The variance ω between fits of what each would do enters with
  1 + 1/K, K fits being judged and one shipped. Pair fits differ by their samples, too; that part
  is taken out, since the single fits' samples are together that of the fit on everybody: for fits
  that are linear in their folds, the mean of the single fits is the fit that ships. Rates are
  compared by outcomes that the fits have not seen: chances that a fit tells would be noisy
  themselves, and hide what others differ in. ω is told by few fits, so Student's t stands for the
  normal where ω is much of the whole.
- The threshold. Over- or undershot by chance, it moves what ships, and the judged models hardly
  tell, having other thresholds. But the shipped threshold is known: what it does to the very
  patients on whom it was chosen, less what such a choice flatters itself by, follows it. That
  optimism is measured where it can be: the same pair fits' predictions of the same patients, under
  the decision that was fitted on them and under the decision that never saw their fold, differ
  by nothing else. It falls as 1/n, so that K folds have (K − 1)/K of what K − 1 have.
- Slope and level of what ships are claimed alike, the level without optimism: where it flatters
  itself it is 0, and as likely too high as too low.

Everything is given K and the size of the cohort; nothing is said of another cohort's patients.
``benchmarks/shipping.py`` measures how often these intervals cover.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from scipy.special import stdtrit

from pcrnet.evaluation.statistics.confusion import Confusion
from pcrnet.evaluation.statistics.intervals import Estimate, logit_wald_interval, normal_quantile

SHIPPED_METRICS = (
    "auc",
    "average_precision",
    "sensitivity",
    "specificity",
    "calibration_slope",
    "calibration_in_the_large",
)
"""Of which an interval for the shipped model is known."""

_Z = normal_quantile(0.95)
_OF_NO_MOMENT = 1e-4
"""A share of the variance that leaves Student's t with so many degrees that it is normal."""
_FEWEST_DEGREES = 3.0
"""Of freedom: with fewer an interval would say nothing but that little is known."""


@dataclass(frozen=True)
class ShippedHead:
    """What training tells of the shipped model's claim on one outcome.

    Attributes:
        noise_share: ν, the share of the scores' variance that is noise of the sample.
        between_fits: ω, the variance by seeds of what each fit would do, by metric.
        between_seen: ω before the noise of patients was taken out of it, which tells how well it
            is known; where it is not told, ω is taken to be known.
        apparent: Sensitivity, specificity, calibration slope (with its standard error) and
            calibration in the large of the shipped decision in the patients on whom it was fitted.
        optimism: By how much these flatter themselves in such patients.
        instability: How much one patient's risk changes with the fit: the standard deviation over
            fits on other parts of the cohort, its ``median`` and ``ninetieth`` percentile over the
            patients, and ``changed``, the share of patients whom such fits call differently.
    """

    noise_share: float
    between_fits: Mapping[str, float]
    apparent: Mapping[str, float]
    optimism: Mapping[str, float]
    instability: Mapping[str, float] = field(default_factory=dict)
    between_seen: Mapping[str, float] = field(default_factory=dict)


def shipped_metrics(
    metrics: Mapping[str, Estimate], table: Confusion | None, shipped: ShippedHead, folds: int
) -> dict[str, Estimate]:
    """Value and 95 % interval for what ships, of the :data:`SHIPPED_METRICS` in ``metrics``.

    Args:
        metrics: Of the judged models, each with its interval.
        table: The judged models' 2×2 table, or None without thresholds.
        shipped: What training tells.
        folds: K.
    """
    return {
        name: _of(name, metrics[name], table, shipped, folds)
        for name in SHIPPED_METRICS
        if name in metrics
    }


def _of(
    name: str, judged: Estimate, table: Confusion | None, shipped: ShippedHead, folds: int
) -> Estimate:
    method = "for what ships: variance of refits, seeds and threshold added"
    if judged.value is None or judged.low is None or judged.high is None:
        return replace(judged, method=method)
    between = shipped.between_fits.get(name, 0.0) * (1 + 1 / folds)
    seen = shipped.between_seen.get(name, 0.0) * (1 + 1 / folds)
    doubled = 1 + shipped.noise_share
    if name in ("sensitivity", "specificity"):
        n = 0 if table is None else table.positives if name == "sensitivity" else table.negatives
        if name not in shipped.apparent or not n:
            return replace(judged, low=None, high=None, method=method, reason=_NOT_TOLD)
        apparent = shipped.apparent[name]
        value = min(max(apparent - shipped.optimism[name], 0.0), 1.0)
        low, high = _share_interval(value, n, doubled, between, seen, folds)
        if apparent in (0.0, 1.0):
            # All patients are called alike, and so may all others be, however a choice flatters.
            low, high = min(low, apparent), max(high, apparent)
        return Estimate(value, low, high, judged.n, method)
    own = ((judged.high - judged.low) / (2 * _Z)) ** 2
    if name in ("auc", "average_precision"):
        if not 0.0 < judged.value < 1.0:
            return replace(judged, method=method)
        variance = own * doubled + between
        wider = _quantile(variance, between, seen, folds) / _Z
        low, high = logit_wald_interval(judged.value, wider * math.sqrt(variance))
        return replace(judged, low=low, high=high, method=method)
    value = judged.value
    if name in shipped.apparent and name in shipped.optimism:
        value = shipped.apparent[name] - shipped.optimism[name]
    # The level is the calibrator's last act: nothing doubles.
    if name == "calibration_slope":
        own = max(own, shipped.apparent.get("calibration_slope_error", 0.0) ** 2) * doubled
    variance = own + between
    half = _quantile(variance, between, seen, folds) * math.sqrt(variance)
    return replace(judged, value=value, low=value - half, high=value + half, method=method)


_NOT_TOLD = "training did not tell what the shipped threshold does"


def _quantile(variance: float, between: float, seen: float, folds: int) -> float:
    """Student's t where the variance between fits, told by few of them, is much of the whole.

    Welch and Satterthwaite's degrees of freedom. The variance between fits is a mean over K folds
    of that of K − 1 fits, each of which serves two folds: for fits that are drawn alone and alike
    it has 1/(1/M + 1/(K(K − 1)(K − 2))) degrees, M = K(K − 1)/2; 8.6 for five folds. What the
    patients of a fold add to it, ``seen`` less ``between``, is drawn anew in every fold, and so
    are its products with what fits differ in: K(K − 2) degrees. Where there is little else this
    errs on the wide side, since ω is not below 0.
    """
    if not seen > 0.0 or not variance > 0.0 or folds < 3:
        return _Z
    fits = folds * (folds - 1) / 2
    of_fits = 1 / (1 / fits + 1 / (folds * (folds - 1) * (folds - 2)))
    share, of_patients = between / variance, max(seen - between, 0.0) / variance
    if max(share, of_patients) < _OF_NO_MOMENT:
        return _Z
    unsure = share * share / of_fits
    unsure += (2 * share + of_patients) * of_patients / (folds * (folds - 2))
    return float(stdtrit(max(1 / unsure, _FEWEST_DEGREES), 0.975))


def _share_interval(
    share: float, n: int, doubled: float, between: float, seen: float, folds: int
) -> tuple[float, float]:
    """Wilson's interval of as many patients as would give a share this variance."""
    # Inside by half a patient, so that no patient on one side does not mean no variance.
    inside = min(max(share, 0.5 / n), 1 - 0.5 / n)
    binomial = inside * (1 - inside)
    variance = binomial / n * doubled + between
    quantile = _quantile(variance, between, seen, folds)
    patients = binomial / variance
    square = quantile**2
    centre = (share + square / (2 * patients)) / (1 + square / patients)
    half = math.sqrt(share * (1 - share) / patients + square / (4 * patients**2))
    half *= quantile / (1 + square / patients)
    return max(centre - half, 0.0), min(centre + half, 1.0)
