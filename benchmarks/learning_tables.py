"""What ``learning.py`` found, over its seeds: pooled into its file, and printed as tables.

python benchmarks/learning_tables.py --json FILE --folder DIR [--test 600] [section.key=value ...]

``pooled``: mean of each model over seeds, for every world, size and head, with the standard
deviation between seeds. ``pooled_comparisons``: network and quantitative model less their rivals,
each patient's differences in log-loss averaged over the seeds that both have, with the 95 %
interval over fresh patients; it is given the cohorts that the models learned from. ``seeds_above``
counts the seeds in which the model's loss lies above the rival's beyond the interval of that seed
alone. Overrides are those that ``learning.py`` was given.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import keep
from benchmarks.learning import FRESH, FRESH_SEED, JUDGED, said_folder
from pcrnet.config.data import SimulationConfig
from pcrnet.evaluation.statistics.comparison.score_comparison import mean_difference
from pcrnet.simulation.truth import truth_of

Record = dict[str, Any]
MEASURES = ("auc", "log_loss", "slope", "expected_log_loss", "expected_slope", "share")
COMPARED = ("network", "quantitative")
SHOWN = ("network", "quantitative", "clinical", "crude", "biology", "oracle")


def grouped(records: Sequence[Record], *names: str) -> Iterator[tuple[Record, list[Record]]]:
    """Records that agree in some fields, in the order in which they first appear."""
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in names), []).append(record)
    for values, members in groups.items():
        yield dict(zip(names, values, strict=True)), members


def pooled(records: Sequence[Record]) -> list[Record]:
    """Mean and standard deviation between seeds of what each model reached."""
    found = []
    for key, members in grouped(records, "world", "n", "head", "model", "test"):
        values = {
            name: np.array([each[name] for each in members if each[name] is not None])
            for name in MEASURES
        }
        means = {
            name: round(float(each.mean()), 4) if len(each) else None
            for name, each in values.items()
        }
        spread = {
            name: round(float(each.std(ddof=1)), 4) if len(each) > 1 else None
            for name, each in values.items()
        }
        seeds = sorted(int(str(each["seed"])) for each in members)
        found.append({**key, "seeds": seeds, **means, "deviation_between_seeds": spread})
    return found


def pooled_comparisons(
    comparisons: Sequence[Record], said: Path, outcome: Mapping[tuple[str, str], np.ndarray]
) -> list[Record]:
    """A model less its rival in log-loss, over the seeds that both have."""
    found = []
    held = [each for each in comparisons if each["model"] in COMPARED]
    held += [turned(each) for each in comparisons if is_other_way_round(each)]
    for key, members in grouped(held, "world", "n", "head", "model", "rival", "test"):
        label = outcome[str(key["world"]), str(key["head"])][: int(str(key["test"]))]
        losses = [
            loss_of(said, {**each, "model": name}, label)
            for each in members
            for name in (key["model"], key["rival"])
        ]
        difference = np.mean(np.array(losses[::2]) - np.array(losses[1::2]), axis=0)
        estimate = mean_difference(difference, 0.95)
        interval = [None if x is None else round(x, 4) for x in (estimate.low, estimate.high)]
        intervals = [each["log_loss"] for each in members]
        above = sum(isinstance(x, list) and x[1] is not None and x[1] > 0 for x in intervals)
        found.append(
            {
                **key,
                "seeds": sorted(int(str(each["seed"])) for each in members),
                "log_loss": [round(float(difference.mean()), 4), *interval],
                "seeds_above": above,
            }
        )
    return found


def is_other_way_round(comparison: Record) -> bool:
    """Whether a model was held against the quantitative one only because it was fitted later."""
    return comparison["model"] == "clinical" and comparison["rival"] == "quantitative"


def turned(comparison: Record) -> Record:
    """The same comparison seen from the rival."""
    value, low, high = comparison["log_loss"]
    return comparison | {
        "model": comparison["rival"],
        "rival": comparison["model"],
        "log_loss": [-value, None if high is None else -high, None if low is None else -low],
    }


def loss_of(said: Path, key: Record, label: np.ndarray) -> np.ndarray:
    """Log-loss (n,) of each fresh patient by what a model said, in nats."""
    name = "-".join(str(key[part]) for part in ("world", "n", "seed", "test", "model"))
    prob = np.clip(np.load(said / f"{name}.npz")[str(key["head"])], 1e-6, 1 - 1e-6)
    return np.asarray(-np.where(label, np.log(prob), np.log1p(-prob)))


def outcomes(worlds: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """World and head to the outcomes of the fresh patients."""
    known: dict[tuple[str, str], np.ndarray] = {}
    for world in worlds:
        config = {"world": world, "patients": FRESH, "seed": FRESH_SEED}
        truth = truth_of(SimulationConfig.model_validate(config))
        known |= {(world, head): truth.outcome[head] for head in JUDGED}
    return known


def tables(found: Sequence[Record], compared: Sequence[Record]) -> Iterator[str]:
    """Lines of Markdown."""
    sizes = sorted({int(str(each["n"])) for each in found})
    for key, members in grouped(found, "world", "head"):
        yield f"\n{key['world']}, {key['head']}: AUC / log-loss, mean over seeds\n"
        yield "| model | " + " | ".join(f"n = {n}" for n in sizes) + " |"
        yield "| --- |" + " --- |" * len(sizes)
        for model in SHOWN:
            at = {e["n"]: f"{e['auc']:.3f} / {e['log_loss']:.3f}" for e in of(members, model)}
            if at:
                yield f"| {model} | " + " | ".join(at.get(n, "") for n in sizes) + " |"
    yield "\nCalibration slope, as found and (on average over outcomes)\n"
    for key, members in grouped(found, "world", "head"):
        for model in SHOWN:
            cells = [
                "constant"
                if e["slope"] is None
                else f"{e['slope']:.2f} ({e['expected_slope']:.2f})"
                for e in of(members, model)
            ]
            if not cells:
                continue
            yield f"| {key['world']}, {key['head']}: {model} | " + " | ".join(cells) + " |"
    yield "\nLog-loss less the rival's\n"
    for each in compared:
        if each["model"] not in COMPARED or each["rival"] == "biology":
            continue
        low, high = each["log_loss"][1:]
        value = f"{each['log_loss'][0]:+.4f} ({low:+.4f} to {high:+.4f})"
        about = f"{each['world']}, {each['head']}, n = {each['n']}, seeds {each['seeds']}"
        yield (
            f"| {about}: {each['model']} less {each['rival']} | {value} "
            f"| above in {each['seeds_above']} |"
        )


def of(records: Sequence[Record], model: str) -> list[Record]:
    """A model's records by size."""
    own = [each for each in records if each["model"] == model]
    return sorted(own, key=lambda each: int(str(each["n"])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    parser.add_argument("--test", type=int, default=600)
    options, overrides = parser.parse_known_args()
    whole = json.loads(options.json.read_text())
    records, comparisons = (
        [each for each in whole[name] if each["test"] == options.test]
        for name in ("records", "comparisons")
    )
    found = pooled(records)
    known = outcomes(sorted({str(each["world"]) for each in records}))
    compared = pooled_comparisons(comparisons, said_folder(options.folder, overrides), known)
    keep(whole | {"pooled": found, "pooled_comparisons": compared}, options.json)
    print("\n".join(tables(found, compared)))


if __name__ == "__main__":
    main()
