"""The main job: from a cohort table to a report and a bundle, each stage a step of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pcrnet.cohort.outcome_counts import check_outcomes
from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.config.experiment import Experiment
from pcrnet.config.model import rival_config
from pcrnet.data.seeds import derive_seed
from pcrnet.data.splits import Splits, make_splits, read_splits
from pcrnet.deploy.packing import describe_bundle, write_bundle
from pcrnet.deploy.predictor import scans_present
from pcrnet.errors import InsufficientScansError, RunError
from pcrnet.evaluation.predictions import Predictions, write_predictions
from pcrnet.example_pictures import write_example_pictures
from pcrnet.imaging.cache import TensorCache
from pcrnet.imaging.known_scans import marks_of_all
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.quantify.table import write_quantities
from pcrnet.judging import (
    check_calibration,
    decisions_record,
    judge,
    judge_ablations,
    ship,
)
from pcrnet.models.kinds import read_model
from pcrnet.run_directory import RunDirectory
from pcrnet.simulation.trial import COVARIATES, code_digest, is_simulated, simulate_trial
from pcrnet.storage import read_record, sha256_json, taking_apart, write_json
from pcrnet.training.crossval import run_fits
from pcrnet.training.devices import overruling_variables, require_device
from pcrnet.training.events import (
    EpochReport,
    FitFinished,
    FitsPlanned,
    Listener,
    Progressed,
    Remark,
    RunEvent,
    StageStarted,
)
from pcrnet.training.fold import MODEL_FOLDER, FitJob, epochs_of_fit
from pcrnet.training.interrupts import heeding_interrupts
from pcrnet.training.nested import FittedDecision
from pcrnet.training.plan import SHIPPED_FIT, FitPlan, judged_fits, plan_fits
from pcrnet.training.precision import settle_precision


@dataclass(frozen=True)
class RunResult:
    """Where a finished run left its results."""

    directory: Path
    report: Path
    bundle: Path

    @property
    def metrics(self) -> dict[str, dict[str, dict[str, Any]]]:
        """``heads`` of ``metrics.json``."""
        path = self.report.parent / "metrics.json"
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
    run = RunDirectory(experiment.run.directory)
    with heeding_interrupts() as check_interrupt, run.opened(experiment):
        listen = _told_to_all(listeners, check_interrupt)
        job, scans, simulated = _prepare(experiment, run, listen)
        evaluation = experiment.evaluation
        listen(StageStarted("Training"))
        _fit(job, plan_fits(evaluation.folds, evaluation.mode), listen)

        listen(StageStarted("Calibration"))
        judged = judge(job, scans)
        final = ship(job)
        write_predictions(run.predictions, judged.predictions)
        write_json(run.decisions, decisions_record(judged.decisions, final))
        if evaluation.variants:
            _write_variants(run, job, scans, listen)
        _judge_rivals(run, job, scans, listen)
        write_example_pictures(run.pictures, job, judged.predictions, simulated=simulated)

        listen(StageStarted("Bundle"))
        _write_bundle(run, job, final, simulated)
        for number in range(2, evaluation.repeats + 1):
            _repeat(number, job, scans, run.repeat(number), listen)

        listen(StageStarted("Report"))
        from pcrnet.evaluation.analysis import evaluate_run

        report = evaluate_run(run.path)
        if evaluation.caution:
            listen(Remark(evaluation.caution))
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
    run = RunDirectory(experiment.run.directory)
    evaluation = experiment.evaluation
    with heeding_interrupts() as check_interrupt, run.opened(experiment):
        listen = _told_to_all(listeners, check_interrupt)
        job, scans, _ = _prepare(experiment, run, listen)
        listen(StageStarted("Training"))
        _fit(job, judged_fits(evaluation.folds, evaluation.mode), listen)
        listen(StageStarted("Calibration"))
        predictions = judge(job, scans).predictions
    from pcrnet.evaluation.analysis import analyse
    from pcrnet.evaluation.record import metrics_record
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


def _prepare(
    experiment: Experiment, run: RunDirectory, listen: Listener
) -> tuple[FitJob, dict[str, tuple[str, ...]], bool]:
    """Everything before the first fit: the job, each patient's scans, whether it is simulated."""
    cohort, covariates, simulated = _cohort(experiment, listen)
    listen(StageStarted("Preprocessing"))
    patients, unused = _read(experiment, cohort, covariates, run, listen)
    _check_before_images(experiment, patients, cohort.name, unused, listen)
    scans = _preprocess(experiment, patients, run, listen)
    run.write_patients(patients, covariates)
    splits = _splits(experiment, patients, run)
    job = FitJob(experiment, covariates, patients, splits, run.folds)
    check_calibration(job)
    job = replace(job, precision=settle_precision(job, run.precision, listen))
    run.write_environment(
        experiment,
        simulated=simulated,
        splits_sha256=splits.sha256,
        precision=job.precision,
    )
    return job, scans, simulated


