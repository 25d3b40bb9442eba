"""The tables of the report: rows of estimates, a column or more for each outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pcrnet.evaluation.population.patients import readable
from pcrnet.evaluation.repeats import Spread
from pcrnet.evaluation.results import Analysis, ComparedHead, HeadResult, PredictiveValues
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.net_benefit import READ_OFF
from pcrnet.evaluation.statistics.shipped import SHIPPED_METRICS

METRIC_GROUPS: dict[str, dict[str, str]] = {
    "Discrimination": {
        "auc": "AUC",
        "auc_fold_mean": "AUC, mean of the folds",
        "average_precision": "average precision",
    },
    "At the locked threshold": {
        "sensitivity": "sensitivity",
        "specificity": "specificity",
        "ppv": "positive predictive value",
        "npv": "negative predictive value",
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced accuracy",
    },
    "Calibration": {
        "calibration_slope": "slope (ideal 1)",
        "calibration_intercept": "intercept (ideal 0)",
        "calibration_in_the_large": "in the large (ideal 0)",
        "ici": "distance of the smooth curve: mean (ICI)",
        "e50": "its median (E50)",
        "e90": "its 90 % quantile (E90)",
        "smooth_ece": "smooth calibration error",
        "smooth_ece_null": "the same, were calibration perfect",
        "spiegelhalter_z": "Spiegelhalter’s z (ideal 0)",
        "spiegelhalter_p": "p of perfect calibration",
    },
    "Whole prediction": {
        "brier": "Brier score",
        "brier_skill": "Brier skill against the response rate",
        "log_loss": "log loss",
        "prevalence": "response rate",
    },
    "For comparison with other work": {
        "brier_miscalibration": "Brier score: miscalibration",
        "brier_discrimination": "Brier score: discrimination",
        "brier_uncertainty": "Brier score: uncertainty",
        "binned_ece": "binned calibration error (biased)",
    },
}
"""Name in metrics.json to name on the page, by subject."""

_P = frozenset({"spiegelhalter_p"})

_COMPARISON_TITLES = {
    "ablations": "With scans withheld",
    "baselines": "Simpler models",
}


@dataclass(frozen=True)
class MetricRow:
    """One measure, an estimate for each head."""

    label: str
    estimates: tuple[Estimate, ...]
    method: str = ""
    reason: str = ""
    """Why no estimate of the row has an interval, where it is the same for all."""
    spreads: tuple[Spread | None, ...] = ()
    """Over the repeats, one for each estimate."""

    is_p: bool = False
    """Whether the measure is a p-value, which is never shown as 0."""

    @property
    def cells(self) -> list[tuple[Estimate, Spread | None]]:
        """Each estimate with its spread."""
        return list(zip(self.estimates, self.spreads or [None] * len(self.estimates), strict=True))


@dataclass(frozen=True)
class MetricGroup:
    """Measures that belong together."""

    title: str
    rows: tuple[MetricRow, ...]


def metric_groups(heads: Sequence[HeadResult]) -> list[MetricGroup]:
    """Every measure of metrics.json by subject; what no group names comes last."""
    shown = list(METRIC_GROUPS.items())
    named = {name for _, names in shown for name in names}
    rest = [name for head in heads for name in head.metrics if name not in named]
    shown.append(
        ("Further measures", {name: name.replace("_", " ") for name in dict.fromkeys(rest)})
    )
    groups = (
        MetricGroup(
            title,
            tuple(
                _metric_row(heads, name, label)
                for name, label in names.items()
                if any(name in head.metrics for head in heads)
            ),
        )
        for title, names in shown
    )
    return [group for group in groups if group.rows]


SHORT = (
    "auc",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "calibration_slope",
    "calibration_in_the_large",
    "ici",
    "brier",
    "brier_skill",
)
"""What a reader needs first; everything else is folded away."""


def short_rows(heads: Sequence[HeadResult]) -> list[MetricRow]:
    """The measures that stand in front."""
    labels = {name: label for names in METRIC_GROUPS.values() for name, label in names.items()}
    labels |= {
        "calibration_slope": "calibration slope (ideal 1)",
        "calibration_in_the_large": "calibration in the large (ideal 0)",
        "ici": "distance from calibration (ICI)",
    }
    return [
        _metric_row(heads, name, labels[name])
        for name in SHORT
        if any(name in head.metrics for head in heads)
    ]


def _metric_row(heads: Sequence[HeadResult], name: str, label: str) -> MetricRow:
    missing = Estimate.undefined("not computed", n=0, method="")
    estimates = tuple(head.metrics.get(name, missing) for head in heads)
    method = next((estimate.method for estimate in estimates if estimate.method), "")
    spreads = tuple(head.spread.get(name) for head in heads)
    return MetricRow(label, estimates, method, _common_reason(estimates), spreads, name in _P)


def _common_reason(estimates: Sequence[Estimate]) -> str:
    reasons = {estimate.reason if estimate.low is None else None for estimate in estimates}
    (reason,) = reasons if len(reasons) == 1 else (None,)
    return reason or ""


def recalibration_rows(heads: Sequence[HeadResult]) -> list[MetricRow]:
    """Measures of calibration before and after, two estimates for each head."""
    if not all(head.uncalibrated for head in heads):
        return []
    names = METRIC_GROUPS["Calibration"] | {"brier": "Brier score", "auc": "AUC"}
    rows = []
    for name, label in names.items():
        if all(name in head.uncalibrated and name in head.metrics for head in heads):
            pairs = ((head.uncalibrated[name], head.metrics[name]) for head in heads)
            estimates = tuple(estimate for pair in pairs for estimate in pair)
            reason = _common_reason(estimates)
            rows.append(MetricRow(label, estimates, reason=reason, is_p=name in _P))
    return rows


def shipped_rows(heads: Sequence[HeadResult]) -> list[MetricRow]:
    """What is claimed for the judged models and for what ships, two estimates for each head."""
    if not all(head.shipped for head in heads):
        return []
    labels = {name: label for names in METRIC_GROUPS.values() for name, label in names.items()}
    labels["calibration_slope"] = "calibration slope (ideal 1)"
    labels["calibration_in_the_large"] = "calibration in the large (ideal 0)"
    return [
        MetricRow(
            labels[name],
            tuple(
                estimate for head in heads for estimate in (head.metrics[name], head.shipped[name])
            ),
        )
        for name in SHIPPED_METRICS
        if all(name in head.shipped for head in heads)
    ]


def predictive_value_rows(heads: Sequence[HeadResult]) -> list[tuple[PredictiveValues, ...]]:
    """Predictive values at each response rate, side by side for the heads that have them."""
    return list(
        zip(*(head.predictive_values for head in heads if head.predictive_values), strict=True)
    )


@dataclass(frozen=True)
class NetBenefitRow:
    """Net operations avoided per 100 patients at one threshold: value, low, high for each head."""

    threshold: float
    odds: float
    values: tuple[tuple[float, float, float], ...]


def net_benefit_rows(heads: Sequence[HeadResult]) -> list[NetBenefitRow]:
    """The decision curves read off at a few thresholds."""
    curves = [head.decision for head in heads if head.decision is not None]
    rows = []
    for threshold in READ_OFF.tolist() if curves else ():
        at = int(abs(curves[0].thresholds - threshold).argmin())
        values = tuple(
            (100 * float(c.model[at]), 100 * float(c.low[at]), 100 * float(c.high[at]))
            for c in curves
        )
        rows.append(NetBenefitRow(threshold, threshold / (1 - threshold), values))
    return rows


@dataclass(frozen=True)
class ComparisonRow:
    """Another prediction; ``group`` heads the first of its kind."""

    group: str
    label: str
    cells: tuple[ComparedHead | None, ...]


def comparison_rows(analysis: Analysis) -> list[ComparisonRow]:
    """Ablations, then baselines, against the main prediction."""
    rows: list[ComparisonRow] = []
    seen: set[str] = set()
    for comparison in analysis.comparisons:
        title = "" if comparison.kind in seen else _COMPARISON_TITLES[comparison.kind]
        seen.add(comparison.kind)
        cells = tuple(comparison.heads.get(head.head) for head in analysis.heads)
        rows.append(ComparisonRow(title, readable(comparison.name), cells))
    return rows


def rate_rows(analysis: Analysis) -> list[ComparisonRow]:
    """The same rows where sensitivity and specificity could be compared; none where nowhere."""
    rows = comparison_rows(analysis)
    return rows if any(cell and cell.rates for row in rows for cell in row.cells) else []


def score_rows(analysis: Analysis) -> list[ComparisonRow]:
    """The same rows where a proper score could be compared; none where nowhere."""
    rows = comparison_rows(analysis)
    found = (cell.scores.values() for row in rows for cell in row.cells if cell)
    return rows if any(e.value is not None for scores in found for e in scores) else []


@dataclass(frozen=True)
class NetBenefitDifference:
    """Another prediction at one threshold; net operations avoided per 100, by which the main one
    is ahead, for each head."""

    name: str
    """Empty but in the first row of a prediction."""
    threshold: float
    differences: tuple[Estimate | None, ...]


def net_benefit_differences(analysis: Analysis) -> list[NetBenefitDifference]:
    """The decision curves of the other models less that of the main prediction, read off."""
    rows = []
    for comparison in analysis.comparisons:
        if comparison.kind != "baselines":
            continue
        for at, threshold in enumerate(READ_OFF.tolist()):
            found = [comparison.heads.get(head.head) for head in analysis.heads]
            differences = tuple(
                _per_hundred(cell.net_benefit[at]) if cell else None for cell in found
            )
            name = "" if at else readable(comparison.name)
            rows.append(NetBenefitDifference(name, threshold, differences))
    return rows


def _per_hundred(share: Estimate) -> Estimate:
    def scaled(value: float | None) -> float | None:
        return None if value is None else 100 * value

    return replace(share, value=scaled(share.value), low=scaled(share.low), high=scaled(share.high))
