"""Is what ships calibrated, on average over many cohorts? The quantitative model's own procedure.

python benchmarks/slopes.py --out FILE [--cohorts 20] [--sizes 60 120 240] [--noise 0 1]
    [--fresh 2000]

No image is made: the ridge chain is given the true biology of simulated patients, or that biology
seen through noise (a standard deviation of 1 in every column), which leaves it about as good as
what images tell. Fits, folds, scale and calibrator are those of a default run (``nested``). Slope
and log-loss are on average over outcomes (see ``learning.py``), so that chance in the fresh
patients' outcomes plays no part: what varies is the cohort alone. ``calibrator`` is ``none`` for
the logits as the fit on everybody gives them, and ``chain as it is`` where what the fits left out
is not brought to the scale of the fit on everybody first. ``log_loss_less_none`` is the difference
from the former in the same cohorts. Each value is the mean over cohorts with Student's 95 %
interval, and the median.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.ablation_rows import Features, parts_of
from benchmarks.ceiling import truth
from benchmarks.harness import commit, describe_machine, publish
from benchmarks.learning import JUDGED, expected
from pcrnet.cohort.outcome import CELLS, Head
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.decision.calibrators import head_probabilities, joint_cells
from pcrnet.decision.nested import final_decision
from pcrnet.models.rivals.chain import RidgeChain
from pcrnet.simulation.truth import Truth
from pcrnet.training.plan import judged_fits

FloatArray = NDArray[np.float64]
FRESH_SEED, TRAIN_SEED = 940_000, 941_000
_SEED = 20_240


def cells_of(known: Truth) -> NDArray[np.bool_]:
    """The outcome as a cell (n, 4)."""
    breast, nodes = known.outcome["yT0"], known.outcome["yN0"]
    return np.stack([(breast == b) & (nodes == n) for b, n in CELLS], axis=1)


def shipped(
    values: FloatArray, cells: NDArray[np.bool_], fresh: FloatArray, config: EvaluationConfig
) -> dict[str, FloatArray]:
    """Probabilities (m, 4) of the cells of fresh patients, with and without calibrator and scale.

    Args:
        values: (n, p) of the patients who are learned from.
        cells: (n, 4) their outcomes.
        fresh: (m, p).
        config: Folds, mode and calibration.
    """
    fold = parts_of(cells, config.folds, 3)

    def fit(kept: NDArray[np.bool_], asked: FloatArray) -> FloatArray:
        features = Features(values[kept])
        chain = RidgeChain.fit(features.of(values[kept]), cells[kept], _SEED)
        return chain.logits(features.of(asked))

    logits: dict[tuple[int, ...], FloatArray] = {}
    for plan in judged_fits(config.folds, config.mode):
        out = np.isin(fold, plan.left_out)
        found = np.full((len(fold), 3), np.nan)
        found[out] = fit(~out, values[out])
        logits[plan.left_out] = found
    singles: dict[tuple[int, ...], FloatArray] = {
        out: found for out, found in logits.items() if len(out) == 1
    }
    said, kind = fit(np.ones(len(fold), dtype=bool), fresh), config.calibration.kind
    return {
        "none": joint_cells(said),
        f"{kind} as it is": final_decision(fold, cells, singles, config).calibrator.cells(said),
        kind: final_decision(fold, cells, logits, config).calibrator.cells(said),
    }


def scored(
    said: Mapping[str, FloatArray], head: Head, fresh: Truth, reference: str = "none"
) -> dict[str, dict[str, float | None]]:
    """Expected slope and log-loss of a head, and the latter less that of the reference."""
    true_prob = fresh.prob(head)
    found = {
        kind: expected(head_probabilities(cells)[head], true_prob) for kind, cells in said.items()
    }
    alone = found[reference]["expected_log_loss"]
    less = f"log_loss_less_{reference}"
    return {kind: {**scores, less: _less(scores, alone)} for kind, scores in found.items()}


def _less(scores: dict[str, float | None], alone: float | None) -> float | None:
    own = scores["expected_log_loss"]
    return None if own is None or alone is None else own - alone


def pooled(found: Sequence[dict[str, float | None]]) -> dict[str, object]:
    """Mean over cohorts with Student's 95 % interval, and the median, of what is defined."""
    whole: dict[str, object] = {"cohorts": len(found)}
    for name in found[0]:
        # Who says the same of everybody has no slope.
        values = np.array([each[name] for each in found if each[name] is not None])
        whole[f"{name}_undefined"] = len(found) - len(values)
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        mean = float(values.mean())
        whole[name] = [round(x, 4) for x in (mean, mean - half, mean + half)]
        whole[f"{name}_median"] = round(float(np.median(values)), 4)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--sizes", nargs="+", type=int, default=[60, 120, 240])
    parser.add_argument("--noise", nargs="+", type=float, default=[0.0, 1.0])
    parser.add_argument("--fresh", type=int, default=2000)
    options = parser.parse_args()
    config, records = EvaluationConfig().settled(moderated=True), []
    for world in ("amount", "pattern"):
        fresh = truth(world, options.fresh, FRESH_SEED)
        everybody = truth(world, options.cohorts * max(options.sizes), TRAIN_SEED)
        rng, cells = np.random.default_rng(_SEED), cells_of(everybody)
        scale = everybody.biology.std(axis=0)
        for noise in options.noise:
            values, asked = (
                known.biology + noise * scale * rng.standard_normal(known.biology.shape)
                for known in (everybody, fresh)
            )
            for n in options.sizes:
                found: dict[tuple[str, str], list[dict[str, float | None]]] = {}
                start = time.process_time()
                for cohort in range(options.cohorts):
                    rows = slice(cohort * max(options.sizes), cohort * max(options.sizes) + n)
                    said = shipped(values[rows], cells[rows], asked, config)
                    for head in JUDGED:
                        for kind, scores in scored(said, head, fresh).items():
                            found.setdefault((kind, head), []).append(scores)
                print(world, noise, n, round(time.process_time() - start, 1), file=sys.stderr)
                for (kind, of_head), each in found.items():
                    key = {"world": world, "noise": noise, "n": n, "head": of_head}
                    records.append({**key, "calibrator": kind, **pooled(each)})
    about = {"machine": describe_machine(), "commit": commit(), "fresh": options.fresh}
    publish({**about, "records": records}, options.out)


if __name__ == "__main__":
    main()
