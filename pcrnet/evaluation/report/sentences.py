"""The sentences of the report that depend on its numbers; the rest stands in the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pcrnet.cohort.outcome import Head
from pcrnet.config.evaluation import (
    CalibrationConfig,
    NetBenefitRule,
    OperatingPointConfig,
    PrevalenceRule,
    YoudenRule,
)
from pcrnet.config.experiment import Experiment
from pcrnet.evaluation.population.patients import listed
from pcrnet.evaluation.report.caution_sentences import cautions
from pcrnet.evaluation.report.consequence_sentences import level_sentence, net_benefit_sentence
from pcrnet.evaluation.report.estimate_words import with_interval
from pcrnet.evaluation.report.refit_sentences import (
    coverage_sentence,
    instability_sentence,
    sites_sentence,
)
from pcrnet.evaluation.report.rival_sentences import rival_sentences
from pcrnet.evaluation.results import HEAD_LABELS, Analysis, HeadResult
from pcrnet.evaluation.statistics.intervals import Estimate

SURGERY: Mapping[Head, str] = {
    "yT0": "breast surgery",
    "yN0": "axillary surgery",
    "yT0yN0": "surgery",
}
"""What a complete response could spare."""
_ORGANS: Mapping[Head, str] = {
    "yT0": "the breast",
    "yN0": "the axillary nodes",
    "yT0yN0": "breast and nodes",
}


_SLOPE_AGREES = (0.8, 1.25)
_LEVEL_AGREES = (-0.2, 0.2)
"""Where the whole interval must lie for a sentence to say that calibration is as it should be; a
level of 0.2 on the logit scale moves a probability by 0.05 at most."""


_NOT_COMPUTED = Estimate.undefined("not computed", n=0, method="")


@dataclass(frozen=True)
class Verdict:
    """What became of a co-primary endpoint; ``kind`` is met, failed or open."""

    kind: str
    text: str


@dataclass(frozen=True)
class Words:
    """Sentences about one report's results."""

    title: str
    lead: str
    caution: str
    """Why the results are not to be believed as they stand; empty where there is no reason."""
    operating_point: str
    """What the locked threshold means for 100 patients; empty without one."""
    level: str
    """That probabilities are too high or too low as a whole; empty where they may be right."""
    verdicts: tuple[Verdict, ...]
    rivals: tuple[str, ...]
    """Whether the run's model is better than the other models of the run."""
    facts: tuple[tuple[str, str], ...]
    """Name and text of what was predicted, from what, in whom and how."""
    calibration: str
    coverage: str
    """How far the intervals for what ships can be trusted at this number of patients."""
    consequences: str
    """The same as ``operating_point``, with intervals."""
    net_benefit: str
    """Where acting on the predictions is better or worse than operating on all."""
    instability: str
    """How much one patient's risk changes over refits; empty where that is not known."""
    sites: str
    """How far the AUC differs over sites; empty with fewer than three."""
    conditional: str
    together: str
    """Whether the AUCs of all variants of a kind differ at all; empty where that was not tested."""


def write_words(analysis: Analysis) -> Words:
    """Put the results into sentences."""
    main = analysis.main
    return Words(
        title=f"Complete response of {_ORGANS[main.head]}: how well it was predicted",
        lead=_lead(analysis),
        caution=" ".join(cautions(analysis)),
        operating_point=_operating_point(main),
        level=level_sentence(main),
        verdicts=_verdicts(analysis),
        rivals=rival_sentences(analysis),
        facts=_facts(analysis),
        calibration=_calibration(main),
        coverage=coverage_sentence(main),
        consequences=_consequences(main),
        net_benefit=net_benefit_sentence(main),
        instability=instability_sentence(analysis),
        sites=sites_sentence(analysis),
        conditional=_conditional(analysis),
        together=_together(analysis),
    )


def meaning(head: Head, definition: str | None) -> str:
    """What the positive class of a head says, in plain words.

    Args:
        head: Which outcome.
        definition: Of complete response in the breast; None where it cannot be seen, and then it is
            not guessed whether carcinoma in situ may be left.
    """
    if definition is None:
        return {
            "yT0": "complete response in the breast, as the table defines it",
            "yN0": "no tumour left in the axillary nodes",
            "yT0yN0": "complete response in breast and nodes, as the table defines it",
        }[head]
    tumour = "tumour" if definition == "ypT0" else "invasive tumour"
    return {
        "yT0": f"no {tumour} left in the breast",
        "yN0": "no tumour left in the axillary nodes",
        "yT0yN0": f"no {tumour} left in the breast, none in the axillary nodes",
    }[head]


