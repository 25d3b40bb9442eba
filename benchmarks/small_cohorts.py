"""What three choices behind the ridges bring with few patients, on measured quantities.

python benchmarks/small_cohorts.py --out FILE [--folder runs/learning] [--worlds amount pattern]
    [--seeds 1 2 3] [--sizes 60 120 240] [--test 600] [--rows before moderated believed both plain]

Cohorts, tensors and quantities are those of ``learning.py`` in the same folder. Each cohort of 240
is cut into disjoint cohorts of a size, which go through the quantitative model's own procedure
(chain, folds, scale, calibrator; ``nested``) and are asked about the same fresh patients. Rows:
``before`` is neither moderated nor has it a calibrator that believes, ``moderated`` and
``believed`` have one of them, ``both`` is what ships; ``plain`` is that with |r| for the relevance
of the nodes' features, as of the breast's. Log-loss and slope are on average over outcomes, with
the oracle's probabilities in their place (see ``learning.py``); ``log_loss_less_REFERENCE`` is the
paired difference in log-loss from the first row that was asked for. Each value is the mean over
cohorts with Student's 95 % interval, which is over cohorts alone: the fresh patients are the same
for all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.ablation import table_of
from benchmarks.harness import commit, describe_machine, keep
from benchmarks.learning import FRESH, FRESH_SEED, cohort_of
from benchmarks.slopes import FloatArray, cells_of, pooled, scored, shipped
from pcrnet.cohort.outcome import HEADS
from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.config.layers import load_experiment
from pcrnet.models.rivals import chain
from pcrnet.models.rivals.ridge import Ridge

ROWS = {
    "before": (False, False, None),
    "moderated": (True, False, None),
    "believed": (False, True, None),
    "both": (True, True, None),
    "plain": (True, True, 1.0),
}
"""Row to whether the ridge is moderated, whether the calibrator believes in its slopes, and the
power of the relevance of the nodes' features, if it is another than what ships."""


@contextmanager
def as_it_was(moderated: bool, power: float | None) -> Iterator[None]:
    """Ridges as they are, or as their likelihood left them, or with another power."""

    def unchanged(model: Ridge, *_: object) -> Ridge:
        return model

    with ExitStack() as changed:
        if not moderated:
            changed.enter_context(patch.object(chain, "moderated", unchanged))
        if power is not None:
            changed.enter_context(patch.object(chain, "_NODES_POWER", power))
        yield


def said_of(
    values: FloatArray, cells: NDArray[np.bool_], fresh: FloatArray, rows: Sequence[str]
) -> dict[str, FloatArray]:
    """Probabilities (m, 4) of fresh patients (m, p) by each row, from (n, p) and (n, 4)."""
    found = {}
    for name in rows:
        moderated, believed, power = ROWS[name]
        with as_it_was(moderated, power):
            config = EvaluationConfig().settled(moderated=believed)
            found[name] = shipped(values, cells, fresh, config)["chain"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    parser.add_argument("--worlds", nargs="+", default=["amount", "pattern"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--sizes", nargs="+", type=int, default=[60, 120, 240])
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    options = parser.parse_args()
    experiment = load_experiment([f"run.root={options.folder}"])
    records: list[dict[str, object]] = []
    for world in options.worlds:
        fresh = cohort_of(world, FRESH, FRESH_SEED, options.folder, experiment, options.test)
        asked = table_of(fresh, experiment, None).values
        cohorts = [
            cohort_of(world, 240, seed, options.folder, experiment, 240) for seed in options.seeds
        ]
        tables = [table_of(cohort, experiment, None).values for cohort in cohorts]
        for n in options.sizes:
            found: dict[tuple[str, str], list[dict[str, float | None]]] = {}
            for cohort, values in zip(cohorts, tables, strict=True):
                cells = cells_of(cohort.truth)
                for first in range(0, 240 - n + 1, n):
                    rows = slice(first, first + n)
                    said = said_of(values[rows], cells[rows], asked, options.rows)
                    for head in HEADS:
                        for row, scores in scored(said, head, fresh.truth, options.rows[0]).items():
                            found.setdefault((row, head), []).append(scores)
            for (row, head), scores in found.items():
                key = {"world": world, "n": n, "head": head, "row": row}
                records.append({**key, **pooled(scores)})
                print(json.dumps(records[-1]), flush=True)
            keep(
                {"machine": describe_machine(), "commit": commit(), "records": records}, options.out
            )


if __name__ == "__main__":
    main()
