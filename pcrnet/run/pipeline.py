"""The main job: from a cohort table to a report and a bundle, each stage a step of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pcrnet.applicability.scrutiny import Applicability
from pcrnet.cohort.outcome import HEADS
from pcrnet.cohort.table import label_column
from pcrnet.config.experiment import Experiment
from pcrnet.config.model import RIVALS, rival_config
from pcrnet.data.library_augment import library_augmenter, nothing_varied
from pcrnet.decision.nested import FittedDecision
from pcrnet.deploy.packing import describe_bundle, write_bundle
from pcrnet.evaluation.given_files import require_given_files
from pcrnet.evaluation.population.case_mix import case_mix
from pcrnet.evaluation.population.patients import read_covariates
from pcrnet.evaluation.tables.predictions import Predictions, write_predictions
from pcrnet.imaging.known_scans import marks_of_all
from pcrnet.models.dual_branch.pretraining import weight_tables
from pcrnet.models.kinds import KINDS, read_model
from pcrnet.run.directory import RunDirectory
from pcrnet.run.example_pictures import write_example_pictures
from pcrnet.run.judging import (
    Judged,
    decisions_record,
    describe,
    judge,
    judge_ablations,
    ship,
)
from pcrnet.run.preparation import prepare, seed_of_repeat, splits_of_run
from pcrnet.run_layout import ABLATIONS, BASELINES, ReportLayout, RunLayout
from pcrnet.storage import read_record, taking_apart, write_json
from pcrnet.training.crossval import run_fits
from pcrnet.training.demands.precision import settle_precision
from pcrnet.training.devices import overruling_variables, require_device
from pcrnet.training.events import (
    EpochReport,
    FitFinished,
    FitsPlanned,
    FitTimed,
    Listener,
    Measured,
    Progressed,
    Remark,
    RunEvent,
    StageStarted,
)
from pcrnet.training.fit import MODEL_FOLDER, FitJob, networks_of_fit
from pcrnet.training.interrupts import heeding_interrupts
from pcrnet.training.plan import SHIPPED_FIT, FitPlan, judged_fits, plan_fits, rivals_to_train


@dataclass(frozen=True)
class RunResult:
    """Where a finished run left its results."""

    directory: Path
    report: Path
    bundle: Path

    @property
    def metrics(self) -> dict[str, dict[str, dict[str, Any]]]:
        """``heads`` of ``metrics.json``."""
        path = ReportLayout(self.report.parent).metrics
        record = read_record(path)
        with taking_apart(path):
            heads: dict[str, dict[str, dict[str, Any]]] = record["heads"]
            return heads


def train(experiment: Experiment, *listeners: Listener) -> RunResult:
    """Run the whole job; stages that are finished are not done again.

    Args:
        experiment: The configuration.
        listeners: Told of every stage, epoch and remark: the console, the tracker, a test.

    Raises:
        PcrnetError: Whatever a user can cause and remedy.
    """

    require_device(experiment.training)
    library_augmenter(experiment.augmentation, experiment.data, experiment.imaging)
    require_given_files(experiment.evaluation)
    run = RunDirectory(experiment.run.directory)
    with heeding_interrupts() as check_interrupt, run.opened(experiment):
        listen = _told_to_all(listeners, check_interrupt)
        _tell_beginnings(experiment, listen)
        job, scans, simulated = prepare(experiment, run, listen)
        evaluation = experiment.evaluation
        listen(StageStarted("Training"))
        _fit(job, plan_fits(evaluation.folds, evaluation.mode), listen)

        listen(StageStarted("Calibration"))
        judged = judge(job, scans)
        final = ship(job)
        write_predictions(run.predictions, judged.predictions)
        write_json(run.decisions, decisions_record(judged.decisions, final, describe(job, final)))
        if evaluation.variants:
            _write_variants(run, job, scans, listen)
        _judge_rivals(run, job, scans, listen)
        write_example_pictures(run, job, judged.predictions, simulated=simulated)

        listen(StageStarted("Bundle"))
        _write_bundle(run, job, judged, final, listen, simulated=simulated)
        for number in range(2, evaluation.repeats + 1):
            _repeat(number, job, scans, run.repeat(number), listen)

        listen(StageStarted("Report"))
        from pcrnet.evaluation.analysis import evaluate_run

        report = evaluate_run(run.path, progress=lambda part: listen(Remark(part)))
    return RunResult(run.path, report, run.bundle)


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What cross-validation alone gives.

    Attributes:
        predictions: Each patient's by models that never saw the patient; calibrated, with the
            threshold that was chosen without the patient's fold.
        metrics: ``metrics[head][name]``, as ``heads`` of ``metrics.json``.
    """

    predictions: Predictions
    metrics: dict[str, dict[str, dict[str, Any]]]