def _cohort(experiment: Experiment, listen: Listener) -> tuple[Path, tuple[str, ...], bool]:
    """The cohort table, the covariates to use, and whether it is simulated."""
    data = experiment.data
    if data.cohort is not None:
        path = Path(data.cohort)
        return path, data.covariates or (), is_simulated(path)

    listen(StageStarted("Simulated trial"))
    directory = Path(experiment.run.root) / "trials" / simulation_name(experiment)
    path = simulate_trial(
        directory, data.simulation, progress=lambda done, total: listen(Progressed(done, total))
    )
    listen(Remark(f"simulated cohort: {path}"))
    return path, COVARIATES if data.covariates is None else data.covariates, True


def simulation_name(experiment: Experiment) -> str:
    """Folder of a simulated trial; trials that differ have different names."""
    simulation = experiment.data.simulation
    digest = sha256_json([simulation.model_dump(mode="json"), code_digest()])
    return f"{simulation.patients}-patients-{digest[:8]}"


def _read(
    experiment: Experiment,
    cohort: Path,
    covariates: Sequence[str],
    run: RunDirectory,
    listen: Listener,
) -> tuple[tuple[Patient, ...], tuple[str, ...]]:
    """The patients who enter, by name, and the columns of the table that are left aside."""
    data = experiment.data
    table = read_cohort(
        cohort,
        definition=experiment.outcome.definition,
        timepoints=data.timepoints,
        channels=data.channels,
        covariates=covariates,
    )
    read = table.patients
    enough = [patient for patient in read if _scan_count(patient) >= data.minimum_scans]
    write_json(run.flow, _flow(read, enough, data.minimum_scans))
    if not enough:
        raise InsufficientScansError(
            f"no patient has the {data.minimum_scans} scans that are needed",
            file=cohort.name,
            field="data.minimum_scans",
            remedy="lower data.minimum_scans, or name other timepoints and channels",
        )
    if len(enough) < len(read):
        listen(Remark(f"{len(read) - len(enough)} patients have too few scans and do not enter"))
    return tuple(sorted(enough, key=lambda patient: patient.patient_id)), table.unused_columns


def _check_before_images(
    experiment: Experiment,
    patients: Sequence[Patient],
    table: str,
    unused_columns: Sequence[str],
    listen: Listener,
) -> None:
    """Refuse what nothing can be learned from before hours of work; show outcomes by fold."""
    evaluation = experiment.evaluation
    for number in range(1, evaluation.repeats + 1):
        seed = _seed(experiment, number)
        splits = make_splits(patients, evaluation.folds, seed, evaluation.group)
        lines = check_outcomes(
            patients,
            splits.fold_of,
            [plan.left_out for plan in plan_fits(evaluation.folds, evaluation.mode)],
            table=table,
            unused_columns=unused_columns,
        )
        if number == 1:
            for line in lines:
                listen(Remark(line))


def _preprocess(
    experiment: Experiment, patients: Sequence[Patient], run: RunDirectory, listen: Listener
) -> dict[str, tuple[str, ...]]:
    """Make the tensors, write down the quantities; patient to the scans that a model is shown."""
    data = experiment.data
    cache = TensorCache(experiment.cache_directory, data, experiment.imaging)
    cache.build(patients, progress=lambda done, total: listen(Progressed(done, total)))
    tensors = {patient.patient_id: cache.get(patient) for patient in patients}
    names = [spec.name for spec in quantity_specs(data, experiment.imaging)]
    measured = {name: tensor.quantities.values for name, tensor in tensors.items()}
    write_quantities(run.quantities, names, measured)
    return {
        name: scans_present(tensor, data.timepoints, data.channels)
        for name, tensor in tensors.items()
    }


def _seed(experiment: Experiment, number: int) -> int:
    """Seed of a repeat of the cross-validation; the first is the run itself."""
    seed = experiment.run.seed
    return seed if number == 1 else derive_seed(seed, "repeat", number) % 2**31


def _scan_count(patient: Patient) -> int:
    return sum(len(visit.scans) for visit in patient.visits.values())


def _flow(
    read: Sequence[Patient], enough: Sequence[Patient], minimum: int
) -> list[dict[str, object]]:
    """Steps from the rows of the table to the patients who enter, and why the others do not."""
    few = f"fewer than {minimum} scan{'s' if minimum > 1 else ''}"
    return [
        {"step": "rows in the cohort table", "n": len(read), "reason": ""},
        {"step": "patients with enough scans", "n": len(enough), "reason": few},
    ]


