"""Does any correction of the quantitative model earn its place? One row each, on fresh patients.

python benchmarks/ablation.py --json FILE --folder DIR [--worlds amount pattern] [--seeds 1 2 3]
    [--sizes 240 480] [--rows NAME ...]

Cohorts, tensors and quantities are those of ``learning.py`` in the same folder; sizes above a
cohort's join the cohorts of several seeds. Every correction learns as the network does: three
learners each leave out a third of the patients, are fitted on what the quantitative model leaves
unexplained in the others (whose offsets are cross-fitted), and the patients left out decide by one
factor a logit how much is kept. ``biology as correction`` is given the true biology: what the same
procedure makes of a signal that no image holds in full, so the most that a correction can bring.
Rows without a correction are fitted directly. Nothing is calibrated: what is compared are logits.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.tree import DecisionTreeRegressor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import commit, describe_torch, keep
from benchmarks.learning import FRESH, FRESH_SEED, JUDGED, World, cohort_of, compared, score
from pcrnet.cohort.outcome import CELLS
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.decision.calibrators import head_probabilities, joint_cells
from pcrnet.imaging.quantify.specs import quantity_specs
from pcrnet.imaging.tensors.cache import TensorCache
from pcrnet.models.rivals.chain import RidgeChain
from pcrnet.models.rivals.imputation import Imputation, Standardisation
from pcrnet.models.shrinkage import choose_factors

FloatArray = NDArray[np.float64]
COVARIATES = ("age", "hr_status", "grade", "cT", "cN")
_PARTS = 3
_SEED = 20_240


@dataclass(frozen=True, eq=False)
class Table:
    """What is known of a cohort.

    Attributes:
        values: (n, p) quantities meant for a model, then covariates; NaN is unknown.
        others: (n, q) quantities that are measured and left aside.
        moments: (n, m) moments of the maps of the cropped tensor; see :func:`moments_of`.
        biology: (n, b) the true biology.
        cells: (n, 4) bool, the outcome.
    """

    values: FloatArray
    others: FloatArray
    moments: FloatArray
    biology: FloatArray
    cells: NDArray[np.bool_]

    def rows(self, chosen: NDArray[np.bool_] | slice) -> Table:
        """Some of the patients."""
        return Table(*(getattr(self, one.name)[chosen] for one in fields(self)))


def joined(tables: Sequence[Table]) -> Table:
    """Cohorts one after the other."""
    names = [one.name for one in fields(Table)]
    return Table(*(np.concatenate([getattr(table, name) for table in tables]) for name in names))


class Features:
    """Standardised and complete, by what the training patients show."""

    def __init__(self, values: FloatArray) -> None:
        self._standardisation = Standardisation.fit(values)
        self._imputation = Imputation.fit(self._standardisation.apply(values))

    def of(self, values: FloatArray) -> FloatArray:
        """(n, p) to (n, p)."""
        return self._imputation.complete(self._standardisation.apply(values))


def chain_of(pick: Callable[[Table], FloatArray]) -> Callable[[Table, Table], FloatArray]:
    """A ridge chain on some columns: (train, fresh) to logits (n, 3)."""

    def fit(train: Table, fresh: Table) -> FloatArray:
        features = Features(pick(train))
        chain = RidgeChain.fit(features.of(pick(train)), train.cells, _SEED)
        return chain.logits(features.of(pick(fresh)))

    return fit


Learner = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]
"""(features, offset, label, features of others) to what is added for the others."""


def boosted(
    features: FloatArray, offset: FloatArray, label: FloatArray, others: FloatArray
) -> FloatArray:
    """Sixty trees of depth two on the gradient of the log-loss beyond the offset."""
    logit, added = offset.copy(), np.zeros(len(others))
    for number in range(60):
        residual = label - expit(logit)
        tree = DecisionTreeRegressor(max_depth=2, min_samples_leaf=8, random_state=number)
        tree.fit(features, residual)
        logit += 0.2 * tree.predict(features)
        added += 0.2 * tree.predict(others)
    return added


def gaussian_process(
    features: FloatArray, offset: FloatArray, label: FloatArray, others: FloatArray
) -> FloatArray:
    """The mode of a logistic Gaussian process of prior deviation 0.5 added to the offset."""
    width = 2.0 * features.shape[1]

    def kernel(a: FloatArray, b: FloatArray) -> FloatArray:
        distance = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * a @ b.T
        return 0.25 * np.exp(-distance / width)

    own = kernel(features, features)
    dual = np.zeros(len(features))
    for _ in range(30):
        prob = expit(offset + own @ dual)
        weight = np.maximum(prob * (1.0 - prob), 1e-6)
        target = own @ dual + (label - prob) / weight
        dual = np.linalg.solve(own + np.diag(1.0 / weight), target)
    return kernel(others, features) @ dual


def ridge_beyond(penalty: float) -> Learner:
    """A logistic ridge beyond the offset."""

    def fit(
        features: FloatArray, offset: FloatArray, label: FloatArray, others: FloatArray
    ) -> FloatArray:
        point = np.zeros(features.shape[1])
        for _ in range(30):
            prob = expit(offset + features @ point)
            weight = prob * (1.0 - prob)
            gradient = features.T @ (prob - label) + penalty * point
            hessian = (features.T * weight) @ features + penalty * np.eye(len(point))
            point = point - np.linalg.solve(hessian, gradient)
        return others @ point

    return fit


def squares(features: FloatArray) -> FloatArray:
    """Products of the twelve leading directions with one another."""
    first, second = np.triu_indices(12)
    return features[:, first] * features[:, second]


@dataclass(frozen=True, eq=False)
class Beginning:
    """The quantitative model of a cohort, and of each of the three parts that learners see.

    Attributes:
        train: The cohort.
        fresh: Whom the models are asked about.
        part: (n,) the part that leaves a patient out.
        started: (n, 3) logits of the start that has not seen the patient.
        offsets: For each part the cross-fitted logits of those it learns from.
        logits: (m, 3) of the fresh patients.
    """

    train: Table
    fresh: Table
    part: NDArray[np.int64]
    started: FloatArray
    offsets: tuple[FloatArray, ...]
    logits: FloatArray

    @classmethod
    def of(cls, train: Table, fresh: Table) -> Beginning:
        """Fit every start that corrections need, once for all of them."""
        part = parts_of(train.cells, _PARTS, 1)
        started, offsets = np.empty((len(part), 3)), []
        for own in range(_PARTS):
            learning, left = train.rows(part != own), train.rows(part == own)
            features = Features(learning.values)
            mine = features.of(learning.values)
            chain = RidgeChain.fit(mine, learning.cells, _SEED)
            started[part == own] = chain.logits(features.of(left.values))
            inner, offset = parts_of(learning.cells, 5, 2), np.empty((len(mine), 3))
            for fold in range(5):
                again = chain.refit(mine[inner != fold], learning.cells[inner != fold])
                offset[inner == fold] = again.logits(mine[inner == fold])
            offsets.append(offset)
        return cls(train, fresh, part, started, tuple(offsets), quantitative(train, fresh))


Pick = Callable[[Table], FloatArray]


def corrected(
    learner: Learner, pick: Pick, *, products: bool = False
) -> Callable[[Beginning], tuple[FloatArray, FloatArray]]:
    """The quantitative model with a correction: logits (m, 3) of the fresh, and the factors."""

    def fit(begun: Beginning) -> tuple[FloatArray, FloatArray]:
        added = np.empty_like(begun.started)
        corrections = []
        for own, offset in enumerate(begun.offsets):
            left = begun.part == own
            learning, others = begun.train.rows(~left), begun.train.rows(left)
            columns = [pick(table) for table in (learning, others, begun.fresh)]
            said = _correct(learner, columns, offset, learning.cells, products=products)
            added[left] = said[: left.sum()]
            corrections.append(said[left.sum() :])
        factors = choose_factors(begun.started, added, begun.train.cells)
        return begun.logits + factors * np.mean(corrections, axis=0), factors

    return fit


def _correct(
    learner: Learner,
    columns: Sequence[FloatArray],
    offset: FloatArray,
    cells: NDArray[np.bool_],
    *,
    products: bool,
) -> FloatArray:
    """What is added for the rows of all columns but the first, which are learned from."""
    features = Features(columns[0])
    mine, theirs = features.of(columns[0]), features.of(np.concatenate(columns[1:]))
    if products:
        axes = np.linalg.svd(mine - mine.mean(0), full_matrices=False)[2][:12].T
        mine, theirs = squares(mine @ axes), squares(theirs @ axes)
        scale = Standardisation.fit(mine)
        mine, theirs = scale.apply(mine), scale.apply(theirs)
    breast = (cells & np.array([breast for breast, _ in CELLS])).any(1)
    nodes = (cells & np.array([nodes for _, nodes in CELLS])).any(1)
    concerned = ((breast | ~breast, breast), (breast, nodes), (~breast, nodes))
    said = [
        learner(mine[rows], offset[rows, logit], label[rows].astype(float), theirs)
        for logit, (rows, label) in enumerate(concerned)
    ]
    return np.column_stack(said)


def parts_of(cells: NDArray[np.bool_], parts: int, seed: int) -> NDArray[np.int64]:
    """A part (n,) for each patient, with equal shares of every outcome."""
    generator = np.random.default_rng((_SEED, seed))
    order = np.lexsort((generator.random(len(cells)), cells.argmax(1)))
    dealt = np.empty(len(cells), dtype=np.int64)
    dealt[order] = np.arange(len(cells)) % parts
    return dealt


quantitative = chain_of(lambda table: table.values)

DIRECT = {
    "quantitative": quantitative,
    "clinical": chain_of(lambda table: table.values[:, -len(COVARIATES) :]),
    "every quantity that is measured": chain_of(
        lambda table: np.hstack([table.others, table.values])
    ),
    "true biology": chain_of(lambda table: table.biology),
    "quantities and true biology": chain_of(lambda table: np.hstack([table.values, table.biology])),
}
"""Models without a correction."""

CORRECTIONS = {
    "boosted trees on the quantities": corrected(boosted, lambda table: table.values),
    "Gaussian process on the quantities": corrected(gaussian_process, lambda table: table.values),
    "products of their leading directions": corrected(
        ridge_beyond(30.0), lambda table: table.values, products=True
    ),
    "ridge on quantities left aside": corrected(ridge_beyond(100.0), lambda table: table.others),
    "moments of the crop's maps": corrected(ridge_beyond(100.0), lambda table: table.moments),
    "boosted trees on moments and quantities": corrected(
        boosted, lambda table: np.hstack([table.moments, table.values])
    ),
    "biology as correction": corrected(ridge_beyond(10.0), lambda table: table.biology),
}
"""Corrections of the quantitative model."""


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


def table_of(world: World, experiment: Experiment) -> Table:
    """Everything that rows are made of, for a cohort whose tensors are in the cache."""
    cache = TensorCache(experiment.cache_directory, experiment.data, experiment.imaging)
    specs = quantity_specs(experiment.data, experiment.imaging)
    modelled = [spec.name for spec in specs if spec.modelled]
    aside = [spec.name for spec in specs if not spec.modelled]
    values, others, moments = [], [], []
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
    arrays = (np.array(each, dtype=np.float64) for each in (values, others, moments))
    return Table(*arrays, world.truth.biology, cells)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    parser.add_argument("--worlds", nargs="+", default=["amount", "pattern"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--sizes", nargs="+", type=int, default=[240, 480])
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--rows", nargs="+", default=[*DIRECT, *CORRECTIONS])
    options = parser.parse_args()
    experiment = load_experiment([f"run.root={options.folder}"])
    records = json.loads(options.json.read_text())["records"] if options.json.is_file() else []
    for world in options.worlds:
        fresh = cohort_of(world, FRESH, FRESH_SEED, options.folder, experiment, options.test)
        asked = table_of(fresh, experiment)
        cohorts = [
            table_of(cohort_of(world, 240, seed, options.folder, experiment, 240), experiment)
            for seed in options.seeds
        ]
        for size in options.sizes:
            joint = max(1, size // 240)
            for first in range(0, len(cohorts) - joint + 1, joint):
                seeds = options.seeds[first : first + joint]
                key = {"world": world, "n": size, "seeds": seeds, "test": options.test}
                wanted = [
                    name
                    for name in options.rows
                    if not any({"row": name, **key}.items() <= old.items() for old in records)
                ]
                if not wanted:
                    continue
                train = joined(cohorts[first : first + joint]).rows(slice(size))
                begun = Beginning.of(train, asked)
                for name in wanted:
                    start, factors = time.perf_counter(), None
                    if name in DIRECT:
                        logits = DIRECT[name](train, asked)
                    else:
                        logits, factors = CORRECTIONS[name](begun)
                    seconds = round(time.perf_counter() - start, 1)
                    about = {"row": name, **key, "seconds": seconds, "commit": commit()}
                    for found in record(logits, begun.logits, fresh, factors):
                        records.append({**about, **found})
                        print(json.dumps(records[-1]), flush=True)
                    whole = {"machine": describe_torch(), "records": records}
                    keep(whole, options.json)


if __name__ == "__main__":
    main()
