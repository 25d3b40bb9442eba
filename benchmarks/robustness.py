"""What a model loses where patients are not as those it learned from, in both simulated worlds.

python benchmarks/robustness.py --json FILE --folder DIR --worlds pattern --seeds 1 2 3
    [--what hidden masks sites] [--dice 0.9 0.8 0.7] [--model quantitative] [--test 600]

The models are those that ``learning.py`` fitted on 240 patients in the same folder, with their
calibrators. ``hidden``: a branch or a visit is hidden from a model that learned from everything,
beside one that learned without it; a visit alone is held against the oracle of that visit.
``masks``: the outlines of fresh patients are eroded, dilated or shifted to a given Dice coefficient
with what was drawn; where a lesion is too small to reach it, as near as its voxels allow.
``sites``: fresh patients from scanners and protocols of other hospitals (``new_sites.py``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, shift

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import commit, describe_torch, keep
from benchmarks.learning import (
    FRESH,
    FRESH_SEED,
    JUDGED,
    MODELS,
    Shipped,
    World,
    cohort_of,
    compared,
    score,
)
from benchmarks.new_sites import simulate_new_sites
from pcrnet.cohort.table import Patient, allowed_cells, read_cohort
from pcrnet.config.data import DataConfig, SimulationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.data.splits import make_splits
from pcrnet.decision.nested import final_decision
from pcrnet.imaging.tensors.cache import TensorCache
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.contract import FitRequest, FittedModel
from pcrnet.models.kinds import fit_model
from pcrnet.simulation.trial import COVARIATES
from pcrnet.simulation.truth import VisitName, truth_of
from pcrnet.training.plan import judged_fits

BoolArray = NDArray[np.bool_]
Record = dict[str, object]
_SITE_SEED = 910_000


@dataclass(frozen=True, eq=False)
class Hiding:
    """Tensors of which some scans are as if they had never been made."""

    source: TensorCache
    shown: BoolArray

    def get(self, patient: Patient) -> PatientTensor:
        """The patient's tensor, with less in it."""
        tensor = self.source.get(patient)
        return replace(tensor, present=tensor.present & self.shown)


def shown_without(data: DataConfig) -> dict[str, BoolArray]:
    """Scans (T, C) that are left, by what is hidden."""
    whole = np.ones((len(data.timepoints), len(data.channels)), dtype=bool)
    left = {}
    for branch, channels in data.branches.items():
        left[branch] = whole & [channel not in channels for channel in data.channels]
    for row, timepoint in enumerate(data.timepoints):
        left[timepoint] = whole & (np.arange(len(whole)) != row)[:, None]
    return left


def of_hidden(experiment: Experiment, train: World, fresh: World, place: Path) -> Iterator[Record]:
    """A model that learned from everything, and one that learned without."""
    whole = Shipped.of(experiment, train.patients, place)
    for name, shown in shown_without(experiment.data).items():
        hidden = whole.says(fresh.patients, shown=shown)
        learned = fitted_without(experiment, train, shown).says(
            fresh.patients, Hiding(whole.cache, shown)
        )
        for head in JUDGED:
            label = fresh.truth.outcome[head]
            visit: VisitName = "baseline" if name == "interim" else "interim"
            yield {
                "what": "hidden",
                "hidden": name,
                "head": head,
                **score(hidden[head], label),
                "learned_without": score(learned[head], label),
                "less_learned_without": compared(hidden[head], learned[head], label),
                "oracle_of_what_is_left": score(fresh.truth.prob(head, visit), label)
                if name == "interim"
                else None,
            }


