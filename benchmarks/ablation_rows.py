"""What the rows of the ablation are: models without a correction, and corrections of one.

Every correction learns as the network does: three learners each leave out a third of the patients,
are fitted on what the quantitative model leaves unexplained in the others (whose offsets are
cross-fitted), and the patients left out decide by one factor a logit how much is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.tree import DecisionTreeRegressor

from benchmarks.field_networks import Recipe, Weights, correction
from benchmarks.fields import Fields
from benchmarks.fields import joined as joined_fields
from pcrnet.cohort.outcome import CELLS
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
        learned: (n, 30) what the pretrained measurer tells; no columns without its weights.
        features: (n, 192) what it pools before it tells them; likewise.
        fields: The pair of fields; None without weights.
    """

    values: FloatArray
    others: FloatArray
    moments: FloatArray
    biology: FloatArray
    cells: NDArray[np.bool_]
    learned: FloatArray
    features: FloatArray
    fields: Fields | None = None

    def rows(self, chosen: NDArray[np.bool_] | slice) -> Table:
        """Some of the patients."""
        columns = {name: getattr(self, name)[chosen] for name in _COLUMNS}
        return Table(**columns, fields=None if self.fields is None else self.fields.rows(chosen))


_COLUMNS = tuple(one.name for one in fields(Table) if one.name != "fields")


def joined(tables: Sequence[Table]) -> Table:
    """Cohorts one after the other."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in tables]) for name in _COLUMNS
    }
    seen = [table.fields for table in tables if table.fields is not None]
    return Table(**columns, fields=joined_fields(seen) if seen else None)


class Features:
    """Standardised and complete, by what the training patients show."""

    def __init__(self, values: FloatArray) -> None:
        self._standardisation = Standardisation.fit(values)
        self._imputation = Imputation.fit(self._standardisation.apply(values))

    def of(self, values: FloatArray) -> FloatArray:
        """(n, p) to (n, p)."""
        return self._imputation.complete(self._standardisation.apply(values))


Pick = Callable[[Table], FloatArray]
Direct = Callable[[Table, Table], FloatArray]
"""(train, fresh) to logits (m, 3) of the fresh patients."""


def chain_of(pick: Pick) -> Direct:
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
    dual: FloatArray = np.zeros(len(features))
    for _ in range(30):
        prob = expit(offset + own @ dual)
        weight = np.maximum(prob * (1.0 - prob), 1e-6)
        target = own @ dual + (label - prob) / weight
        dual = np.asarray(np.linalg.solve(own + np.diag(1.0 / weight), target), dtype=np.float64)
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


Correction = Callable[[int, Table, FloatArray, Table], FloatArray]
"""(number of the learner, whom it learns from, their offsets (n, 3), others) to what is added."""
Fit = Callable[[Beginning], tuple[FloatArray, FloatArray]]
"""Logits (m, 3) of the fresh patients, and the factors (3,)."""


def kept(correct: Correction) -> Fit:
    """The quantitative model with as much of a correction as the patients left out speak for."""

    def fit(begun: Beginning) -> tuple[FloatArray, FloatArray]:
        added = np.empty_like(begun.started)
        corrections = []
        for own, offset in enumerate(begun.offsets):
            left = begun.part == own
            others = joined([begun.train.rows(left), begun.fresh])
            said = correct(own, begun.train.rows(~left), offset, others)
            added[left] = said[: left.sum()]
            corrections.append(said[left.sum() :])
        factors = choose_factors(begun.started, added, begun.train.cells)
        return begun.logits + factors * np.mean(corrections, axis=0), factors

    return fit


def corrected(learner: Learner, pick: Pick, *, products: bool = False) -> Fit:
    """A learner on some columns, one a logit, as the correction."""

    def correct(own: int, learning: Table, offset: FloatArray, others: Table) -> FloatArray:
        features = Features(pick(learning))
        mine, theirs = features.of(pick(learning)), features.of(pick(others))
        if products:
            axes = np.linalg.svd(mine - mine.mean(0), full_matrices=False)[2][:12].T
            mine, theirs = squares(mine @ axes), squares(theirs @ axes)
            scale = Standardisation.fit(mine)
            mine, theirs = scale.apply(mine), scale.apply(theirs)
        breast = (learning.cells & np.array([breast for breast, _ in CELLS])).any(1)
        nodes = (learning.cells & np.array([nodes for _, nodes in CELLS])).any(1)
        concerned = ((breast | ~breast, breast), (breast, nodes), (~breast, nodes))
        said = [
            learner(mine[rows], offset[rows, logit], label[rows].astype(float), theirs)
            for logit, (rows, label) in enumerate(concerned)
        ]
        return np.column_stack(said)

    return kept(correct)


def by_network(recipe: Recipe, weights: Weights) -> Fit:
    """A network on the pair of fields, on all logits at once, as the correction."""

    def correct(own: int, learning: Table, offset: FloatArray, others: Table) -> FloatArray:
        assert learning.fields is not None
        assert others.fields is not None
        quantities = Features(learning.values).of(learning.values)
        return correction(
            recipe,
            learning.fields,
            offset,
            learning.cells,
            quantities,
            others.fields,
            weights if recipe.pretrained else None,
            own,
        )

    return kept(correct)


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

PRETRAINED = {
    "quantities and learned measurements": chain_of(
        lambda table: np.hstack([table.learned, table.values])
    ),
    "learned measurements and covariates": chain_of(
        lambda table: np.hstack([table.learned, table.values[:, -len(COVARIATES) :]])
    ),
}
"""Models without a correction on what a pretrained measurer tells."""

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

PRETRAINED_CORRECTIONS = {
    "ridge on learned measurements": corrected(ridge_beyond(30.0), lambda table: table.learned),
    "linear probe of the pretrained features": corrected(
        ridge_beyond(100.0), lambda table: table.features
    ),
}
"""Corrections by what was pretrained, unchanged."""

NETWORKS = {
    "network on the lesion": Recipe(region=False),
    "network on lesion and region": Recipe(),
    "network with auxiliary targets": Recipe(auxiliary=0.3),
    "pretrained network": Recipe(pretrained=True),
    "pretrained network with auxiliary targets": Recipe(pretrained=True, auxiliary=0.3),
}
"""Corrections by networks on the pair of fields."""