def _lead(analysis: Analysis) -> str:
    main, auc = analysis.main, analysis.main.metrics["auc"]
    if auc.value is None:
        return f"{main.label} could not be judged in {main.n} patients: {auc.reason}."
    source = _from_what(analysis.sources.experiment)
    return (
        f"In {main.n} patients, predictions {source}told {main.label} from residual tumour with an "
        f"AUC of {with_interval(auc)}."
    )


def _from_what(experiment: Experiment | None) -> str:
    if experiment is None:
        return ""
    branches = listed([branch.upper() for branch in experiment.data.branches])
    return f"from {branches} at {listed(experiment.data.timepoints)} "


def _operating_point(main: HeadResult) -> str:
    result = main.consequences
    if result is None:
        return ""
    rightly, missed, _, _ = result.icons
    return (
        f"Were {SURGERY[main.head]} spared to the patients called {main.label}, then of 100 "
        f"patients {rightly + missed} would be spared it, {rightly} of them rightly; "
        f"in {missed} residual tumour would be missed."
    )


def _verdicts(analysis: Analysis) -> tuple[Verdict, ...]:
    """Where there is more than one threshold a verdict holds for those alone, and says so."""
    confirmation, folds = analysis.confirmation, analysis.folds
    if confirmation is None:
        return ()
    kinds = {"met": "met", "not met": "failed"}
    verdicts = []
    for result in confirmation.results:
        limits = "; ".join(
            f"{test.measure} {test.successes} of {test.n}, lower limit {test.lower:.3f} "
            f"against {test.null:.2f}"
            for test in result.tests
        )
        name = HEAD_LABELS[result.endpoint.head]
        timepoints = confirmation.analysis_title(result.endpoint.analysis)
        text = f"Co-primary endpoint {name}, {timepoints}: {result.status}"
        if folds and result.status in kinds:
            text += f" by the {folds} thresholds and fits as they are, in cross-validation"
        elif analysis.thresholds_differ and result.status in kinds:
            text += " by thresholds that differ between patients, for which no level is claimed"
        text += f" ({result.reason or limits})."
        verdicts.append(Verdict(kinds.get(result.status, "open"), text))
    return tuple(verdicts)


