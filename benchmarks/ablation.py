"""Does any correction of the quantitative model earn its place? One row each, on fresh patients.

python benchmarks/ablation.py --json FILE --folder DIR [--worlds amount pattern] [--seeds 1 2 3]
    [--sizes 240 480 720] [--rows NAME ...]
    [--measurer WEIGHTS.pt]

Cohorts, tensors and quantities are those of ``learning.py`` in the same folder; sizes above a
cohort's join the cohorts of several seeds. How a correction learns is told in
``ablation_rows.py``; with the weights of ``pretraining.py`` there are rows for these, too.
``biology as correction`` is given the true biology: what the same procedure makes of a signal that
no image holds in full, so the most that a correction can bring. Rows without a correction are
fitted directly. Nothing is calibrated: what is compared are logits.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.ablation_rows import (
    CORRECTIONS,
    COVARIATES,
    DIRECT,
    NETWORKS,
    PRETRAINED,
    PRETRAINED_CORRECTIONS,
    Beginning,
    Direct,
    Fit,
    FloatArray,
    Table,
    by_network,
    joined,
)
from benchmarks.field_networks import Weights, read_weights, told_and_pooled
from benchmarks.fields import fields_of
from benchmarks.harness import commit, describe_torch, keep
from benchmarks.learning import FRESH, FRESH_SEED, JUDGED, World, cohort_of, compared, score
from pcrnet.cohort.outcome import CELLS
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.decision.calibrators import head_probabilities, joint_cells
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.tensors.cache import TensorCache


def moments_of(image: NDArray[np.floating], present: NDArray[np.bool_]) -> list[float]:
    """Moments of every channel's map over the crop (T, C, X, Y, Z), and their changes.

    Mass above the crop's median (logarithm), distance of its centre from the crop's, radius of
    gyration, elongation, and the values' p50, p90 and p99; NaN where absent.
    """
    shape = image.shape[2:]
    axes = [np.arange(n) + 0.5 - n / 2 for n in shape]
    place = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    found = np.full((*image.shape[:2], 7), np.nan)
    for visit, channel in zip(*np.nonzero(present), strict=True):
        values = image[visit, channel].astype(np.float64).ravel()
        excess = np.maximum(values - np.median(values), 0.0)
        weight = excess / max(float(excess.sum()), 1e-9)
        centre = weight @ place
        spread = np.linalg.eigvalsh((place - centre).T @ ((place - centre) * weight[:, None]))
        found[visit, channel] = [
            np.log(excess.sum() + 1e-3),
            np.linalg.norm(centre),
            np.sqrt(spread.sum()),
            np.log((spread[2] + 1e-3) / (spread[0] + 1e-3)),
            *np.percentile(values, [50, 90, 99]),
        ]
    change = found[1:] - found[:1]
    return [*found.ravel(), *change.ravel()]


def table_of(world: World, experiment: Experiment, weights: Weights | None) -> Table:
    """Everything that rows are made of, for a cohort whose tensors are in the cache."""
    cache = TensorCache(experiment.cache_directory, experiment.data, experiment.imaging)
    specs = quantity_specs(experiment.data, experiment.imaging)
    modelled = [spec.name for spec in specs if spec.modelled]
    aside = [spec.name for spec in specs if not spec.modelled]
    values: list[list[float]] = []
    others: list[list[float]] = []
    moments: list[list[float]] = []
    for patient in world.patients:
        tensor = cache.get(patient)
        measured = tensor.quantities.values
        clinical = [patient.covariates.get(name) for name in COVARIATES]
        values.append(
            [measured.get(name, np.nan) for name in modelled]
            + [np.nan if text is None else float(text) for text in clinical]
        )
        others.append([measured.get(name, np.nan) for name in aside])
        moments.append(moments_of(tensor.image, tensor.present))
    known = world.truth.outcome
    cells = np.stack(
        [(known["yT0"] == breast) & (known["yN0"] == nodes) for breast, nodes in CELLS], axis=1
    )
    fields = None
    learned = features = np.empty((len(cells), 0))
    if weights is not None:
        fields = fields_of(world.patients, experiment, world.folder / "fields")
        learned, features = told_and_pooled(fields, weights)
    return Table(
        values=np.array(values, dtype=np.float64),
        others=np.array(others, dtype=np.float64),
        moments=np.array(moments, dtype=np.float64),
        biology=world.truth.biology,
        cells=cells,
        learned=learned,
        features=features,
        fields=fields,
    )


def record(
    logits: FloatArray, start: FloatArray, fresh: World, factors: FloatArray | None
) -> list[dict[str, object]]:
    """Scores of each head, and the paired difference from the quantitative model alone."""
    said, alone = (head_probabilities(joint_cells(each)) for each in (logits, start))
    kept = None if factors is None else [round(float(factor), 2) for factor in factors]
    return [
        {
            "head": head,
            **score(said[head], fresh.truth.outcome[head]),
            "less_quantitative": compared(said[head], alone[head], fresh.truth.outcome[head]),
            "factors": kept,
        }
        for head in JUDGED
    ]


def rows(weights: Weights | None) -> tuple[dict[str, Direct], dict[str, Fit]]:
    """The rows there are: without a correction, and with one."""
    if weights is None:
        return DIRECT, CORRECTIONS
    networks = {name: by_network(recipe, weights) for name, recipe in NETWORKS.items()}
    return DIRECT | PRETRAINED, {**CORRECTIONS, **PRETRAINED_CORRECTIONS, **networks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    parser.add_argument("--worlds", nargs="+", default=["amount", "pattern"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--sizes", nargs="+", type=int, default=[240, 480])
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--measurer", type=Path, help="weights that pretraining.py kept")
    parser.add_argument("--rows", nargs="+", help="some of the rows; all by default")
    options = parser.parse_args()
    weights = None if options.measurer is None else read_weights(options.measurer)
    direct, corrections = rows(weights)
    experiment = load_experiment([f"run.root={options.folder}"])
    records = json.loads(options.json.read_text())["records"] if options.json.is_file() else []
    for world in options.worlds:
        fresh = cohort_of(world, FRESH, FRESH_SEED, options.folder, experiment, options.test)
        asked = table_of(fresh, experiment, weights)
        cohorts = [
            table_of(
                cohort_of(world, 240, seed, options.folder, experiment, 240), experiment, weights
            )
            for seed in options.seeds
        ]
        for size in options.sizes:
            joint = max(1, size // 240)
            for first in range(0, len(cohorts) - joint + 1, joint):
                seeds = options.seeds[first : first + joint]
                key = {"world": world, "n": size, "seeds": seeds, "test": options.test}
                wanted = [
                    name
                    for name in options.rows or [*direct, *corrections]
                    if not any({"row": name, **key}.items() <= old.items() for old in records)
                ]
                if not wanted:
                    continue
                train = joined(cohorts[first : first + joint]).rows(slice(size))
                begun = Beginning.of(train, asked)
                for name in wanted:
                    start, factors = time.perf_counter(), None
                    if name in direct:
                        logits = direct[name](train, asked)
                    else:
                        logits, factors = corrections[name](begun)
                    seconds = round(time.perf_counter() - start, 1)
                    about = {"row": name, **key, "seconds": seconds, "commit": commit()}
                    for found in record(logits, begun.logits, fresh, factors):
                        records.append({**about, **found})
                        print(json.dumps(records[-1]), flush=True)
                    whole = {"machine": describe_torch(), "records": records}
                    keep(whole, options.json)


if __name__ == "__main__":
    main()