def _splits(experiment: Experiment, patients: Sequence[Patient], run: RunDirectory) -> Splits:
    """The folds of this run: made once, then read back."""
    evaluation = experiment.evaluation
    splits = make_splits(patients, evaluation.folds, experiment.run.seed, evaluation.group)
    if run.splits.is_file():
        written = read_splits(run.splits)
        if written != splits:
            raise RunError(
                "patients, sites or outcomes have changed since the folds of this run were made",
                file=run.splits,
                remedy="choose another run.name, or delete the run's folder",
            )
        return written
    splits.write(run.splits)
    return splits


def _fit(job: FitJob, plans: Sequence[FitPlan], listen: Listener) -> None:
    ignored = overruling_variables()
    if ignored:
        listen(Remark(f"{', '.join(ignored)}: ignored, settings stand in the configuration"))
    names = tuple(plan.name for plan in plans)
    listen(FitsPlanned(names, epochs_of_fit(job.experiment)))
    run_fits(job, plans, listen)


def _repeat(
    number: int,
    first: FitJob,
    scans: Mapping[str, tuple[str, ...]],
    place: RunDirectory,
    listen: Listener,
) -> None:
    """The cross-validation once more: the same experiment under another seed, to be judged only."""
    experiment = first.experiment.reseeded(_seed(first.experiment, number))
    evaluation = experiment.evaluation
    listen(StageStarted(f"Repeat {number} of {evaluation.repeats}"))
    splits = _splits(experiment, first.patients, place)
    job = replace(first, experiment=experiment, splits=splits, directory=place.folds)

    listen_here = _renamed(listen, f"repeat-{number}")
    _fit(job, judged_fits(evaluation.folds, evaluation.mode), listen_here)
    write_predictions(place.predictions, judge(job, scans).predictions)


def _write_variants(
    run: RunDirectory, job: FitJob, scans: Mapping[str, tuple[str, ...]], listen: Listener
) -> None:
    listen(StageStarted("Ablations"))
    hidden = judge_ablations(job, scans, lambda done, total: listen(Progressed(done, total)))
    for name, predictions in hidden.items():
        write_predictions(run.ablations / f"{name}.csv", predictions)


def _judge_rivals(
    run: RunDirectory, job: FitJob, scans: Mapping[str, tuple[str, ...]], listen: Listener
) -> None:
    """Other models on the same folds, by the same procedure."""
    experiment = job.experiment
    evaluation = experiment.evaluation
    for kind in evaluation.rivals:
        if kind == experiment.model.kind:
            continue
        listen(StageStarted(f"Rival: {kind}"))
        own = experiment.model_copy(update={"model": rival_config(kind)})
        place = run.rivals / kind
        rival = replace(job, experiment=own, directory=place, precision=None)
        # What holds of the gradients of one network need not hold of another's.
        settled = settle_precision(rival, place / run.precision.name, listen)
        rival = replace(rival, precision=settled)
        _fit(rival, judged_fits(evaluation.folds, evaluation.mode), _renamed(listen, kind))
        seen = scans if kind != "clinical" else dict.fromkeys(scans, ())
        write_predictions(run.baselines / f"{kind}.csv", judge(rival, seen).predictions)


def _renamed(listen: Listener, prefix: str) -> Listener:
    """Fits of a repeat and of a rival bear the names of the run's own; here they do not."""

    def listen_here(event: RunEvent) -> None:
        if isinstance(event, EpochReport | FitFinished):
            event = replace(event, fit=f"{prefix}-{event.fit}")
        elif isinstance(event, FitsPlanned):
            event = replace(event, fits=tuple(f"{prefix}-{fit}" for fit in event.fits))
        listen(event)

    return listen_here


def _write_bundle(run: RunDirectory, job: FitJob, final: FittedDecision, simulated: bool) -> None:
    """The model that learned from everybody, with the calibrator fitted on what others left out."""
    experiment = job.experiment
    folder = job.directory / SHIPPED_FIT.name / MODEL_FOLDER
    model = read_model(folder, experiment.model, experiment.data, experiment.imaging)
    manifest = describe_bundle(
        experiment,
        covariates=job.covariates,
        about=model.describe(),
        calibrator=final.calibrator,
        operating_points=final.thresholds,
        splits_sha256=job.splits.sha256,
        simulated=simulated,
        trained_on=marks_of_all(job.patients, job.cache().memo),
    )
    write_bundle(run.bundle, manifest, model)