def cross_validate(experiment: Experiment, *listeners: Listener) -> CrossValidation:
    """Estimate how well the model predicts, and nothing else: no bundle, no report.

    Done once, whatever ``evaluation.repeats`` says. Fits are kept in the run's folder:
    :func:`train` with the same experiment goes on from them.

    Args:
        experiment: The configuration.
        listeners: Told of every stage, epoch and remark.

    Raises:
        PcrnetError: Whatever a user can cause and remedy.
    """
    require_device(experiment.training)
    library_augmenter(experiment.augmentation, experiment.data, experiment.imaging)
    run = RunDirectory(experiment.run.directory)
    evaluation = experiment.evaluation
    with heeding_interrupts() as check_interrupt, run.opened(experiment):
        listen = _told_to_all(listeners, check_interrupt)
        _tell_beginnings(experiment, listen)
        job, scans, _ = prepare(experiment, run, listen)
        listen(StageStarted("Training"))
        _fit(job, judged_fits(evaluation.folds, evaluation.mode), listen)
        listen(StageStarted("Calibration"))
        predictions = judge(job, scans).predictions
    from pcrnet.evaluation.analysis import analyse
    from pcrnet.evaluation.metrics_json import metrics_record
    from pcrnet.evaluation.sources import Sources

    sources = Sources(experiment.run.name, predictions, covariates=())
    without_protocol = evaluation.model_copy(update={"protocol": None})
    heads: Any = metrics_record(analyse(sources, without_protocol))["heads"]
    return CrossValidation(predictions, heads)


def _told_to_all(listeners: Sequence[Listener], check_interrupt: Callable[[], None]) -> Listener:
    def listen(event: RunEvent) -> None:
        check_interrupt()
        for listener in listeners:
            listener(event)

    return listen


def _tell_beginnings(experiment: Experiment, listen: Listener) -> None:
    """Which weights networks begin with, and that images are not varied where nobody said how."""
    for table in weight_tables(experiment.model, experiment.data, experiment.imaging):
        listen(Remark(table))
    unvaried = nothing_varied(experiment.augmentation)
    if unvaried is not None and KINDS[experiment.model.kind].trains:
        listen(Remark(unvaried))


def _fit(job: FitJob, plans: Sequence[FitPlan], listen: Listener) -> None:
    ignored = overruling_variables()
    if ignored:
        listen(Remark(f"{', '.join(ignored)}: ignored, settings stand in the configuration"))
    names = tuple(plan.name for plan in plans)
    networks = networks_of_fit(job.experiment)
    listen(FitsPlanned(names, networks, job.training.max_epochs))
    run_fits(job, plans, listen)


def _repeat(
    number: int,
    first: FitJob,
    scans: Mapping[str, tuple[str, ...]],
    place: RunLayout,
    listen: Listener,
) -> None:
    """The cross-validation once more: the same experiment under another seed, to be judged only."""
    experiment = first.experiment.reseeded(seed_of_repeat(first.experiment, number))
    evaluation = experiment.evaluation
    listen(StageStarted(f"Repeat {number} of {evaluation.repeats}"))
    splits = splits_of_run(experiment, first.patients, place)
    job = replace(first, experiment=experiment, splits=splits, directory=place.folds)

    listen_here = _renamed(listen, f"repeat-{number}")
    _fit(job, judged_fits(evaluation.folds, evaluation.mode), listen_here)
    write_predictions(place.predictions, judge(job, scans).predictions)


