"""All that comes before the first fit: the table, the tensors, the folds, the precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pcrnet.cohort.covariates import mixed_covariates
from pcrnet.cohort.outcome_counts import check_outcomes
from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.config.experiment import Experiment
from pcrnet.config.model import RIVALS
from pcrnet.data.seeds import derive_seed
from pcrnet.data.splits import Splits, make_splits, read_splits
from pcrnet.doctor.needs import foresee
from pcrnet.errors import ConfigError, InsufficientScansError, ProblemListError, RunError
from pcrnet.imaging.known_scans import repeated_scans
from pcrnet.imaging.quantify.record import Quantities
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.quantify.table import write_quantities
from pcrnet.imaging.tensors.cache import Identity, TensorCache
from pcrnet.imaging.tensors.preprocess import PatientTensor, scans_present
from pcrnet.models.kinds import KINDS
from pcrnet.review.channel_rules import rules_in_words
from pcrnet.review.measured_twins import measured_twins
from pcrnet.run.directory import RunDirectory
from pcrnet.run.judging import check_calibration
from pcrnet.run_layout import RunLayout
from pcrnet.simulation.trial import COVARIATES, code_digest, is_simulated, simulate_trial
from pcrnet.storage import sha256_json, write_json
from pcrnet.training.demands.precision import settle_precision
from pcrnet.training.devices import lightning_precision
from pcrnet.training.events import (
    Listener,
    Progressed,
    Remark,
    StageStarted,
)
from pcrnet.training.fit import FitJob
from pcrnet.training.plan import plan_fits


@dataclass(frozen=True)
class Material:
    """What the fits of an experiment are made from; the same for all that read it alike.

    Attributes:
        covariates: Clinical columns that enter.
        patients: Who enters, by name.
        scans: Patient to the scans that a model is shown.
        flow: From the rows of the table to the patients who enter.
        quantities: Patient to what was measured, and what stands behind it.
        simulated: Whether the patients were simulated.
        verified: Tensor files whose checksums were found right; they are not read again for it.
    """

    covariates: tuple[str, ...]
    patients: tuple[Patient, ...]
    scans: dict[str, tuple[str, ...]]
    flow: list[dict[str, object]]
    quantities: dict[str, Quantities]
    simulated: bool
    verified: dict[str, Identity]


def prepare(
    experiment: Experiment, run: RunDirectory, listen: Listener
) -> tuple[FitJob, dict[str, tuple[str, ...]], bool]:
    """Everything before the first fit: the job, each patient's scans, whether it is simulated."""

    def look_ahead(patients: int, covariates: int) -> None:
        needs = foresee(experiment, patients, covariates)
        for line in needs.lines():
            listen(Remark(line))
        needs.require_room()

    material = gather(experiment, listen, look_ahead)
    return settle(experiment, material, run, listen), material.scans, material.simulated


def gather(
    experiment: Experiment,
    listen: Listener,
    look_ahead: Callable[[int, int], None] = lambda patients, covariates: None,
) -> Material:
    """Read the table, refuse what nothing can be learned from, make the tensors.

    Args:
        experiment: The configuration.
        listen: Told of stages and progress.
        look_ahead: Called with the numbers of patients and covariates before an image is read.
    """
    cohort, covariates, simulated = _cohort(experiment, listen)
    _check_something_to_learn_from(experiment, covariates, cohort.name)
    listen(StageStarted("Preprocessing"))
    for line in rules_in_words(experiment.data, experiment.imaging):
        listen(Remark(line))
    patients, flow, unused = _read(experiment, cohort, covariates, listen)
    _check_before_images(experiment, patients, cohort.name, unused, listen)
    look_ahead(len(patients), len(covariates))
    scans, quantities, verified = _preprocess(experiment, patients, listen)
    return Material(covariates, patients, scans, flow, quantities, simulated, verified)


def settle(
    experiment: Experiment, material: Material, run: RunDirectory, listen: Listener
) -> FitJob:
    """Folds and precision of a run, with the records of what it is made from."""
    patients, covariates = material.patients, material.covariates
    write_json(run.flow, material.flow)
    names = [spec.name for spec in quantity_specs(experiment.data, experiment.imaging)]
    measured = material.quantities
    write_quantities(run.quantities, names, {name: of.values for name, of in measured.items()})
    run.write_patients(patients, covariates, {name: of.flags for name, of in measured.items()})
    splits = splits_of_run(experiment, patients, run)
    job = FitJob(experiment, covariates, patients, splits, run.folds, verified=material.verified)
    check_calibration(job)
    job = replace(job, precision=settle_precision(job, run.precision, listen))
    run.write_environment(
        experiment,
        simulated=material.simulated,
        splits_sha256=splits.sha256,
        precision=_precision(job),
    )
    return job


