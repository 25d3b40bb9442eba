from __future__ import annotations

import json
import statistics
from pathlib import Path

import numpy as np
import pytest

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.evaluation.analysis import evaluate_run, evaluate_table
from pcrnet.evaluation.repeats import average, average_metrics, spreads
from pcrnet.evaluation.statistics.intervals import Estimate
from pcrnet.evaluation.tables.predictions import read_predictions, write_predictions

FEW = EvaluationConfig(bootstrap_draws=200)
A = Estimate(0.70, 0.60, 0.78, 50, "DeLong")
B = Estimate(0.80, 0.72, 0.88, 50, "DeLong")
NONE = Estimate.undefined("one class", n=50, method="DeLong")


def test_value_and_limits_are_the_means_of_the_repeats() -> None:
    mean = average([A, B, A])
    assert mean.value == pytest.approx(statistics.mean([0.70, 0.80, 0.70]))
    assert mean.low == pytest.approx(statistics.mean([0.60, 0.72, 0.60]))
    assert mean.high == pytest.approx(statistics.mean([0.78, 0.88, 0.78]))
    assert (mean.n, mean.method) == (50, "DeLong; mean of 3 repeats, limits likewise")


def test_a_single_repeat_is_left_as_it_is() -> None:
    assert average([A]) is A
    assert spreads([{"auc": A}]) == {}


def test_a_metric_that_one_repeat_does_not_define_is_undefined() -> None:
    mean = average([A, NONE, B])
    assert mean.value is None
    assert mean.reason == "undefined in 1 of 3 repeats: one class"
    assert spreads([{"auc": A}, {"auc": NONE}]) == {}


def test_without_limits_in_one_repeat_the_mean_has_none_and_says_why() -> None:
    bare = Estimate(0.9, None, None, 50, "DeLong", "degenerate")
    mean = average([A, bare])
    assert (mean.value, mean.low, mean.high) == (pytest.approx(0.8), None, None)
    assert mean.reason == "degenerate"


def test_the_spread_is_that_of_the_values() -> None:
    spread = spreads([{"auc": A}, {"auc": B}, {"auc": A}])["auc"]
    assert spread.values == (0.70, 0.80, 0.70)
    assert spread.sd == pytest.approx(statistics.stdev(spread.values))
    assert (spread.lowest, spread.highest) == (0.70, 0.80)
    assert json.loads(json.dumps(spread.to_json()))["values"] == [0.70, 0.80, 0.70]


def test_no_metrics_average_to_none() -> None:
    assert average_metrics([{}, {}]) == {}


@pytest.fixture
def repeats(small_run: Path, tmp_path: Path) -> list[Path]:
    """Three tables of the same patients, with other folds and slightly other predictions."""
    first = read_predictions(small_run / "predictions.csv")
    paths = [small_run / "predictions.csv"]
    for number in (2, 3):
        generator = np.random.default_rng(number)
        mixed = generator.uniform(0.8, 1.0, len(first))
        again = {head: prob * mixed for head, prob in first.prob.items()}
        fields = {
            name: getattr(first, name)
            for name in ("patient_id", "label", "site", "threshold", "scans", "other")
        }
        fold = generator.permutation(first.fold)
        table = type(first)(prob=again, uncalibrated_prob=again, fold=fold, **fields)
        path = tmp_path / "again" / str(number) / "predictions.csv"
        write_predictions(path, table)
        paths.append(path)
    return paths


def test_tables_of_repeats_give_the_mean_of_what_each_gives_alone(
    repeats: list[Path], tmp_path: Path
) -> None:
    def heads(page: Path) -> dict[str, dict[str, dict[str, float]]]:
        return json.loads((page.parent / "metrics.json").read_text())["heads"]

    first, *further = repeats
    alone = [
        heads(evaluate_table(path, tmp_path / f"alone-{number}", FEW))
        for number, path in enumerate(repeats)
    ]
    together = evaluate_table(first, tmp_path / "together", FEW, repeats=further)
    found = heads(together)
    for head, metrics in found.items():
        for name in ("auc", "sensitivity", "brier", "calibration_slope"):
            for part in ("value", "low", "high"):
                expected = statistics.mean(each[head][name][part] for each in alone)
                assert metrics[name][part] == pytest.approx(expected, abs=1e-12), (head, name)
    record = json.loads((together.parent / "metrics.json").read_text())
    assert record["repeats"] == 3
    spread = record["spread_over_repeats"]["yT0"]["auc"]
    assert spread["values"] == pytest.approx([each["yT0"]["auc"]["value"] for each in alone])
    assert "again/" not in json.dumps(record["files_sha256"])
    assert len(record["files_sha256"]) == 3
    page = together.read_text()
    assert "done 3 times" in page
    assert "means of 3" in page.split("<nav")[0]
    assert f"{spread['lowest']:.2f} to {spread['highest']:.2f}" in page


def test_a_run_reads_its_own_repeats(small_run: Path, repeats: list[Path]) -> None:
    config = small_run / "config.yaml"
    text = config.read_text()
    assert "repeats: 1" in text
    config.write_text(text.replace("repeats: 1", "repeats: 3"))
    for number, path in enumerate(repeats[1:], start=2):
        place = small_run / "repeats" / str(number) / "predictions.csv"
        place.parent.mkdir(parents=True)
        place.write_bytes(path.read_bytes())
    metrics = json.loads((evaluate_run(small_run).parent / "metrics.json").read_text())
    assert metrics["repeats"] == 3
    assert "repeats/3/predictions.csv" in metrics["files_sha256"]
    assert len(metrics["subgroups"]["yT0"]) > 0
    assert "mean of 3 repeats" in metrics["subgroups"]["yT0"][0]["auc"]["method"]
