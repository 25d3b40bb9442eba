"""Subgroups: receptor status, stage, grade, age, site and pattern of missing scans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pcrnet.evaluation.arrays import BoolArray
from pcrnet.evaluation.patients import (
    CategoricalCovariate,
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
        own += [found for found in [categorical(SITE, predictions.site)] if found is not None]
    if predictions.scans is not None:
        patterns = [name_pattern(present, predictions.scans) for present in predictions.scans]
        own += [found for found in [categorical(SCANS, patterns)] if found is not None]
    return tuple(own)


def name_pattern(present: Sequence[str], everybody: Sequence[Sequence[str]]) -> str:
    """``all``, or what is missing of the scans that anybody has: ``without interim.pet``."""
    # A dict keeps the order in which scans were listed.
    known = dict.fromkeys(scan for scans in everybody for scan in scans)
    missing = [scan for scan in known if scan not in present]
    if not missing:
        return "all"
    whole = _whole_timepoints(missing, known)
    return "without " + ", ".join(whole)


def _whole_timepoints(missing: Sequence[str], known: Sequence[str] | dict[str, None]) -> list[str]:
    """Missing scans by name, a whole timepoint as one."""
    names: list[str] = []
    for scan in missing:
        timepoint = scan.split(".", 1)[0]
        of_timepoint = {other for other in known if other.split(".", 1)[0] == timepoint}
        name = timepoint if of_timepoint <= set(missing) else scan
        if name not in names:
            names.append(name)
    return names


def _levels(covariate: Covariate) -> Iterator[Subgroup]:
    match covariate:
        case NumericCovariate(name, values):
            median = float(np.nanmedian(values))
            yield Subgroup(name, f"≤ {median:.4g}", values <= median)
            yield Subgroup(name, f"> {median:.4g}", values > median)
        case CategoricalCovariate(name, levels, codes):
            for code, level in enumerate(levels):
                yield Subgroup(name, level, codes == code)
