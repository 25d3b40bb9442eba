"""Settings of a sweep: short forms mean the long ones, and a sweep without an end is none."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pcrnet.config.sweep import (
    Budget,
    FreshEstimate,
    GridSearch,
    LocalEngine,
    NestedEstimate,
    SlurmEngine,
    SweepConfig,
    TpeSearch,
)


def sweep(**values) -> SweepConfig:
    return SweepConfig(**{"name": "one", "space": {"model.width": [8, 16]}, **values})


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"search": "grid"}, {"search": {"kind": "grid"}}),
        ({"estimate": "fresh"}, {"estimate": {"kind": "fresh"}}),
        ({"engine": "slurm"}, {"engine": {"kind": "slurm"}}),
        ({"objective": "yT0/auc"}, {"objective": {"metric": "yT0/auc"}}),
        ({"pruning": True}, {"pruning": {"enabled": True}}),
        ({"search": {"startup": 3}}, {"search": {"kind": "tpe", "startup": 3}}),
        ({"engine": {"workers": 3}}, {"engine": {"kind": "local", "workers": 3}}),
    ],
)
def test_a_short_form_means_the_long_one(short, long):
    assert sweep(**short) == sweep(**long)
    assert sweep(**short) != sweep()


def test_kinds_become_settings_of_their_own():
    found = sweep(search="grid", estimate="fresh", engine={"kind": "slurm", "partition": "gpu"})
    assert found.search == GridSearch()
    assert found.estimate == FreshEstimate()
    assert found.engine == SlurmEngine(partition="gpu")
    assert (sweep().search, sweep().estimate, sweep().engine) == (
        TpeSearch(),
        NestedEstimate(),
        LocalEngine(),
    )


def test_a_budget_ends_by_trials_or_by_hours():
    assert Budget(hours=1.5).trials is None
    with pytest.raises(ValidationError, match="name trials, hours, or both"):
        Budget()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../elsewhere"},
        {"batch": 0},
        {"patience_s": 0.5},
        {"engine": {"kind": "local", "workers": 0}},
        {"engine": {"kind": "local", "partition": "gpu"}},
        {"estimate": {"kind": "fresh", "repeats": 21}},
        {"seed": 2**31},
        {"search": "simulated annealing"},
    ],
)
def test_what_is_no_sweep_is_refused_by_its_key(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        sweep(**wrong)


@pytest.mark.parametrize(
    ("values", "learns"),
    [
        ({}, True),
        ({"search": "random"}, False),
        ({"search": "grid"}, False),
        ({"search": "random", "pruning": True}, True),
    ],
)
def test_a_sweep_learns_where_results_decide_what_is_done(values, learns):
    assert sweep(**values).learns is learns


def test_it_is_read_back_as_it_was_written():
    found = sweep(search={"kind": "tpe", "startup": 2}, engine="ray", budget={"hours": 0.25})
    assert SweepConfig.model_validate(found.model_dump(mode="json")) == found
