"""Subgroups: receptor status, stage, grade, age, site and pattern of missing scans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pcrnet.evaluation.arrays import BoolArray
from pcrnet.evaluation.patients import (
    Covariate,
    NumericCovariate,
    categorical,
)
from pcrnet.evaluation.predictions import Predictions

SITE, SCANS = "site", "scans present"


@dataclass(frozen=True)
class Subgroup:
    """Patients who share one value of one covariate."""

    covariate: str
    level: str
    rows: BoolArray
    """Shape ``(n,)``."""


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


def _levels(covariate: Covariate) -> Iterator[Subgroup]:
    if isinstance(covariate, NumericCovariate):
        median = float(np.nanmedian(covariate.values))
        yield Subgroup(covariate.name, f"≤ {median:.4g}", covariate.values <= median)
        yield Subgroup(covariate.name, f"> {median:.4g}", covariate.values > median)
        return
    for code, level in enumerate(covariate.levels):
        yield Subgroup(covariate.name, level, covariate.codes == code)