def _precision(job: FitJob) -> str:
    """What the run's own fits are computed in, in Lightning's words; numpy's fits are in double."""
    trains = KINDS[job.experiment.model.kind].trains
    return lightning_precision(job.training) if trains else "64-true"


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
    listen: Listener,
) -> tuple[tuple[Patient, ...], list[dict[str, object]], tuple[str, ...]]:
    """The patients who enter, how they were chosen, and the columns that are left aside."""
    data = experiment.data
    table = read_cohort(
        cohort,
        definition=experiment.outcome.definition,
        timepoints=data.timepoints,
        channels=data.channels,
        covariates=covariates,
    )
    for remark in table.remarks:
        listen(Remark(f"{cohort.name}: {remark}"))
    read = table.patients
    mixed = list(mixed_covariates(read, covariates, cohort.name))
    if mixed:
        raise ProblemListError("these covariates cannot be used", mixed)
    enough = [patient for patient in read if _scan_count(patient) >= data.minimum_scans]
    if not enough:
        raise InsufficientScansError(
            f"no patient has the {data.minimum_scans} scans that are needed",
            file=cohort.name,
            field="data.minimum_scans",
            remedy="lower data.minimum_scans, or name other timepoints and channels",
        )
    if len(enough) < len(read):
        listen(Remark(f"{len(read) - len(enough)} patients have too few scans and do not enter"))
    patients = tuple(sorted(enough, key=lambda patient: patient.patient_id))
    return patients, _flow(read, enough, data.minimum_scans), table.unused_columns


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


def _check_something_to_learn_from(
    experiment: Experiment, covariates: Sequence[str], table: str
) -> None:
    """Refuse a model that is shown nothing: it would give everybody the same probability."""
    kind = experiment.model.kind
    if not covariates and kind in RIVALS and not RIVALS[kind].rests_on_scans:
        raise ConfigError(
            f"the {kind} model rests on covariates alone, and none is named",
            file=table,
            field="data.covariates",
            remedy='name columns of the cohort table, such as data.covariates="[age, er_percent]", '
            "or choose a model.kind that looks at scans",
        )


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
        seed = seed_of_repeat(experiment, number)
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


def seed_of_repeat(experiment: Experiment, number: int) -> int:
    """Seed of a repeat of the cross-validation; the first is the run itself."""
    seed = experiment.run.seed
    return seed if number == 1 else derive_seed(seed, "repeat", number) % 2**31


def _preprocess(
    experiment: Experiment, patients: Sequence[Patient], listen: Listener
) -> tuple[dict[str, tuple[str, ...]], dict[str, Quantities], dict[str, Identity]]:
    """Make the tensors.

    Returns:
        Patient to the scans that a model is shown, patient to what was measured, and the files
        that were verified.
    """
    data = experiment.data
    cache = TensorCache(experiment.cache_directory, data, experiment.imaging)
    repeated = repeated_scans(
        patients,
        cache.memo,
        progress=lambda done, total: listen(Progressed(done, total, "files hashed")),
    )
    if problems := list(repeated):
        raise ProblemListError("scans are there more than once", problems)
    cache.build(
        patients,
        progress=lambda done, total: listen(Progressed(done, total)),
        hashed=lambda done, total: listen(Progressed(done, total, "patients hashed")),
    )
    tensors: dict[str, PatientTensor] = {}
    for patient in patients:
        tensors[patient.patient_id] = cache.get(patient)
        listen(Progressed(len(tensors), len(patients), "tensors verified"))
    scans = {
        name: scans_present(tensor, data.timepoints, data.channels)
        for name, tensor in tensors.items()
    }
    measured = {name: tensor.quantities for name, tensor in tensors.items()}
    if problems := list(measured_twins(measured, data.timepoints)):
        raise ProblemListError("scans are there more than once", problems)
    return scans, measured, cache.verified


def splits_of_run(experiment: Experiment, patients: Sequence[Patient], run: RunLayout) -> Splits:
    """The folds of this run: made once, then read back.

    Raises:
        RunError: Patients, sites or outcomes are others than when they were made.
        IntegrityError: The file of the folds is damaged.
    """
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
