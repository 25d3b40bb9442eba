"""Beginning, going on with and joining a sweep."""

from __future__ import annotations

import pytest

from pcrnet.errors import ConfigError, PcrnetError, RunError
from pcrnet.storage import write_json
from pcrnet.sweeps.folder.ledger import Ledger
from pcrnet.sweeps.joining import begin, join, open_sweep, outcome
from pcrnet.sweeps.worker import Worker


def finish(sweep, layout, shop):
    shop.layout = layout
    Worker(sweep, layout, shop, poll_s=0.01).run()
    return Ledger(sweep, layout)


def test_the_same_sweep_begins_once(begun):
    sweep, layout = begun()
    assert begin(sweep) == layout
    assert open_sweep(layout).deciding() == sweep.deciding()


def test_a_larger_budget_goes_on_with_the_trials_there_are(make_sweep, stub_shop):
    small = make_sweep(budget={"trials": 2}, batch=2)
    layout = begin(small)
    first = finish(small, layout, stub_shop()).proposals()
    large = make_sweep(budget={"trials": 5}, batch=2)
    assert begin(large) == layout
    shop = stub_shop()
    every = finish(large, layout, shop).proposals()
    assert every[:2] == first
    assert len(every) == 5
    assert not {trial for trial, _ in shop.made} & {proposal.trial for proposal in first}


def test_another_space_needs_another_name(make_sweep):
    begin(make_sweep())
    with pytest.raises(RunError, match=r"sweep\.seed"):
        begin(make_sweep(seed=7))
    with pytest.raises(RunError, match=r"training\.max_epochs"):
        begin(make_sweep(experiment={"training": {"max_epochs": 3}}))


def test_other_code_is_refused(begun):
    _, layout = begun()
    write_json(layout.begun, {"code": "of another version"})
    with pytest.raises(RunError, match="another version"):
        join(layout.path)


def test_what_is_no_sweep_is_refused(tmp_path):
    with pytest.raises(RunError, match="no sweep in this folder"):
        join(tmp_path)


def test_a_worker_changes_nothing_but_places(begun):
    _, layout = begun()
    with pytest.raises(ConfigError, match="takes the sweep as it was begun"):
        join(layout.path, ["training.max_epochs=3"])


def test_an_unfinished_sweep_has_no_outcome(begun):
    _, layout = begun()
    with pytest.raises(PcrnetError, match="not finished"):
        outcome(layout)
