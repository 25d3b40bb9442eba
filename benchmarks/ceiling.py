"""Where the ceiling is: a ridge on the true biology, by the number of patients it learns from.

python benchmarks/ceiling.py --json FILE [--fresh 3000] [--draws 10]

No image is made: the truth behind a simulated trial is enough. ``oracle`` knows the probabilities
themselves, which is more than any model can learn from a cohort.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import commit, describe_machine, keep
from benchmarks.learning import JUDGED, biology_ridge, score
from pcrnet.config.data import SimulationConfig
from pcrnet.simulation.truth import Truth, truth_of

SIZES = (60, 120, 240, 480, 960)
FRESH_SEED, TRAIN_SEED = 930_000, 931_000


def truth(world: str, patients: int, seed: int) -> Truth:
    """The truth about so many patients."""
    config = {"world": world, "patients": patients, "seed": seed}
    return truth_of(SimulationConfig.model_validate(config))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--fresh", type=int, default=3000)
    parser.add_argument("--draws", type=int, default=10, help="cohorts of each size, at most")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning, module="sklearn")
    records: list[dict[str, object]] = []
    for world in ("amount", "pattern"):
        fresh = truth(world, options.fresh, FRESH_SEED)
        everybody = truth(world, 5 * max(SIZES), TRAIN_SEED)
        for head in JUDGED:
            label = fresh.outcome[head]
            oracle = score(fresh.prob(head), label)
            for n in SIZES:
                draws = min(options.draws, len(everybody.patient_ids) // n)
                found = [
                    score(
                        biology_ridge(everybody, np.arange(n) + n * draw, fresh, head),
                        label,
                    )
                    for draw in range(draws)
                ]
                auc = np.array([one["auc"] for one in found])
                records.append(
                    {
                        "world": world,
                        "head": head,
                        "n": n,
                        "draws": draws,
                        "auc": round(float(auc.mean()), 4),
                        "deviation": round(float(auc.std(ddof=1)), 4),
                        "log_loss": round(float(np.mean([one["log_loss"] for one in found])), 4),
                        "oracle_auc": oracle["auc"],
                        "oracle_log_loss": oracle["log_loss"],
                    }
                )
                print(json.dumps(records[-1]), flush=True)
    about = {"machine": describe_machine(), "commit": commit(), "fresh": options.fresh}
    keep({**about, "records": records}, options.json)


if __name__ == "__main__":
    main()
