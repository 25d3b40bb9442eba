"""Real fits of a real, tiny cohort: a trial is what a run of its own would have given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pcrnet.config.layers import load_experiment
from pcrnet.evaluation.run_comparison import compare_runs
from pcrnet.run.pipeline import cross_validate, train
from pcrnet.sweeps.folder.ledger import Ledger
from pcrnet.sweeps.joining import begin, join
from pcrnet.sweeps.plan.settings import load_sweep

SPACE = {
    "data.covariates": [["age"], ["age", "grade"]],
    "model.kind": {"quantitative": {}, "clinical": {}},
}


@pytest.fixture(scope="module")
def swept(tiny_trial, tmp_path_factory):
    """A finished sweep of four trials by this process, of models that take no network."""
    folder = tmp_path_factory.mktemp("swept")
    path = folder / "grid.yaml"
    section = {"search": "grid", "space": SPACE, "budget": {"trials": 9}, "objective": "yT0/brier"}
    path.write_text(yaml.safe_dump({"sweep": section}))
    sweep = load_sweep(path, tiny_trial.settings(folder))
    layout = begin(sweep)
    join(layout.path)
    return sweep, layout


def test_a_trials_value_is_what_cross_validation_alone_gives(swept, tmp_path):
    sweep, layout = swept
    for trial in Ledger(sweep, layout).all_finished():
        experiment = sweep.trial(trial.proposal.values)
        run = experiment.run.model_copy(
            update={"root": str(tmp_path), "name": trial.proposal.trial}
        )
        alone = cross_validate(experiment.model_copy(update={"run": run}))
        assert trial.value == pytest.approx(alone.metrics["yT0"]["brier"]["value"], abs=1e-12)
        auc = trial.result.heads["yT0yN0"]["auc"]
        assert auc == pytest.approx(alone.metrics["yT0yN0"]["auc"]["value"], abs=1e-12)


def test_all_files_of_the_contract_are_there_and_the_page_needs_nothing_beside_it(swept):
    _, layout = swept
    for path in (layout.table, layout.best, layout.report, layout.estimate, layout.settings):
        assert path.is_file(), path
    head, *rows = layout.table.read_text().splitlines()
    assert head == "trial,state,value,fits,seconds,data.covariates,model.kind"
    assert len(rows) == 4
    page = layout.report.read_text()
    assert "nested selection" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "src=" not in page
    estimate = json.loads(layout.estimate.read_text())
    assert estimate["kind"] == "nested"
    assert estimate["caution"] == ""  # a grid without pruning is exact
    assert len(estimate["chosen"]) == 3


def test_the_cache_is_one_folder_and_holds_each_patient_once(swept, tiny_trial):
    assert len(list(tiny_trial.cache.glob("*.safetensors"))) == len(tiny_trial.patients)


def test_the_winner_can_be_trained_and_its_trial_is_a_run_to_compare(swept, tmp_path):
    sweep, layout = swept
    best = load_experiment([str(layout.best), f"run.root={tmp_path}", "evaluation.rivals=[]"])
    winner = Ledger(sweep, layout).winner()
    assert best.model.kind == winner.proposal.values["model.kind"]
    result = train(best)
    found = compare_runs([result.directory, layout.trials / winner.proposal.trial])
    for head in found.heads:
        assert found.differences[0][head].difference.value == pytest.approx(0.0, abs=1e-12)


def test_a_finished_sweep_is_joined_without_a_fit(swept):
    _, layout = swept
    before = {path: path.stat().st_mtime_ns for path in layout.trials.rglob("done.json")}
    join(layout.path)
    assert before == {path: path.stat().st_mtime_ns for path in layout.trials.rglob("done.json")}


def test_trials_of_other_patients_fail_in_words(tiny_trial, tmp_path):
    path = tmp_path / "other.yaml"
    space = {"data.timepoints": [["baseline", "interim"], ["interim"]]}
    section = {"search": "grid", "space": space, "budget": {"trials": 2}}
    path.write_text(yaml.safe_dump({"sweep": section}))
    settings = [*tiny_trial.settings(tmp_path), "model.kind=clinical"]
    sweep = load_sweep(path, settings)
    layout = begin(sweep)
    join(layout.path)
    states = {
        tuple(trial.proposal.values["data.timepoints"]): trial.result
        for trial in Ledger(sweep, layout).all_finished()
    }
    assert states[("baseline", "interim")].state == "complete"
    assert states[("interim",)].state == "failed"
    assert "other patients" in states[("interim",)].reason
    assert Path(layout.report).is_file()
