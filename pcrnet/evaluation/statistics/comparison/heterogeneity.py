"""How far an AUC differs over sites: random effects on the logit scale.

DerSimonian & Laird 1986 (Control Clin Trials 7:177) for τ², I² of Higgins & Thompson 2002 (Stat Med
21:1539), and the prediction interval of Higgins, Thompson & Spiegelhalter 2009 (J R Stat Soc A
172:137) for a site that is not among these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as student

from pcrnet.evaluation.statistics.intervals import Estimate, normal_quantile

FEWEST_SITES = 3
"""For a prediction interval, which has sites less two degrees of freedom."""


@dataclass(frozen=True)
class Heterogeneity:
    """What sites say together.

    Attributes:
        sites: Those with an AUC and its interval.
        mean: Random-effects mean of the AUC.
        tau: Standard deviation between sites of the logit of the AUC.
        i_squared: Share of the variation over sites that is more than chance, in [0, 1].
        low: Lower limit of the 95 % prediction interval of another site.
        high: Its upper limit.
    """

    sites: int
    mean: Estimate
    tau: float
    i_squared: float
    low: float
    high: float


def heterogeneity(areas: Sequence[Estimate]) -> Heterogeneity | None:
    """Join the AUCs of sites; None with fewer than :data:`FEWEST_SITES` that have an interval."""
    usable = [
        (area.value, area.low, area.high, area.n)
        for area in areas
        if area.value is not None
        and area.low is not None
        and area.high is not None
        and 0 < area.low < area.value < area.high < 1
    ]
    if len(usable) < FEWEST_SITES:
        return None
    value, low, high, n = (np.array(column, dtype=float) for column in zip(*usable, strict=True))
    effect = logit(value)
    variance = ((logit(high) - logit(low)) / (2 * normal_quantile(0.95))) ** 2
    weight = 1 / variance
    fixed = float(weight @ effect / weight.sum())
    q, freedom = float(weight @ (effect - fixed) ** 2), len(effect) - 1
    scale = float(weight.sum() - (weight**2).sum() / weight.sum())
    between = max((q - freedom) / scale, 0.0)
    weight = 1 / (variance + between)
    mean, error = float(weight @ effect / weight.sum()), 1 / math.sqrt(float(weight.sum()))
    half = normal_quantile(0.95) * error
    reach = float(student.ppf(0.975, len(effect) - 2)) * math.hypot(math.sqrt(between), error)
    return Heterogeneity(
        sites=len(effect),
        mean=Estimate(
            float(expit(mean)),
            float(expit(mean - half)),
            float(expit(mean + half)),
            int(n.sum()),
            "random effects over sites, DerSimonian and Laird",
        ),
        tau=math.sqrt(between),
        i_squared=max((q - freedom) / q, 0.0) if q > 0 else 0.0,
        low=float(expit(mean - reach)),
        high=float(expit(mean + reach)),
    )
