"""Where the files of a sweep lie: the contract for whoever looks into its folder."""

from pathlib import Path

from pcrnet.run_layout import RunLayout
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout

_SWEEP = SweepLayout(Path("runs/sweeps/one"))
_PROMISED = {
    "settings": "sweep.yaml",
    "begun": "begun.json",
    "lock": "sweep.lock",
    "trials": "trials",
    "fresh": "fresh",
    "claims": "claims",
    "workers": "workers",
    "table": "trials.csv",
    "best": "best.yaml",
    "estimate": "estimate.json",
    "report": "report.html",
    "finished": "finished.json",
}


def test_the_files_that_the_documentation_names_lie_where_it_says():
    assert {name: getattr(_SWEEP, name).name for name in _PROMISED} == _PROMISED
    assert {getattr(_SWEEP, name).parent for name in _PROMISED} == {_SWEEP.path}


def test_no_two_names_are_one_file():
    names = [name for name in vars(SweepLayout) if isinstance(vars(SweepLayout)[name], property)]
    paths = [getattr(_SWEEP, name) for name in names]
    assert set(names) == {*_PROMISED, "root"}
    assert len(set(paths)) == len(paths)


def test_batches_sort_by_name_as_by_number():
    numbers = [0, 9, 10, 99, 100, 999]
    assert sorted(_SWEEP.batch(number).name for number in numbers) == [
        _SWEEP.batch(number).name for number in numbers
    ]


def test_the_root_is_that_of_all_runs_wherever_it_is_mounted():
    assert _SWEEP.root == Path("runs")
    assert SweepLayout(Path("/mnt/all/sweeps/one")).root == Path("/mnt/all")


def test_a_trial_is_laid_out_as_a_run_and_works_beside_its_fits():
    trial = TrialLayout(_SWEEP.trials / "abc")
    run = RunLayout(trial.path)
    assert trial.fit("without-0") == run.folds / "without-0"
    assert trial.predictions == run.predictions
    assert trial.result.parent == trial.note("without-0").parent.parent == trial.path
    # Two generations of a claim never share a folder, nor does either lie among finished fits.
    works = {trial.work("without-0", generation) for generation in (1, 2)}
    assert len(works) == 2
    assert not any(path.is_relative_to(run.folds) for path in works)
