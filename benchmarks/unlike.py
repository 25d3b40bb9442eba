"""How well a bundle tells patients who are unlike its training patients, and how often it errs.

A reference is learned from simulated sites; patients of new sites with other scanners are judged as
they are (every alarm is false) and after one corruption each (every silence is a miss). A patient
whom the reader refuses counts as told.

    python benchmarks/unlike.py --world amount --seed 701 --work /tmp/unlike --out result.json
"""

from __future__ import annotations

import argparse
import pickle
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.corruptions import CORRUPTIONS
from benchmarks.harness import describe_machine, publish
from benchmarks.new_sites import simulate_new_sites
from pcrnet.applicability.judgement import judge_patient
from pcrnet.applicability.reference import CohortReference
from pcrnet.cohort.table import Patient, read_cohort
from pcrnet.config.data import SimulationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.errors import PcrnetError
from pcrnet.evaluation.statistics import discrimination
from pcrnet.evaluation.statistics.intervals import wilson_interval
from pcrnet.imaging.tensors.cache import TensorCache
from pcrnet.imaging.tensors.preprocess import PatientTensor, preprocess_patient
from pcrnet.imaging.units import channel_unit
from pcrnet.simulation.trial import COVARIATES, simulate_trial

_REFUSED = 99.0
_CLEAN = "as it is"


