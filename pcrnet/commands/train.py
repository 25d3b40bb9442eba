"""``pcrnet train``: the whole job."""

from __future__ import annotations

import argparse

from pcrnet.commands.registry import SETTINGS, Commands
from pcrnet.config.layers import load_experiment


def register(commands: Commands) -> None:
    """Add the command and its options."""
    train = commands.add("train", _train, "train, judge and ship a model", overrides=True)
    train.lists_settings = True
    train.add_argument("settings", nargs="*", metavar=SETTINGS)


def _train(options: argparse.Namespace) -> None:
    experiment = load_experiment(options.overrides)

    from pcrnet.run.console import RunConsole
    from pcrnet.run.pipeline import train
    from pcrnet.training.tracking import tracking

    with RunConsole() as console, tracking(experiment) as tracker:
        result = train(experiment, console, tracker)
        tracker.summarise(result.metrics)
        console.finish(result)