def fitted_without(experiment: Experiment, train: World, shown: BoolArray) -> Shipped:
    """The quantitative model of patients of whom only some scans were ever made."""
    cache = TensorCache(experiment.cache_directory, experiment.data, experiment.imaging)
    patients = sorted(train.patients, key=lambda patient: patient.patient_id)
    evaluation, source = experiment.evaluation, Hiding(cache, shown)
    splits = make_splits(patients, evaluation.folds, experiment.run.seed, "patient")
    fold = np.array([splits.fold_of[patient.patient_id] for patient in patients])

    def fit(name: str, chosen: Sequence[Patient]) -> FittedModel:
        request = FitRequest(
            name=name,
            patients=tuple(chosen),
            source=source,
            covariates=COVARIATES,
            data=experiment.data,
            imaging=experiment.imaging,
            seed=experiment.run.seed,
            optimise=lambda *asked: None,
        )
        return fit_model(experiment.model, request)

    logits = {}
    for plan in judged_fits(evaluation.folds, evaluation.mode):
        out = np.isin(fold, plan.left_out)
        kept, left = ([p for p, o in zip(patients, out, strict=True) if o == x] for x in (0, 1))
        found = np.full((len(patients), 3), np.nan)
        found[out] = fit(f"without-{plan.name}", kept).logits(left, source)
        logits[plan.left_out] = found
    decision = final_decision(fold, allowed_cells(patients), logits, evaluation)
    return Shipped(fit("with-all", patients), decision.calibrator, cache)


def dice(first: BoolArray, second: BoolArray) -> float:
    """2 |A ∩ B| / (|A| + |B|)."""
    return float(2.0 * (first & second).sum() / max(first.sum() + second.sum(), 1))


def degraded(mask: BoolArray, spacing_mm: Sequence[float], wanted: float, how: str) -> BoolArray:
    """An outline as near to a Dice coefficient with ``mask`` as its voxels allow, never empty."""
    outside = distance_transform_edt(~mask, sampling=spacing_mm)
    signed = outside - distance_transform_edt(mask, sampling=spacing_mm)

    def made(size: float) -> BoolArray:
        if how == "dilated":
            return np.asarray(signed <= size)
        if how == "eroded":
            return np.asarray(signed < -size)
        direction = np.array([1.0, 1.0, 1.0]) / np.sqrt(3.0) / np.asarray(spacing_mm)
        moved = shift(mask.astype(np.float32), size * direction, order=1)
        return np.asarray(moved >= 0.5)

    low, high = 0.0, 30.0
    for _ in range(24):
        middle = (low + high) / 2.0
        new = made(middle)
        if new.any() and dice(mask, new) > wanted:
            low = middle
        else:
            high = middle
    nearest = min((made(low), made(high)), key=lambda new: abs(dice(mask, new) - wanted))
    return nearest if nearest.any() else mask


HOW = ("eroded", "dilated", "shifted")


def of_masks(
    experiment: Experiment,
    train: World,
    fresh: World,
    place: Path,
    folder: Path,
    coefficients: Sequence[float],
) -> Iterator[Record]:
    """The same patients with their outlines as drawn, and spoiled; every way in equal parts."""
    whole = Shipped.of(experiment, train.patients, place)
    outlined = np.array([p.visits["baseline"].mask is not None for p in fresh.patients])
    patients = [p for p, has in zip(fresh.patients, outlined, strict=True) if has]
    drawn = whole.says(patients)
    for wanted in coefficients:
        reached, spoiled = [], []
        for index, patient in enumerate(patients):
            new, found = with_mask(patient, wanted, HOW[index % 3], folder / f"dice-{wanted}")
            spoiled.append(new)
            reached.append(found)
        whole.cache.build(spoiled)
        said = whole.says(spoiled)
        for head in JUDGED:
            label = fresh.truth.outcome[head][outlined]
            yield {
                "what": "masks",
                "dice": wanted,
                "reached": round(float(np.mean(reached)), 3),
                "patients": len(patients),
                "head": head,
                **score(said[head], label),
                "less_as_drawn": compared(said[head], drawn[head], label),
            }


