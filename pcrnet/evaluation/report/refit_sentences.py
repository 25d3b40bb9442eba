"""Sentences on chance beyond the judged models: refits, what ships, and other sites."""

from __future__ import annotations

from pcrnet.evaluation.report.estimate_words import with_interval
from pcrnet.evaluation.results import Analysis, HeadResult

_FEWEST_FOR_COVERAGE = 100


def coverage_sentence(main: HeadResult) -> str:
    """How far the intervals for what ships can be trusted at this number of patients."""
    if not main.shipped:
        return ""
    if main.n >= _FEWEST_FOR_COVERAGE:
        return "How often such intervals covered in trials with a known truth stands in the manual."
    return (
        f"With {main.n} patients the second is a rough guide: in trials with a known truth such "
        "intervals did not always cover as often as they state."
    )


def instability_sentence(analysis: Analysis) -> str:
    """How much one patient's risk changes over refits; empty where that is not known."""
    known = analysis.sources.shipped.get(analysis.main.head)
    if known is None or not known.instability:
        return ""
    found = known.instability
    text = (
        "Trained on other parts of this cohort, the model changes a patient's "
        f"{analysis.main.label} risk with a standard deviation of {found['median']:.3f} in half of "
        "the patients at most, "
        f"and of {found['ninetieth']:.3f} in nine of ten."
    )
    if "changed" in found:
        text += f" {100 * found['changed']:.0f} % of the patients are called differently by them."
    return text


def sites_sentence(analysis: Analysis) -> str:
    """How far the AUC differs over sites; empty with fewer than three."""
    found = analysis.sites
    if found is None:
        return ""
    return (
        f"Over {found.sites} sites the AUC of {analysis.main.label} is {with_interval(found.mean)} "
        f"on average; I² is {100 * found.i_squared:.0f} %. At another site it may be expected "
        f"between {found.low:.2f} and {found.high:.2f} (95 % prediction interval)."
    )
