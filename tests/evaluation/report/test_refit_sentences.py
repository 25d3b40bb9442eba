from __future__ import annotations

from dataclasses import replace

from pcrnet.evaluation.report.refit_sentences import (
    coverage_sentence,
    instability_sentence,
    sites_sentence,
)
from pcrnet.evaluation.results import Analysis


def test_few_patients_make_the_interval_for_what_ships_a_rough_guide(analysis: Analysis) -> None:
    assert "manual" in coverage_sentence(analysis.main)
    assert "With 60 patients" in coverage_sentence(replace(analysis.main, n=60))
    assert coverage_sentence(replace(analysis.main, shipped={})) == ""


def test_how_much_a_risk_changes_over_refits_is_said(analysis: Analysis) -> None:
    text = instability_sentence(analysis)
    assert "0.020" in text
    assert "0.060" in text
    assert "8 % of the patients" in text
    silent = replace(analysis, sources=replace(analysis.sources, shipped={}))
    assert instability_sentence(silent) == ""


def test_sites_are_joined_where_there_are_three(analysis: Analysis) -> None:
    assert analysis.sites is not None
    assert f"Over {analysis.sites.sites} sites" in sites_sentence(analysis)
    assert sites_sentence(replace(analysis, sites=None)) == ""


def test_without_a_threshold_nobody_is_called_differently(analysis: Analysis) -> None:
    head = analysis.main.head
    known = analysis.sources.shipped[head]
    spread = {"median": 0.02, "ninetieth": 0.06}
    shipped = {head: replace(known, instability=spread)}
    text = instability_sentence(
        replace(analysis, sources=replace(analysis.sources, shipped=shipped))
    )
    assert text.endswith("0.060 in nine of ten.")
