"""A fit that two processes share is the fit of one process, up to rounding."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from pcrnet.errors import NotFiniteError, RunError
from pcrnet.training.events import EpochReport
from pcrnet.training.fit import MODEL_FOLDER, read_logits, run_fit
from pcrnet.training.plan import FitPlan

_PLAN = FitPlan((0,))
_FIXED = [
    "model.dropout=0",  # each process drops units of its own
    "training.max_epochs=2",
    "training.batch_size=6",  # of 12 or 13 patients: the last batch has one
    "training.precision=32",
]


def _history(folder: Path) -> list[dict[str, str]]:
    with (folder / "network" / "history.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
@pytest.mark.parametrize("watched", [False, True])
def test_two_processes_train_what_one_does(make_job, watched: bool) -> None:
    overrides = [*_FIXED, *(["training.stopping={kind: early, fraction: 0.4}"] if watched else [])]
    alone = make_job(*overrides, folder="one")
    told: list[EpochReport] = []
    run_fit(_PLAN, alone)
    shared = make_job(*overrides, "training.trainer.devices=2", folder="two")
    run_fit(
        _PLAN, shared, listen=lambda one: told.append(one) if isinstance(one, EpochReport) else None
    )

    one, two = alone.directory / _PLAN.name, shared.directory / _PLAN.name
    assert [report.epoch for report in told] == [1, 2]  # the first process alone reports
    assert told[0].measures["samples_per_second"] > 0
    for row, other in zip(_history(one), _history(two), strict=True):
        for name in ("train_loss", "validation_loss"):
            assert bool(row[name]) == (watched or name == "train_loss")
            if row[name]:
                assert float(row[name]) == pytest.approx(float(other[name]), rel=1e-5)
    weights = [load_file(path / MODEL_FOLDER / "network-0.safetensors") for path in (one, two)]
    for name, value in weights[0].items():
        np.testing.assert_allclose(weights[1][name], value, atol=2e-4, err_msg=name)
    logits, others = read_logits(one), read_logits(two)
    assert set(logits) == set(others)  # as many as the plan leaves out, each once
    for name, own in logits.items():
        np.testing.assert_allclose(others[name], own, atol=1e-4)
    assert not list(two.rglob("trained.*"))
    assert not list(two.rglob("resume.*"))


def test_fewer_watched_than_processes_are_refused_before_any_starts(make_job) -> None:
    job = make_job(
        *_FIXED,
        "training.batch_size=8",
        "training.trainer.devices=8",
        "training.stopping={kind: early, fraction: 0.4}",
    )
    with pytest.raises(RunError, match="too few for 8 devices"):
        run_fit(_PLAN, job)


@pytest.mark.slow
def test_what_one_process_raises_is_raised_here(make_job) -> None:
    job = make_job(*_FIXED, "training.trainer.devices=2", "training.learning_rate=1e30")
    with pytest.raises(NotFiniteError, match="without-0, network"):
        run_fit(_PLAN, job)