def with_mask(patient: Patient, wanted: float, how: str, folder: Path) -> tuple[Patient, float]:
    """The patient with a spoiled outline, kept in ``folder``, and its Dice coefficient."""
    visit = patient.visits["baseline"]
    image = nib.load(visit.mask)
    mask = np.asanyarray(image.dataobj) > 0
    path = folder / f"{patient.patient_id}.nii.gz"
    if not path.is_file():
        new = degraded(mask, image.header.get_zooms()[:3], wanted, how)
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(new.astype(np.uint8), image.affine), path)
    reached = dice(mask, np.asanyarray(nib.load(path).dataobj) > 0)
    visits = dict(patient.visits) | {"baseline": replace(visit, mask=path)}
    return replace(patient, visits=visits), reached


def of_sites(
    experiment: Experiment, train: World, fresh: World, place: Path, folder: Path, world: str
) -> Iterator[Record]:
    """Patients of other hospitals, by the model as it is; beside those of its own."""
    whole = Shipped.of(experiment, train.patients, place)
    config = SimulationConfig.model_validate(
        {"world": world, "patients": len(fresh.patients), "seed": _SITE_SEED}
    )
    table = folder / "cohort.csv"
    if not table.is_file():
        simulate_new_sites(folder, config)
    strangers = read_cohort(
        table,
        definition=experiment.outcome.definition,
        timepoints=experiment.data.timepoints,
        channels=experiment.data.channels,
        covariates=COVARIATES,
    ).patients
    whole.cache.build(strangers)
    truth = truth_of(config)
    said, at_home = whole.says(strangers), whole.says(fresh.patients)
    for head in JUDGED:
        label, own = truth.outcome[head], fresh.truth.outcome[head]
        yield {
            "what": "sites",
            "head": head,
            **score(said[head], label),
            "in_the_large": round(float(label.mean() - said[head].mean()), 4),
            "oracle": score(truth.prob(head), label),
            "at_home": score(at_home[head], own),
            "oracle_at_home": score(fresh.truth.prob(head), own),
        }


def _find(
    what: str,
    experiment: Experiment,
    train: World,
    fresh: World,
    place: Path,
    folder: Path,
    world: str,
    coefficients: Sequence[float],
) -> Iterator[Record]:
    match what:
        case "hidden":
            return of_hidden(experiment, train, fresh, place)
        case "masks":
            spoiled = folder / f"masks-{world}"
            return of_masks(experiment, train, fresh, place, spoiled, coefficients)
        case "sites":
            return of_sites(experiment, train, fresh, place, folder / f"sites-{world}", world)
        case _:
            raise ValueError(f"no such question: {what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    parser.add_argument("--worlds", nargs="+", default=["amount", "pattern"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--what", nargs="+", default=["hidden", "masks", "sites"])
    parser.add_argument("--dice", nargs="+", type=float, default=[0.9, 0.8, 0.7])
    parser.add_argument("--model", default="quantitative")
    parser.add_argument("--test", type=int, default=600)
    options = parser.parse_args()
    base = [f"run.root={options.folder}", *MODELS[options.model]]
    records = json.loads(options.json.read_text())["records"] if options.json.is_file() else []
    for world in options.worlds:
        for seed in options.seeds:
            experiment = load_experiment([*base, f"run.seed={seed}"])
            fresh = cohort_of(world, FRESH, FRESH_SEED, options.folder, experiment, options.test)
            train = cohort_of(world, 240, seed, options.folder, experiment, 240)
            place = options.folder / "fits" / f"{world}-240-{seed}-{options.model}"
            given = (experiment, train, fresh, place)
            for what in options.what:
                key = {"world": world, "seed": seed, "model": options.model, "test": options.test}
                if any({"what": what, **key}.items() <= old.items() for old in records):
                    continue
                for found in list(_find(what, *given, options.folder, world, options.dice)):
                    records.append({**key, **found, "commit": commit()})
                    print(json.dumps(records[-1]), flush=True)
                whole = {"machine": describe_torch(), "records": records}
                keep(whole, options.json)


if __name__ == "__main__":
    main()