def main() -> None:
    """Learn, corrupt, judge, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", choices=("amount", "pattern"), default="amount")
    parser.add_argument("--train", type=int, default=60, help="patients of the training sites")
    parser.add_argument("--train-seed", type=int, default=501)
    parser.add_argument("--seed", type=int, default=701, help="of the new sites")
    parser.add_argument("--clean", type=int, default=30, help="patients of the new sites")
    parser.add_argument("--corrupted", type=int, default=16, help="of them, also corrupted")
    parser.add_argument("--each", type=int, default=5, help="corruptions of each of them")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--train-folder", type=Path, help="a simulated cohort to learn from")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--again", action="store_true", help="judge anew what was kept in --work")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    experiment = load_experiment([])
    reference = learn(options, experiment)
    kept = options.work / f"kept-{options.world}-{options.seed}.pkl"
    cases: list[Case] = (
        pickle.loads(kept.read_bytes())  # noqa: S301 - our own file
        if options.again
        else look(options, experiment, kept)
    )
    clean: list[tuple[float, str]] = []
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for name, patient, seen in cases:
        score = strangeness(reference, patient, seen, experiment)
        (clean if name == _CLEAN else found[name]).append(score)
        print(name, patient.patient_id, score, flush=True)
    publish(summary(options, clean, found), options.out)


Case = tuple[str, Patient, PatientTensor | str]


def look(options: argparse.Namespace, experiment: Experiment, kept: Path) -> list[Case]:
    """Preprocess the patients of new sites, as they are and corrupted; kept without images."""
    config = SimulationConfig(world=options.world, patients=options.clean, seed=options.seed)
    table = simulate_new_sites(options.work / f"new-{options.world}-{options.seed}", config)
    patients = read(table, experiment)
    cases: list[Case] = [(_CLEAN, patient, seen(patient, experiment)) for patient in patients]
    names = list(CORRUPTIONS)
    turn = 0
    for index, patient in enumerate(patients[: options.corrupted]):
        for _ in range(options.each):
            name = names[turn % len(names)]
            turn += 1
            folder = options.work / f"corrupted-{options.world}"
            shutil.rmtree(folder, ignore_errors=True)
            changed = CORRUPTIONS[name](patient, folder, np.random.default_rng([index, turn]))
            cases.append((name, changed, seen(changed, experiment)))
        kept.write_bytes(pickle.dumps(cases))
    return cases


def seen(patient: Patient, experiment: Experiment) -> PatientTensor | str:
    """What is shown of a patient, without the image; why the reader refuses, where it does."""
    try:
        tensor = preprocess_patient(patient, experiment.data, experiment.imaging)
    except PcrnetError as error:
        return str(error.field)
    return replace(tensor, image=tensor.image[..., :0, :0, :0])


def learn(options: argparse.Namespace, experiment: Experiment) -> CohortReference:
    """The reference of the training sites."""
    if options.train_folder is not None:
        table = options.train_folder / "cohort.csv"
    else:
        config = SimulationConfig(
            world=options.world, patients=options.train, seed=options.train_seed
        )
        table = simulate_trial(options.work / f"train-{options.world}", config)
    patients = read(table, experiment)[: options.train]
    folder = options.cache or options.work / "cache"
    cache = TensorCache(folder, experiment.data, experiment.imaging)
    cache.build(patients, workers=1)
    tensors = [cache.get(patient) for patient in patients]
    return CohortReference.fit(patients, tensors, COVARIATES, experiment.data, experiment.imaging)


def read(table: Path, experiment: Experiment) -> tuple[Patient, ...]:
    """The patients of a simulated table."""
    data = experiment.data
    return read_cohort(
        table, timepoints=data.timepoints, channels=data.channels, covariates=COVARIATES
    ).patients


def strangeness(
    reference: CohortReference, patient: Patient, seen: PatientTensor | str, experiment: Experiment
) -> tuple[float, str]:
    """How strange a patient is (above 1: unlike), and where the strongest reason lies."""
    data, imaging = experiment.data, experiment.imaging
    if isinstance(seen, str):
        return _REFUSED, f"refused: {seen}"
    units = [channel_unit(imaging.channel_kind(name), imaging.dicom) for name in data.channels]
    likeness = judge_patient(reference, patient, seen, data.timepoints, data.channels, units)
    doubt = likeness.doubts[0] if likeness.doubts else None
    return round(likeness.strangeness, 4), "" if doubt is None else str(doubt)


def summary(
    options: argparse.Namespace,
    clean: list[tuple[float, str]],
    found: dict[str, list[tuple[float, str]]],
) -> dict[str, object]:
    """False alarms, and of each corruption the share told and the AUC."""
    usual = np.array([score for score, _ in clean])
    every = np.array([score for scores in found.values() for score, _ in scores])
    return {
        "machine": describe_machine(),
        "world": options.world,
        "training_patients": options.train,
        "training_seed": options.train_seed,
        "new_sites_seed": options.seed,
        "clean": len(usual),
        "false_alarms": int((usual > 1).sum()),
        **_share("false_alarm_rate", usual > 1),
        "corrupted": len(every),
        **_share("told", every > 1),
        "auc": round(auc(every, usual), 4),
        "auc_interval": _auc_interval(every, usual),
        "corruptions": {
            name: {
                "n": len(scores),
                "told": round(float(np.mean([score > 1 for score, _ in scores])), 3),
                "auc": round(auc(np.array([score for score, _ in scores]), usual), 3),
                "reason": scores[0][1],
            }
            for name, scores in found.items()
        },
        "clean_scores": sorted(round(float(score), 3) for score in usual),
    }


def _share(name: str, found: np.ndarray) -> dict[str, object]:
    """A share with its 95 % interval (Wilson)."""
    low, high = wilson_interval(int(found.sum()), len(found))
    return {
        name: round(float(found.mean()), 4),
        f"{name}_interval": [round(low, 4), round(high, 4)],
    }


def _auc_interval(bad: np.ndarray, usual: np.ndarray) -> list[float | None]:
    """Of 95 % (DeLong; exact where nothing overlaps). Corrupted patients are among the sound ones,
    too, which it does not count: it is a little wider than need be.
    """
    label = np.repeat([1.0, 0.0], [len(bad), len(usual)])
    found = discrimination.auc(np.concatenate([bad, usual]), label)
    return [None if end is None else round(end, 4) for end in (found.low, found.high)]


def auc(bad: np.ndarray, usual: np.ndarray) -> float:
    """The chance that a corrupted patient looks stranger than a sound one; ties count half."""
    apart = bad[:, None] - usual[None]
    return float((apart > 0).mean() + 0.5 * (apart == 0).mean())


if __name__ == "__main__":
    main()