def _write_variants(
    run: RunLayout, job: FitJob, scans: Mapping[str, tuple[str, ...]], listen: Listener
) -> None:
    listen(StageStarted("Ablations"))
    hidden = judge_ablations(
        job, scans, lambda done, total: listen(Progressed(done, total, "fits"))
    )
    for name, predictions in hidden.items():
        write_predictions(run.variant(ABLATIONS, name), predictions)


def _judge_rivals(
    run: RunLayout, job: FitJob, scans: Mapping[str, tuple[str, ...]], listen: Listener
) -> None:
    """Other models on the same folds, by the same procedure."""
    experiment = job.experiment
    evaluation = experiment.evaluation
    rivals = rivals_to_train(experiment, len(job.covariates))
    for kind in evaluation.rivals:
        if kind not in rivals and kind != experiment.model.kind:
            listen(Remark(f"rival {kind} is left out: it rests on covariates, and none is named"))
    for kind in rivals:
        listen(StageStarted(f"Rival: {kind}"))
        own = experiment.model_copy(update={"model": rival_config(kind)})
        place = run.rivals / kind
        rival = replace(job, experiment=own, directory=place, precision=None)
        # What holds of the gradients of one network need not hold of another's.
        settled = settle_precision(rival, place / run.precision.name, listen)
        rival = replace(rival, precision=settled)
        _fit(rival, judged_fits(evaluation.folds, evaluation.mode), _renamed(listen, kind))
        seen = scans if RIVALS[kind].rests_on_scans else dict.fromkeys(scans, ())
        write_predictions(run.variant(BASELINES, kind), judge(rival, seen).predictions)


def _renamed(listen: Listener, prefix: str) -> Listener:
    """Fits of a repeat and of a rival bear the names of the run's own; here they do not."""

    def listen_here(event: RunEvent) -> None:
        if isinstance(event, EpochReport | Measured | FitTimed | FitFinished):
            event = replace(event, fit=f"{prefix}-{event.fit}")
        elif isinstance(event, FitsPlanned):
            event = replace(event, fits=tuple(f"{prefix}-{fit}" for fit in event.fits))
        listen(event)

    return listen_here


def _case_mix(run: RunLayout, job: FitJob) -> Mapping[str, Any]:
    """Who the model learned from, for whoever validates it elsewhere."""
    names = tuple(patient.patient_id for patient in job.patients)
    known = {
        covariate.name: covariate
        for covariate in read_covariates(run.patients, names)
        if covariate.name in job.covariates
    }
    labels = {head: label_column(job.patients, head) for head in HEADS}
    return case_mix(labels, tuple(known.values())).to_json()


def _write_bundle(
    run: RunLayout,
    job: FitJob,
    judged: Judged,
    final: FittedDecision,
    listen: Listener,
    *,
    simulated: bool,
) -> None:
    """The model that learned from everybody, with the calibrator fitted on what others left out."""
    experiment = job.experiment
    folder = job.directory / SHIPPED_FIT.name / MODEL_FOLDER
    model = read_model(folder, experiment.model, experiment.data, experiment.imaging)
    manifest = describe_bundle(
        experiment,
        # Those that it makes use of: nobody shall be asked for others.
        covariates=tuple(item.name for item in model.needs().covariates),
        about=model.describe(),
        calibrator=final.calibrator,
        operating_points=final.thresholds,
        splits_sha256=job.splits.sha256,
        simulated=simulated,
        trained_on=marks_of_all(job.patients, job.cache().memo),
        case_mix=_case_mix(run, job),
    )
    listen(Remark("describing the training patients"))
    applicability = Applicability.fit(
        model,
        job.patients,
        job.cache(),
        covariates=job.covariates,
        data=experiment.data,
        imaging=experiment.imaging,
        left_out_logits=judged.logits,
        calibration=experiment.judging.calibration,
        prob=judged.predictions.prob,
    )
    listen(Remark("writing the bundle, with its answers to the golden cases"))
    write_bundle(run.bundle, manifest, model, applicability)
