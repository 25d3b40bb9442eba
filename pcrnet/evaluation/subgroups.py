"""Subgroups: receptor status, stage, grade, age, site and pattern of missing scans.

They are described with intervals, each against the others of its covariate, and not tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pcrnet.cohort.outcome import Head
from pcrnet.evaluation.one_outcome import brief_metrics, known_rows
from pcrnet.evaluation.population.patients import (
    Covariate,
    NumericCovariate,
    categorical,
)
from pcrnet.evaluation.repeats import average_metrics
from pcrnet.evaluation.results import SubgroupResult
from pcrnet.evaluation.sources import Sources
from pcrnet.evaluation.statistics.array_types import BoolArray
from pcrnet.evaluation.statistics.comparison.auc_comparison import ScoredGroup, compare_auc_unpaired
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.tables.predictions import Predictions

SITE, SCANS = "site", "scans present"


@dataclass(frozen=True)
class Subgroup:
    """Patients who share one value of one covariate."""

    covariate: str
    level: str
    rows: BoolArray
    """Shape ``(n,)``."""
    others: BoolArray
    """Patients in whom the covariate has another value; shape ``(n,)``."""


def find_subgroups(
    predictions: Predictions, covariates: Sequence[Covariate]
) -> tuple[Subgroup, ...]:
    """Cut the patients by each covariate, by site and by pattern of scans.

    Numeric covariates are cut at their median. A covariate in which everybody is alike cuts
    nothing and is left out; so are patients in whom it is unknown.
    """
    subgroups: list[Subgroup] = []
    for covariate in grouping_covariates(predictions, covariates):
        levels = [group for group in _levels(covariate) if group.rows.any()]
        if len(levels) > 1:
            subgroups += levels
    return tuple(subgroups)


def judge_subgroups(sources: Sources, head: Head) -> tuple[SubgroupResult, ...]:
    """One outcome in every subgroup, averaged over repeats.

    ``metrics`` are those of :func:`brief_metrics` and ``auc_less_others``, the AUC less that of
    the patients in whom the covariate has another value.
    """
    predictions = sources.predictions
    known = known_rows(predictions, head)
    found: list[SubgroupResult] = []
    for group in find_subgroups(predictions, sources.covariates):
        rows, others = group.rows & known, group.others & known
        found.append(
            SubgroupResult(
                covariate=group.covariate,
                level=group.level,
                first=not found or found[-1].covariate != group.covariate,
                n=int(rows.sum()),
                responders=int((predictions.label[head][rows] == 1).sum()),
                metrics=average_metrics(
                    [_metrics(repeat, head, rows, others) for repeat in sources.all_repeats]
                ),
            )
        )
    return tuple(found)


def grouping_covariates(
    predictions: Predictions, covariates: Sequence[Covariate]
) -> tuple[Covariate, ...]:
    """The covariates, then site and pattern of scans, which come from the predictions."""
    own = [covariate for covariate in covariates if covariate.name not in (SITE, SCANS)]
    if predictions.site is not None:
        found = categorical(SITE, predictions.site)
        own += [found] if found is not None else []
    if predictions.scans is not None:
        found = categorical(SCANS, name_patterns(predictions.scans))
        own += [found] if found is not None else []
    return tuple(own)


def name_patterns(scans: Sequence[Sequence[str]]) -> list[str]:
    """``all``, or what a patient lacks of the scans that anybody has: ``without interim.pet``.

    Args:
        scans: For each patient the ``timepoint.channel`` that are present.
    """
    # A dict keeps the order in which scans were listed.
    known = list(dict.fromkeys(scan for present in scans for scan in present))
    return [_pattern([scan for scan in known if scan not in present], known) for present in scans]


def _pattern(missing: Sequence[str], known: Sequence[str]) -> str:
    """The missing scans by name, a whole timepoint as one."""
    names: dict[str, None] = {}
    for scan in missing:
        timepoint, _, _ = scan.partition(".")
        whole = all(other in missing for other in known if other.startswith(f"{timepoint}."))
        names[timepoint if whole else scan] = None
    return f"without {', '.join(names)}" if names else "all"


def _metrics(
    predictions: Predictions, head: Head, rows: BoolArray, others: BoolArray
) -> dict[str, Estimate]:
    def group(inside: BoolArray) -> ScoredGroup:
        fold = None if predictions.fold is None else predictions.fold[inside]
        return ScoredGroup(predictions.prob[head][inside], predictions.label[head][inside], fold)

    compared = compare_auc_unpaired(group(rows), group(others))
    return brief_metrics(predictions.select(rows), head) | {"auc_less_others": compared.difference}


def _levels(covariate: Covariate) -> Iterator[Subgroup]:
    if isinstance(covariate, NumericCovariate):
        median = float(np.nanmedian(covariate.values))
        low, high = covariate.values <= median, covariate.values > median
        yield Subgroup(covariate.name, f"≤ {median:.4g}", low, high)
        yield Subgroup(covariate.name, f"> {median:.4g}", high, low)
        return
    known = covariate.codes != -1
    for code, level in enumerate(covariate.levels):
        rows = covariate.codes == code
        yield Subgroup(covariate.name, level, rows, known & ~rows)
