"""What is settled before the first fit."""

from __future__ import annotations

from pcrnet.config.layers import load_experiment
from pcrnet.run.preparation import simulation_name


def test_trials_that_differ_have_different_folders() -> None:
    settings = ([], ["data.simulation.seed=1"], ["data.simulation.mri_spacing_mm=4"])
    names = [simulation_name(load_experiment(values)) for values in settings]
    assert len(set(names)) == 3
    assert names[0] == simulation_name(load_experiment(["training.max_epochs=3"]))
