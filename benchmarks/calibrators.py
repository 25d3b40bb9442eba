"""From how many patients on do isotonic curves serve as well as the shrunk chain?

python benchmarks/calibrators.py [--trials N] [--seed S] [--out FILE.json]

Excess of the joint log loss over that of the true probabilities, in nats a patient, exactly (over
the true cells of 20,000 other patients), for calibrators fitted on n patients. In the first world
the model's logits are wrong by a line, which the chain can mend; in the second by a curve, which
only isotonic regression can. Half of the patients reach yT0, so r and s rest on n / 2 each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from harness import describe_machine, publish

from pcrnet.config.evaluation import ChainCalibration, TemperatureCalibration
from pcrnet.decision.calibrators import (
    Calibrator,
    IsotonicCalibrator,
    fit_calibrator,
    joint_cells,
)
from pcrnet.decision.isotonic import fit_isotonic

SIZES = (90, 180, 460, 1000, 2000, 4000)
OTHERS = 20_000
WORLDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "wrong by a line": lambda logit: 0.6 * logit + 0.2,
    "wrong by a curve": lambda logit: 1.6 * np.tanh(1.5 * logit),
}
CALIBRATORS: dict[str, Callable[[np.ndarray, np.ndarray], Calibrator]] = {
    "chain": lambda logits, allowed: fit_calibrator(ChainCalibration(), logits, allowed),
    "temperature": lambda logits, allowed: fit_calibrator(
        TemperatureCalibration(), logits, allowed
    ),
    # Past the product's refusal, which this study is the reason for.
    "isotonic": lambda logits, allowed: IsotonicCalibrator(fit_isotonic(logits, allowed)),
}


def excess_losses(
    n: int, trials: int, truth: Callable[[np.ndarray], np.ndarray], seed: list[int]
) -> dict[str, np.ndarray]:
    """Calibrator to its excess log loss in each trial."""
    generator = np.random.default_rng(seed)
    others = generator.normal(scale=1.5, size=(OTHERS, 3))
    cells = joint_cells(truth(others))
    floor = float((cells * np.log(cells)).sum(axis=1).mean())
    losses: dict[str, list[float]] = {name: [] for name in CALIBRATORS}
    for _ in range(trials):
        logits = generator.normal(scale=1.5, size=(n, 3))
        edges = joint_cells(truth(logits)).cumsum(axis=1)
        cell = (generator.random(n)[:, None] > edges[:, :3]).sum(axis=1)
        for name, fit in CALIBRATORS.items():
            predicted = fit(logits, np.eye(4, dtype=bool)[cell]).cells(others)
            losses[name].append(floor - float((cells * np.log(predicted)).sum(axis=1).mean()))
    return {name: np.array(values) for name, values in losses.items()}


def study(trials: int, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """World, number of patients, and then the mean excess of each calibrator."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for number, (world, truth) in enumerate(WORLDS.items()):
        found[world] = {}
        for n in SIZES:
            losses = excess_losses(n, trials, truth, [seed, number, n])
            gap = losses["isotonic"] - losses["chain"]
            found[world][str(n)] = {
                **{name: round(float(values.mean()), 4) for name, values in losses.items()},
                "isotonic_less_chain": round(float(gap.mean()), 4),
                "standard_error": round(float(gap.std(ddof=1) / np.sqrt(trials)), 4),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    result = {
        "what": "joint log loss above that of the truth, in nats a patient",
        "trials": options.trials,
        "seed": options.seed,
        "worlds": study(options.trials, options.seed),
        "seconds": round(time.perf_counter() - start, 1),
        "machine": describe_machine(),
    }
    publish(result, options.out)


if __name__ == "__main__":
    main()
