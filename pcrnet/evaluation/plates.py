"""All figures of a report: which are drawn from which result, under which name and caption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pcrnet.evaluation.figures import (
    ForestRow,
    draw_calibration,
    draw_decision_curve,
    draw_flow,
    draw_fold_spread,
    draw_forest,
    draw_precision_recall,
    draw_roc,
)
from pcrnet.evaluation.report import PageFigure
from pcrnet.evaluation.results import Analysis, HeadResult, SubgroupResult


def draw_figures(analysis: Analysis, folder: Path) -> dict[str, PageFigure]:
    """Draw every figure that the results allow, as SVG and PDF in ``folder``."""
    figures = [*_common_figures(analysis, folder)]
    for head in analysis.heads:
        figures += _head_figures(analysis, head, folder)
    return {figure.name: figure for figure in figures}


def _common_figures(analysis: Analysis, folder: Path) -> Iterator[PageFigure]:
    if analysis.sources.flow:
        yield PageFigure(
            "flow",
            "Flow of patients.",
            "From the rows of the cohort table to the women in whom each outcome is known.",
            draw_flow(
                [(step.step, step.n, step.reason) for step in analysis.sources.flow],
                [(head.label, head.n, head.responders) for head in analysis.heads],
                to=folder / "flow",
            ),
        )
    spread = [(head.label, head.fold_aucs) for head in analysis.heads if head.fold_aucs]
    if spread:
        yield PageFigure(
            "fold_spread",
            "Spread over folds.",
            "AUC of every outer fold: how far one part of the women, and the models that predicted "
            "it, can differ from another.",
            draw_fold_spread(spread, to=folder / "fold_spread"),
        )
    rows = _comparison_forest(analysis)
    if rows:
        yield PageFigure(
            "comparisons",
            f"AUC for {analysis.main.label} from less.",
            "Each line is another prediction of the same women; the line marks the full one.",
            draw_forest(
                rows,
                analysis.main.metrics["auc"],
                "AUC (95 % confidence interval)",
                first_label="All scans",
                to=folder / "comparisons",
            ),
        )


def _head_figures(analysis: Analysis, head: HeadResult, folder: Path) -> Iterator[PageFigure]:
    """Figures of one outcome; their names end with the head."""
    metrics = head.metrics
    if head.roc is not None:
        yield PageFigure(
            f"roc_{head.head}",
            f"ROC, {head.label}.",
            "Mean over the folds with its pointwise 95 % band; the cross is the locked operating "
            "point with the intervals of sensitivity and specificity.",
            draw_roc(
                head.roc,
                metrics["sensitivity"],
                metrics["specificity"],
                auc=f"{metrics['auc'].value:.2f}",
                to=folder / f"roc_{head.head}",
            ),
        )
    if head.precision_recall is not None:
        yield PageFigure(
            f"precision_recall_{head.head}",
            f"Precision and recall, {head.label}.",
            f"The dashed line is the rate of response, {head.responders / head.n:.2f}.",
            draw_precision_recall(
                head.precision_recall,
                head.responders / head.n,
                to=folder / f"precision_recall_{head.head}",
            ),
        )
    if head.calibration is not None:
        label = analysis.sources.predictions.label[head.head]
        prob = analysis.sources.predictions.prob[head.head]
        yield PageFigure(
            f"calibration_{head.head}",
            f"Calibration, {head.label}.",
            "Of the women given a probability, how many responded; the dashed line is the ideal.",
            draw_calibration(
                head.calibration,
                head.calibration_before,
                prob_of_responders=prob[label == 1],
                prob_of_others=prob[label == 0],
                to=folder / f"calibration_{head.head}",
            ),
        )
    if head.decision is not None:
        yield PageFigure(
            f"decision_{head.head}",
            f"Decision curve, {head.label}.",
            "Net operations avoided per 100 women, against operating on all (0) and sparing all.",
            draw_decision_curve(head.decision, to=folder / f"decision_{head.head}"),
        )
    groups = analysis.subgroups.get(head.head, ())
    if groups:
        yield PageFigure(
            f"forest_{head.head}",
            f"AUC in subgroups, {head.label}.",
            "At the right: women, and those with complete response.",
            draw_forest(
                list(_subgroup_forest(groups)),
                metrics["auc"],
                "AUC (95 % confidence interval)",
                first_label="All patients",
                first_note=f"{head.n}, {head.responders}",
                to=folder / f"forest_{head.head}",
            ),
        )


def _subgroup_forest(groups: tuple[SubgroupResult, ...]) -> Iterator[ForestRow]:
    for group in groups:
        if group.first:
            yield ForestRow(group.covariate, None)
        auc = group.metrics["auc"]
        note = f"{group.n}, {group.responders}"
        yield ForestRow(f"{group.level}", auc, note if auc.value is not None else f"{note} (–)")


def _comparison_forest(analysis: Analysis) -> list[ForestRow]:
    head = analysis.main.head
    return [
        ForestRow(
            comparison.name.replace("_", " "),
            comparison.heads[head].auc,
            _difference_note(comparison.heads[head].difference.value),
        )
        for comparison in analysis.comparisons
        if head in comparison.heads
    ]


def _difference_note(difference: float | None) -> str:
    return "" if difference is None else f"{-difference:+.2f}".replace("-", "−")
