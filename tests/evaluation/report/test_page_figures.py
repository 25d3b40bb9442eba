from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pcrnet.evaluation.report.page_figures import draw_figures
from pcrnet.evaluation.results import Analysis


def test_what_is_missing_is_not_drawn(analysis: Analysis, tmp_path: Path) -> None:
    head = replace(
        analysis.main,
        roc=None,
        precision_recall=None,
        calibration=None,
        decision=None,
        fold_aucs=(),
    )
    sources = replace(analysis.sources, flow=())
    bare = replace(
        analysis, heads=(head,), sources=sources, subgroups={"yT0yN0": ()}, comparisons=()
    )
    assert draw_figures(bare, tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_forests_have_one_panel_an_outcome(analysis: Analysis, tmp_path: Path) -> None:
    comparisons = (*analysis.comparisons[:1], replace(analysis.comparisons[1], heads={}))
    bare = replace(
        analysis,
        heads=tuple(
            replace(h, roc=None, precision_recall=None, calibration=None, decision=None)
            for h in analysis.heads
        ),
        comparisons=comparisons,
    )
    figures = draw_figures(bare, tmp_path)
    assert list(figures) == ["flow", "fold_spread", "forest", "comparisons"]
    for label in ("yT0 yN0", "yT0", "yN0"):
        assert f">{label}</text>" in figures["forest"].svg
    assert ">hormone receptor</text>" in figures["forest"].svg
    assert ">−0.12</text>" in figures["comparisons"].svg
