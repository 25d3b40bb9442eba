"""From predictions to a report: read, compute, draw, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pcrnet.cohort.outcome import Head
from pcrnet.config.evaluation import ASKED_AFTER_TRAINING, EvaluationConfig, NetBenefitRule
from pcrnet.errors import RunError
from pcrnet.evaluation.comparisons import (
    compare_together,
    compare_variants,
    conditional_metrics,
    judge_rivals,
)
from pcrnet.evaluation.confirmation import confirm
from pcrnet.evaluation.given_files import require_given_files
from pcrnet.evaluation.metrics_json import metrics_record
from pcrnet.evaluation.one_outcome import analyse_head, failure_cases
from pcrnet.evaluation.population.case_mix import BundleIdentity
from pcrnet.evaluation.population.patients import TableOne, table_one
from pcrnet.evaluation.population.quantities import quantity_groups
from pcrnet.evaluation.repeats import average_metrics
from pcrnet.evaluation.report.answers import read_answers
from pcrnet.evaluation.report.caution_sentences import cautions
from pcrnet.evaluation.report.page import render_report
from pcrnet.evaluation.report.page_figures import draw_figures
from pcrnet.evaluation.report.sentences import how_to_lock
from pcrnet.evaluation.results import HEAD_LABELS, READING_ORDER, Analysis
from pcrnet.evaluation.sources import FlowStep, Sources, read_run, read_table
from pcrnet.evaluation.statistics.comparison.heterogeneity import heterogeneity
from pcrnet.evaluation.statistics.curves import draw_weights
from pcrnet.evaluation.subgroups import SITE, grouping_covariates, judge_subgroups
from pcrnet.evaluation.tables.column_map import ColumnMap
from pcrnet.evaluation.tables.predictions import Predictions
from pcrnet.evaluation.validation import validate
from pcrnet.run_layout import ReportLayout, RunLayout
from pcrnet.storage import write_json, write_text

Announce = Callable[[str], None]


def evaluate_run(
    run: Path, config: EvaluationConfig | None = None, *, progress: Announce | None = None
) -> Path:
    """Judge a finished run and write its report.

    Args:
        run: Run directory.
        config: The run's own when None. Only what is asked after training (draws, seed, protocol
            and answers) may differ from it: everything else was decided when the run was trained.
        progress: Called with a short sentence before each part, and last with what to beware of.

    Returns:
        Path of ``report/index.html``; ``metrics.json`` and ``figures/`` lie beside it.

    Raises:
        RunError: The run is not finished, or ``config`` would change what training decided.
        PredictionsError: A table breaks the contract of predictions.
        ConfigError: The protocol cannot be read.
    """
    tell = progress or _silent
    tell("reading the run")
    sources = read_run(run)
    if config is None:
        config = sources.experiment.evaluation if sources.experiment else EvaluationConfig()
    elif sources.experiment is not None:
        _check_unchanged(config, sources.experiment.evaluation)
    analysis = analyse(sources, config, progress=tell)
    page = _write_report(analysis, RunLayout(run).report.path, tell)
    if config.caution:
        tell(config.caution)
    return page


def evaluate_table(
    predictions: Path,
    out: Path,
    config: EvaluationConfig,
    *,
    repeats: Sequence[Path] = (),
    patients: Path | None = None,
    columns: ColumnMap | None = None,
    bundle: BundleIdentity | None = None,
    flow: tuple[FlowStep, ...] = (),
    progress: Announce | None = None,
) -> Path:
    """Judge any table of predictions; without ``fold`` it is one external test set.

    Args:
        predictions: Table in the contract of predictions.
        out: Folder of the report.
        config: Draws, seed and protocol of the evaluation.
        repeats: Tables of the same patients from further repeats of cross-validation.
        patients: Table of covariates by ``patient_id``; other columns of the predictions when None.
        columns: What the columns of the predictions mean, where they have other names.
        bundle: What made the predictions, where that is known.
        flow: How the patients of the table came to be in it, where that is known.
        progress: Called with a short sentence before each part.

    Returns:
        Path of ``index.html`` in ``out``.

    Raises:
        PredictionsError: A table breaks its contract.
        RunError: A repeat holds other patients or outcomes.
        ConfigError: The protocol cannot be read.
    """
    tell = progress or _silent
    tell("reading the table")
    sources = read_table(predictions, patients, repeats=repeats, columns=columns)
    sources = replace(sources, bundle=bundle, flow=flow)
    for remark in sources.remarks:
        tell(f"{predictions.name}: {remark}")
    analysis = analyse(sources, config, progress=tell)
    page = _write_report(analysis, out, tell)
    for caution in (*cautions(analysis), *_missing_thresholds(analysis)):
        tell(caution)
    return page


def analyse(
    sources: Sources, config: EvaluationConfig, *, progress: Announce | None = None
) -> Analysis:
    """Compute everything that a report says; only a locked test set's ledger is written to."""
    tell = progress or _silent
    require_given_files(config)
    sources = _with_fixed_threshold(sources, config)
    predictions = sources.predictions
    # First of all, since a locked test set counts as opened from the moment it is looked at.
    confirmation = confirm(sources, Path(config.protocol)) if config.protocol else None
    tell(f"{len(predictions)} patients, {config.bootstrap_draws} bootstrap draws")
    weights = draw_weights(len(predictions), config.bootstrap_draws, config.seed)
    order = [head for head in READING_ORDER if head in predictions.heads]
    repeats = sources.all_repeats
    heads = []
    for head in order:
        tell(f"judging {HEAD_LABELS[head]}")
        heads.append(analyse_head(repeats, head, config, weights, sources.shipped.get(head)))
    tell("subgroups and comparisons")
    subgroups = {head: judge_subgroups(sources, head) for head in predictions.heads}
    return Analysis(
        sources=sources,
        config=config,
        heads=tuple(heads),
        conditional=average_metrics([conditional_metrics(repeat) for repeat in repeats]),
        subgroups=subgroups,
        comparisons=compare_variants(sources),
        together=compare_together(sources),
        table_one=_table_one(sources, order[0]),
        failures=failure_cases(predictions, order[0]),
        confirmation=confirmation,
        rivals=judge_rivals(sources, config),
        quantities=quantity_groups(sources.quantities, predictions.label["yT0"]),
        sites=heterogeneity(
            [
                group.metrics["auc"]
                for group in subgroups.get(order[0], ())
                if group.covariate == SITE and group.level != "other"
            ]
        ),
        answers=read_answers(Path(config.answers)) if config.answers else {},
        validation=validate(
            predictions,
            sources.covariates,
            sources.bundle,
            tuple(order),
        ),
    )


