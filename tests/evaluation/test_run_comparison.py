"""Runs in pairs: the same differences as of two tables, and refusals that name nobody."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pcrnet.cli import main
from pcrnet.config.layers import load_experiment
from pcrnet.errors import RunError
from pcrnet.evaluation.report.comparison_page import render_comparison
from pcrnet.evaluation.run_comparison import compare_runs
from pcrnet.evaluation.statistics.comparison.auc_comparison import compare_auc
from pcrnet.evaluation.tables.predictions import (
    Predictions,
    read_predictions,
    write_predictions,
)
from pcrnet.run_layout import RunLayout
from pcrnet.storage import write_text

N = 90
NAMES = tuple(f"QX{index:03d}" for index in range(N))


@pytest.fixture
def make_run(tmp_path):
    """A finished run: predictions of noise around the same outcomes."""
    generator = np.random.default_rng(7)
    label = {"yT0": generator.integers(0, 2, N).astype(float)}
    label["yT0"][:4] = np.nan
    signal = np.nan_to_num(label["yT0"], nan=0.5)

    def make(name, seed, *, names=NAMES, change=None, folds=3, order=None, **settings):
        noise = np.random.default_rng(seed)
        prob = np.clip(0.3 * signal + 0.35 + noise.normal(0, 0.2, N), 0.02, 0.98)
        own = label["yT0"].copy()
        for row, value in (change or {}).items():
            own[row] = value
        rows = np.arange(N) if order is None else order
        run = RunLayout(tmp_path / name)
        table = Predictions(
            tuple(names[row] for row in rows), {"yT0": prob[rows]}, {"yT0": own[rows]},
            fold=(np.arange(N) % folds)[rows], threshold={"yT0": np.full(N, 0.5)},
        )  # fmt: skip
        write_predictions(run.predictions, table)
        experiment = load_experiment([f"{key}={value}" for key, value in settings.items()])
        write_text(run.config, experiment.to_yaml())
        return run.path, prob, own

    return make


def test_differences_are_those_of_the_tables_themselves(make_run):
    (first, one, label), (second, other, _) = make_run("a", 1), make_run("b", 2)
    found = compare_runs([first, second]).differences[0]["yT0"]
    known = ~np.isnan(label)
    fold = (np.arange(N) % 3)[known]
    expected = compare_auc(one[known], other[known], label[known], fold)
    assert found.difference.value == pytest.approx(expected.difference.value)
    assert found.p == pytest.approx(expected.p)

    def losses(prob):
        return -np.log(np.where(label[known] == 1, prob[known], 1 - prob[known]))

    difference = losses(one) - losses(other)
    low, high = stats.t.interval(
        0.95, known.sum() - 1, difference.mean(), difference.std(ddof=1) / np.sqrt(known.sum())
    )
    loss = found.scores["log_loss"]
    assert (loss.value, loss.low, loss.high) == pytest.approx((difference.mean(), low, high))


def test_the_order_of_a_table_does_not_matter(make_run):
    first, _, _ = make_run("a", 1)
    second, _, _ = make_run("b", 2)
    shuffled, _, _ = make_run("c", 2, order=np.random.default_rng(1).permutation(N))
    one, other = (compare_runs([first, path]) for path in (second, shuffled))
    assert one.differences[0]["yT0"].difference == other.differences[0]["yT0"].difference


def test_of_three_runs_it_is_tested_whether_any_differ(make_run):
    paths = [make_run(name, seed)[0] for seed, name in enumerate("abc")]
    found = compare_runs(paths)
    assert found.together["yT0"].freedom == 2
    assert [run.name for run in found.runs] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"names": ("other", *NAMES[1:])}, "1 of its 90 are not"),
        ({"change": {10: np.nan, 11: np.nan}}, "another outcome than .* for 2 of 90 patients"),
        ({"outcome.definition": "ypT0/is"}, "defines the outcome as ypT0/is"),
    ],
)
def test_other_patients_or_outcomes_are_refused_and_nobody_is_named(make_run, changes, words):
    first, _, label = make_run("a", 1)
    if "change" in changes:
        assert not np.isnan(label[[10, 11]]).any()
    second, _, _ = make_run("b", 2, **changes)
    with pytest.raises(RunError, match=words) as caught:
        compare_runs([first, second])
    assert "QX" not in str(caught.value)


def test_runs_of_other_folds_are_compared_by_scores_alone(make_run):
    first, second = make_run("a", 1)[0], make_run("b", 2, folds=5)[0]
    found = compare_runs([first, second])
    compared = found.differences[0]["yT0"]
    assert compared.difference.value is None
    assert "other folds" in compared.difference.reason
    assert compared.p is None
    assert compared.scores["log_loss"].value is not None
    assert "other folds" in found.remarks[0]


def test_a_run_whose_estimate_flatters_itself_is_named(make_run):
    honest, *_ = make_run("a", 1)
    flattered, *_ = make_run("b", 2, **{"evaluation.mode": "crossfit"})
    (remark,) = compare_runs([honest, flattered]).remarks
    assert remark.startswith("b: Cross-fitting is optimistic")
    assert "Cross-fitting is optimistic" in render_comparison(compare_runs([flattered, honest]))


def test_one_run_or_one_twice_is_refused(make_run):
    path, _, _ = make_run("a", 1)
    for paths, words in (([path], "nothing to compare"), ([path, path], "named twice")):
        with pytest.raises(RunError, match=words):
            compare_runs(paths)


def test_the_command_writes_a_page_and_numbers(make_run, tmp_path, capsys):
    first, second = make_run("a", 1)[0], make_run("b", 2)[0]
    assert main(["compare", str(first), str(second), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "a less the run of the row" in " ".join(said.split())
    numbers = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert numbers["first_less_other"][0]["heads"]["yT0"]["auc"]["n"] == N - 4
    page = (tmp_path / "out" / "index.html").read_text()
    assert page == render_comparison(compare_runs([first, second]))
    assert "http" not in page
    assert main(["compare", str(first), str(tmp_path / "nothing")]) == 2


def test_runs_that_predict_nothing_in_common_are_refused(make_run):
    (first, _, _), (second, _, _) = make_run("a", 1), make_run("b", 2)
    path = RunLayout(second).predictions
    write_text(path, path.read_text().replace("prob_yT0", "prob_yN0").replace("threshold_yT0", "x"))
    with pytest.raises(RunError, match="no outcome in common"):
        compare_runs([first, second])


def test_a_certain_mistake_has_no_log_loss_and_the_rest_stands(make_run):
    (first, _, _), (second, prob, label) = make_run("a", 1), make_run("b", 2)
    path = RunLayout(second).predictions
    table = read_predictions(path)
    known = int(np.flatnonzero(label == 1)[0])
    prob = np.where(np.arange(N) == known, 0.0, prob)
    write_predictions(path, replace(table, prob={"yT0": prob}))
    run = compare_runs([first, second]).runs[1]
    assert run.log_loss["yT0"].value is None
    assert run.log_loss["yT0"].reason
    assert run.auc["yT0"].value is not None


def test_repeats_that_both_have_are_averaged_and_said_to_be(make_run):
    paths = [
        make_run(name, seed, **{"evaluation.repeats": 3 - seed})[0]
        for seed, name in enumerate("ab")
    ]
    for number, path in enumerate(paths):
        for repeat in range(2, 4 - number):
            table = read_predictions(RunLayout(path).predictions)
            folds = np.roll(table.fold, repeat)
            target = RunLayout(path).repeat(repeat).predictions
            write_predictions(target, replace(table, fold=folds))
    found = compare_runs(paths)
    assert "Averaged over 2 repeats" in " ".join(found.remarks)
    assert "Only the first 2 repeats" in " ".join(found.remarks)
    assert found.differences[0]["yT0"].p is None


def test_runs_of_unknown_folds_are_alike(make_run):
    paths = [make_run(name, seed)[0] for seed, name in enumerate("ab")]
    for path in paths:
        table = read_predictions(RunLayout(path).predictions)
        write_predictions(RunLayout(path).predictions, replace(table, fold=None))
    assert compare_runs(paths).differences[0]["yT0"].difference.value is not None


def test_runs_of_one_name_are_told_apart_by_the_folders_above(make_run, tmp_path):
    first, _, _ = make_run("one/a", 1)
    second, _, _ = make_run("two/a", 2)
    assert [run.name for run in compare_runs([first, second]).runs] == ["one/a", "two/a"]
