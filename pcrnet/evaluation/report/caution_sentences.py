"""Why the results of a table are not to be believed as they stand."""

from __future__ import annotations

from collections.abc import Iterator

from pcrnet.evaluation.population.patients import listed
from pcrnet.evaluation.report.estimate_words import with_interval
from pcrnet.evaluation.results import Analysis, HeadResult

_LEAST_OF_A_CLASS = 3
"""Patients of each class from which on an AUC of exactly 0 is no accident."""


def cautions(analysis: Analysis) -> tuple[str, ...]:
    """One sentence or more for each reason; empty where there is none."""
    experiment = analysis.sources.experiment
    if experiment is not None:
        return (experiment.evaluation.caution,) if experiment.evaluation.caution else ()
    return (*_of_coding(analysis), *_of_thresholds(analysis))


def _of_coding(analysis: Analysis) -> Iterator[str]:
    reversed_heads = [head for head in analysis.heads if _looks_reversed(head)]
    if reversed_heads:
        areas = listed(
            [f"{head.label} {with_interval(head.metrics['auc'])}" for head in reversed_heads]
        )
        yield (
            f"The coding looks reversed: the AUC is below 0.5 for {areas}. Check that the label 1 "
            "means complete response (--positive names another one), and that the probability is "
            "that of complete response and not 1 − p."
        )


def _looks_reversed(head: HeadResult) -> bool:
    auc = head.metrics["auc"]
    if auc.value is None:
        return False
    least = min(head.responders, head.n - head.responders)
    perfectly = auc.value == 0.0 and least >= _LEAST_OF_A_CLASS
    return perfectly or (auc.high is not None and auc.high < 0.5)


def _of_thresholds(analysis: Analysis) -> Iterator[str]:
    """Rates at several thresholds, or of some of the patients, are not what one reads them for."""
    for head in analysis.heads:
        if head.table is None:
            continue
        count = analysis.thresholds(head.head)
        if analysis.folds is None and count > 1:
            yield (
                f"The table holds {count} different thresholds for {head.label}, and one model "
                "that was fixed beforehand has one: if the predictions are those of a "
                "cross-validation, give each patient's fold in a column fold."
            )
        if head.table.n < head.n:
            yield (
                f"Only {head.table.n} of {head.n} patients have a threshold for {head.label}: "
                "sensitivity, specificity and what follows from them are of those alone."
            )