def _write_report(analysis: Analysis, folder: Path, tell: Announce) -> Path:
    tell("drawing the figures")
    out = ReportLayout(folder)
    figures = draw_figures(analysis, out.figures)
    tell("writing the report")
    write_json(out.metrics, metrics_record(analysis))
    write_text(out.page, render_report(analysis, figures))
    return out.page


def _with_fixed_threshold(sources: Sources, config: EvaluationConfig) -> Sources:
    """Fill in the threshold of the rule that needs no data, where the table has none."""
    if not isinstance(config.operating_point, NetBenefitRule):
        return sources
    locked = config.operating_point.threshold

    def filled(predictions: Predictions) -> Predictions:
        fixed = np.full(len(predictions), locked)
        threshold = dict.fromkeys(predictions.heads, fixed) | dict(predictions.threshold)
        return replace(predictions, threshold=threshold)

    again = tuple(filled(repeat) for repeat in sources.repeats)
    return replace(sources, predictions=filled(sources.predictions), repeats=again)


def _missing_thresholds(analysis: Analysis) -> list[str]:
    return [
        f"{head.label} has no locked threshold, so nothing is said at an operating point: "
        f"{how_to_lock(head.head)}"
        for head in analysis.heads
        if head.table is None
    ]


def _table_one(sources: Sources, head: Head) -> TableOne | None:
    """Characteristics of all patients, and by whether the main outcome was reached."""
    predictions = sources.predictions
    covariates = grouping_covariates(predictions, sources.covariates)
    if not covariates:
        return None
    label = predictions.label[head]
    groups = [
        ("All", np.ones(len(predictions), dtype=bool)),
        (HEAD_LABELS[head], label == 1),
        ("Residual tumour", label == 0),
        ("Unknown", np.isnan(label)),
    ]
    return table_one(covariates, [(name, mask) for name, mask in groups if mask.any()])


def _check_unchanged(config: EvaluationConfig, trained: EvaluationConfig) -> None:
    for name in EvaluationConfig.model_fields:
        if name not in ASKED_AFTER_TRAINING and getattr(config, name) != getattr(trained, name):
            raise RunError(
                "was decided when the run was trained and cannot be changed afterwards",
                field=f"evaluation.{name}",
                remedy=f"train a new run; free now: {', '.join(sorted(ASKED_AFTER_TRAINING))}",
            )


def _silent(message: str) -> None:
    """Where nobody listens."""
