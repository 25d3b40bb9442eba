"""The finished evaluation as plain records: what metrics.json holds and the report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pcrnet.cohort.outcome import Head
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.population.patients import TableOne
from pcrnet.evaluation.population.quantities import QuantityGroup
from pcrnet.evaluation.repeats import Spread
from pcrnet.evaluation.sources import Sources
from pcrnet.evaluation.statistics.comparison.auc_comparison import GlobalComparison
from pcrnet.evaluation.statistics.comparison.heterogeneity import Heterogeneity
from pcrnet.evaluation.statistics.comparison.paired import RateComparison
from pcrnet.evaluation.statistics.confusion import Confusion
from pcrnet.evaluation.statistics.curves import Curve
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.statistics.net_benefit import Consequences, DecisionCurve
from pcrnet.evaluation.statistics.power import DesignPower
from pcrnet.evaluation.trial.endpoints import EndpointResult, SampleSize
from pcrnet.evaluation.trial.opening_log import Opening
from pcrnet.evaluation.trial.protocol import Protocol, SecondaryEndpoint
from pcrnet.evaluation.validation import Validation

HEAD_LABELS: Mapping[Head, str] = {"yT0": "yT0", "yN0": "yN0", "yT0yN0": "yT0 yN0"}


READING_ORDER: tuple[Head, ...] = ("yT0yN0", "yT0", "yN0")
"""The primary outcome first."""


@dataclass(frozen=True)
class PredictiveValues:
    """PPV and NPV where complete response is as common as ``prevalence``."""

    prevalence: float
    ppv: Estimate
    npv: Estimate


@dataclass(frozen=True)
class HeadResult:
    """Everything about one outcome; what could not be computed is None or an empty collection."""

    head: Head
    n: int
    """Patients in whom the outcome is known."""
    responders: int
    metrics: Mapping[str, Estimate]
    """Averaged over the repeats; everything below ``spread`` is of the first."""
    uncalibrated: Mapping[str, Estimate] = field(default_factory=dict)
    shipped: Mapping[str, Estimate] = field(default_factory=dict)
    """What is claimed for the model that ships; empty where training tells nothing of it."""
    spread: Mapping[str, Spread] = field(default_factory=dict)
    """Of every metric over the repeats; empty where there is one."""
    table: Confusion | None = None
    predictive_values: tuple[PredictiveValues, ...] = ()
    fold_aucs: tuple[float, ...] = ()
    roc: Curve | None = None
    precision_recall: Curve | None = None
    calibration: Curve | None = None
    """Observed share of response over the predicted probability."""
    calibration_before: Curve | None = None
    decision: DecisionCurve | None = None
    consequences: Consequences | None = None

    @property
    def label(self) -> str:
        """Name for reading."""
        return HEAD_LABELS[self.head]


@dataclass(frozen=True)
class SubgroupResult:
    """One outcome in one subgroup."""

    covariate: str
    level: str
    first: bool
    """Whether it opens the list of its covariate."""
    n: int
    responders: int
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class ComparedHead:
    """One outcome predicted another way, against the main prediction in the same patients."""

    auc: Estimate
    difference: Estimate
    """AUC of the main prediction less this one."""
    p: float | None
    """Two-sided, paired DeLong."""
    scores: Mapping[str, Estimate]
    """``log_loss`` (nats), ``brier`` and ``brier_skill`` of the main prediction less this one's."""
    net_benefit: tuple[Estimate, ...]
    """Of the main prediction less this one's, at each threshold of ``READ_OFF``."""
    rates: Mapping[str, RateComparison] = field(default_factory=dict)
    """Sensitivity and specificity of the main prediction less this one's, each at its own locked
    threshold; empty where one of them has none."""


@dataclass(frozen=True)
class Comparison:
    """Another prediction of the same patients: with scans dropped, or by a simpler model."""

    kind: str
    """``ablations`` or ``baselines``."""
    name: str
    heads: Mapping[Head, ComparedHead]


@dataclass(frozen=True)
class DesignTables:
    """Power and sample size of one co-primary endpoint."""

    title: str
    powers: tuple[DesignPower, ...]
    sizes: tuple[SampleSize, ...]


@dataclass(frozen=True)
class SecondaryResult:
    """A secondary endpoint: its metrics, or why there are none."""

    endpoint: SecondaryEndpoint
    metrics: Mapping[str, Estimate]
    reason: str = ""


@dataclass(frozen=True)
class Confirmation:
    """The confirmatory analysis by the protocol."""

    protocol: Protocol
    results: tuple[EndpointResult, ...]
    secondary: tuple[SecondaryResult, ...]
    designs: tuple[DesignTables, ...]
    openings: tuple[Opening, ...] | None
    """None where the protocol locks no test set."""
    remarks: tuple[str, ...] = ()
    """What a reader must know before believing a verdict: other patients than planned, say."""

    def analysis_title(self, name: str) -> str:
        """The timepoints of an analysis, for reading."""
        return " + ".join(self.protocol.analyses[name].timepoints)


@dataclass(frozen=True)
class FailureCase:
    """A patient whose prediction was wrong: ``prob`` and ``threshold`` are probabilities."""

    patient_id: str
    prob: float
    threshold: float
    responder: bool

    @property
    def distance(self) -> float:
        """How far the probability lies on the wrong side of the threshold."""
        return abs(self.prob - self.threshold)


@dataclass(frozen=True)
class Analysis:
    """One report's worth of results."""

    sources: Sources
    config: EvaluationConfig
    heads: tuple[HeadResult, ...]
    """In reading order; at least one."""
    conditional: Mapping[str, Estimate]
    """yT0yN0 given yT0, among patients with yT0."""
    subgroups: Mapping[Head, tuple[SubgroupResult, ...]]
    comparisons: tuple[Comparison, ...]
    together: Mapping[str, Mapping[Head, GlobalComparison]]
    """Kind of comparison to the test that all its AUCs and the main one are the same."""
    table_one: TableOne | None
    failures: tuple[FailureCase, ...]
    confirmation: Confirmation | None
    rivals: Mapping[str, Mapping[Head, Mapping[str, Estimate]]] = field(default_factory=dict)
    """Every metric of the other models that were judged on the same folds, by the kind of model."""
    quantities: tuple[QuantityGroup, ...] = ()
    sites: Heterogeneity | None = None
    """Of the main outcome's AUC over sites; None with fewer than three."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """What the investigators answer to items of guidelines, by ``GUIDELINE NUMBER``."""
    validation: Validation | None = None
    """None of a cross-validation."""

    @property
    def main(self) -> HeadResult:
        """The head that the report opens with: yT0yN0 where it was predicted."""
        return self.heads[0]

    @property
    def repeats(self) -> int:
        """How often the patients were predicted, each time with other folds."""
        return 1 + len(self.sources.repeats)

    @property
    def folds(self) -> int | None:
        """Number of outer folds; None for one external test set."""
        fold = self.sources.predictions.fold
        return None if fold is None else len(set(fold.tolist()))

    def thresholds(self, head: Head) -> int:
        """How many different thresholds judge the patients whose outcome is known."""
        predictions = self.sources.predictions
        if head not in predictions.threshold:
            return 0
        known = ~np.isnan(predictions.label[head]) & ~np.isnan(predictions.threshold[head])
        return len(np.unique(predictions.threshold[head][known]))

    @property
    def thresholds_differ(self) -> bool:
        """Whether one external test set is judged by more than one threshold an outcome."""
        return self.folds is None and any(self.thresholds(each.head) > 1 for each in self.heads)