def _facts(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    sources, experiment = analysis.sources, analysis.sources.experiment
    sites = len(set(sources.predictions.site or ()))
    patients = f"{len(sources.predictions)} patients" + (f" at {sites} sites" if sites > 1 else "")
    facts = [
        ("Patients", f"{patients}, simulated" if sources.simulated else patients),
        ("Predicted", f"{analysis.main.label}: {meaning(analysis.main.head, sources.definition)}"),
    ]
    if experiment is None:
        if sources.bundle is not None:
            facts.append(("Bundle", f"{sources.bundle.name}, {sources.bundle.sha256[:16]}"))
            facts.append(("Predicted from", sources.bundle.inputs))
        folds = analysis.folds
        facts.append(("Estimated in", f"{folds} folds" if folds else "one external test set"))
        return tuple(facts)
    branches = "; ".join(
        f"{branch.upper()} ({', '.join(channels)})"
        for branch, channels in experiment.data.branches.items()
    )
    evaluation = experiment.evaluation
    scheme = (
        "nested cross-validation" if evaluation.mode == "nested" else "cross-fitting, optimistic"
    )
    facts += [
        ("Predicted from", f"{branches} at {listed(experiment.data.timepoints)}"),
        ("Estimated by", f"{scheme}, {analysis.folds} folds by {evaluation.group}"),
        ("Threshold", _rule(evaluation.operating_point)),
        ("Calibration", _calibrator(evaluation.calibration)),
    ]
    return tuple(facts)


def _rule(rule: OperatingPointConfig) -> str:
    if isinstance(rule, NetBenefitRule):
        return f"probability above {rule.threshold:.2f}, fixed beforehand"
    if isinstance(rule, PrevalenceRule):
        return "share of complete response on inner folds"
    if isinstance(rule, YoudenRule):
        return "largest sensitivity + specificity on inner folds"
    return f"{rule.kind} of at least {rule.target:.2f} on inner folds"


def _calibrator(config: CalibrationConfig) -> str:
    return {
        "chain": "shrunk chain on the joint outcome, fitted on inner folds",
        "temperature": "temperature and bias on the joint outcome, fitted on inner folds",
        "isotonic": "monotone curves along the chain, fitted on inner folds",
        "none": "none: the network’s own probabilities",
    }[config.kind]


def _calibration(main: HeadResult) -> str:
    """Slope and level together: either alone may be right while the other is far off."""
    slope = main.metrics.get("calibration_slope", _NOT_COMPUTED)
    large = main.metrics.get("calibration_in_the_large", _NOT_COMPUTED)
    if slope.value is None and large.value is None:
        return ""
    turned = slope.high is not None and slope.high < 0
    extreme = "the predictions point the wrong way" if turned else "the predictions are too extreme"
    judged = [
        _judged(
            slope,
            1.0,
            _SLOPE_AGREES,
            extreme,
            "the predictions are too timid",
        ),
        _judged(
            large, 0.0, _LEVEL_AGREES, "response is overestimated", "response is underestimated"
        ),
    ]
    return (
        f"For {main.label} the calibration slope is {with_interval(slope)} and calibration in the "
        f"large is {with_interval(large)}: {'; '.join(judged)}."
    )


def _judged(
    estimate: Estimate, ideal: float, agrees: tuple[float, float], below: str, above: str
) -> str:
    """What an interval says of the ideal: left out, met, or not told."""
    name = "the slope" if ideal else "the level"
    if estimate.low is None or estimate.high is None:
        return f"of {name} nothing can be said"
    if estimate.high < ideal:
        return below
    if estimate.low > ideal:
        return above
    if agrees[0] <= estimate.low and estimate.high <= agrees[1]:
        return f"{name} agrees with the ideal of {ideal:.0f}"
    return f"{name} may be the ideal of {ideal:.0f}, but the interval is too wide to say so"


def _consequences(main: HeadResult) -> str:
    result = main.consequences
    if result is None:
        return ""
    rightly, missed, needless, _ = result.icons
    return (
        f"At the locked threshold for {main.label}, of 100 patients "
        f"{_range(rightly + missed, result.spared)} would be spared {SURGERY[main.head]}: "
        f"{_range(rightly, result.rightly)} of them rightly, while residual tumour would be missed "
        f"in {_range(missed, result.missed)}. A further {_range(needless, result.needless)} would "
        "be operated on although nothing was left."
    )


def _conditional(analysis: Analysis) -> str:
    if not analysis.conditional:
        return ""
    auc, observed = analysis.conditional["auc"], analysis.conditional["observed"]
    predicted = analysis.conditional["predicted"]
    return (
        f"Among the {auc.n} patients without tumour in the breast, P(yT0 yN0) / P(yT0) told free "
        f"nodes from involved ones with an AUC of {with_interval(auc)}. The nodes were free in "
        f"{with_interval(observed)} of them; predicted was {with_interval(predicted)}."
    )


def _together(analysis: Analysis) -> str:
    main = analysis.main
    tests = [
        f"{name}, χ² = {found[main.head].chi2:.1f} on {found[main.head].freedom} degrees of "
        f"freedom, p {p_value(found[main.head].p)}"
        for kind, name in (("ablations", "with scans withheld"), ("baselines", "simpler models"))
        if main.head in (found := analysis.together.get(kind, {}))
    ]
    if not tests:
        return ""
    return f"Tested together for {main.label}, whether all AUCs are the same: {'; '.join(tests)}."


def how_to_lock(head: Head) -> str:
    """How the user of a table supplies a threshold."""
    return (
        f"give one that was locked on other patients, in a column threshold_{head} or by "
        f"--threshold {head}=NUMBER"
    )


def p_short(p: float) -> str:
    """``0.012``, or ``< 0.001``: never 0."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_value(p: float | None) -> str:
    """``= 0.012``, ``< 0.001``, or that there is none."""
    if p is None:
        return "not defined"
    return p_short(p) if p < 0.001 else f"= {p_short(p)}"


def _range(whole: int, per_hundred: Estimate) -> str:
    """A count out of 100, rounded together with the others, and its limits."""
    limits = (limit or 0.0 for limit in (per_hundred.low, per_hundred.high))
    return f"{whole} ({' to '.join(f'{limit:.0f}' for limit in limits)})"
