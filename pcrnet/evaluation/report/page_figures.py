"""All figures of a report: which are drawn from which result, under which name and caption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pcrnet.evaluation.population.patients import readable
from pcrnet.evaluation.report.figures import (
    ForestPanel,
    PageFigure,
    decision_top,
    draw_calibration,
    draw_decision_curve,
    draw_flow,
    draw_fold_spread,
    draw_forest,
    draw_precision_recall,
    draw_roc,
    most_in_a_bin,
)
from pcrnet.evaluation.results import Analysis, HeadResult
from pcrnet.evaluation.statistics.intervals import Estimate


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
            "From the rows of the cohort table to the patients in whom each outcome is known.",
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
            "AUC of every outer fold: how far one part of the patients, and the models that "
            "predicted it, can differ from another.",
            draw_fold_spread(spread, to=folder / "fold_spread"),
        )
    if any(analysis.subgroups.values()):
        labels, panels = _subgroup_forest(analysis)
        yield PageFigure(
            "forest",
            "AUC in subgroups.",
            "With its 95 % confidence interval; at the right responders of all patients.",
            draw_forest(labels, panels, "AUC", to=folder / "forest"),
        )
    if analysis.comparisons:
        labels, panels = _comparison_forest(analysis)
        yield PageFigure(
            "comparisons",
            "AUC from less.",
            "Each line is another prediction of the same patients; at the right what it loses.",
            draw_forest(labels, panels, "AUC", to=folder / "comparisons"),
        )


def _head_figures(analysis: Analysis, head: HeadResult, folder: Path) -> Iterator[PageFigure]:
    """Figures of one outcome; their names end with the head."""
    metrics = head.metrics
    if head.roc is not None:
        yield PageFigure(
            f"roc_{head.head}",
            f"ROC, {head.label}.",
            "The cross is the locked operating point with its intervals.",
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
            "The area below the steps is the average precision; dashed: the response rate, "
            f"{head.responders / head.n:.2f}.",
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
            "Dashed grey: the ideal.",
            draw_calibration(
                head.calibration,
                head.calibration_before,
                prob_of_responders=prob[label == 1],
                prob_of_others=prob[label == 0],
                most=_most_in_a_bin(analysis),
                to=folder / f"calibration_{head.head}",
            ),
        )
    if head.decision is not None:
        yield PageFigure(
            f"decision_{head.head}",
            f"Decision curve, {head.label}.",
            "Shaded: where a missed tumour weighs as much as one to nineteen needless operations. "
            "Dotted: the locked threshold"
            + (", or the smallest and the largest of the folds." if analysis.folds else "."),
            draw_decision_curve(
                head.decision,
                top=decision_top([each.decision for each in analysis.heads if each.decision]),
                locked=_locked(analysis, head),
                to=folder / f"decision_{head.head}",
            ),
        )


def _most_in_a_bin(analysis: Analysis) -> int:
    predictions = analysis.sources.predictions
    return most_in_a_bin(
        [
            predictions.prob[head.head][predictions.label[head.head] == value]
            for head in analysis.heads
            for value in (0, 1)
        ]
    )


def _locked(analysis: Analysis, head: HeadResult) -> tuple[float, ...]:
    """Smallest and largest of the locked thresholds of an outcome."""
    locked = analysis.sources.predictions.threshold.get(head.head)
    if locked is None or np.isnan(locked).all():
        return ()
    return float(np.nanmin(locked)), float(np.nanmax(locked))


def _subgroup_forest(analysis: Analysis) -> tuple[list[str], list[ForestPanel]]:
    """A heading before the levels of each covariate; the same lines for every outcome."""
    labels = ["All patients"]
    for group in analysis.subgroups[analysis.main.head]:
        labels += [readable(group.covariate)] if group.first else []
        labels.append(group.level)
    panels = []
    for head in analysis.heads:
        estimates: list[Estimate | None] = [head.metrics["auc"]]
        notes = [f"{head.responders}/{head.n}"]
        for group in analysis.subgroups[head.head]:
            estimates += [None] if group.first else []
            notes += [""] if group.first else []
            estimates.append(group.metrics["auc"])
            notes.append(f"{group.responders}/{group.n}")
        panels.append(ForestPanel(head.label, tuple(estimates), tuple(notes)))
    return labels, panels


def _comparison_forest(analysis: Analysis) -> tuple[list[str], list[ForestPanel]]:
    panels = []
    for head in analysis.heads:
        found = [comparison.heads.get(head.head) for comparison in analysis.comparisons]
        estimates = [compared.auc if compared else None for compared in found]
        notes = [_loss(compared.difference.value) if compared else "" for compared in found]
        panels.append(ForestPanel(head.label, (head.metrics["auc"], *estimates), ("", *notes)))
    return ["All scans", *(readable(c.name) for c in analysis.comparisons)], panels


def _loss(difference: float | None) -> str:
    return "" if difference is None else f"{-difference:+.2f}".replace("-", "−")
