"""``pcrnet train``: the whole job."""

from __future__ import annotations

import argparse
from pathlib import Path

from pcrnet.commands.registry import SETTINGS, Commands
from pcrnet.config.layers import load_experiment
from pcrnet.training.head_start import begin_early


def register(commands: Commands) -> None:
    """Add the command and its options."""
    train = commands.add("train", _train, "train, judge and ship a model", overrides=True)
    train.lists_settings = True
    train.add_argument("settings", nargs="*", metavar=SETTINGS)
    train.add_argument(
        "--sign",
        type=Path,
        metavar="PRIVATE.pem",
        help="sign the bundle at the end, as pcrnet sign does",
    )


def _train(options: argparse.Namespace) -> None:
    experiment = load_experiment(options.overrides)
    key = None
    if options.sign is not None:  # before hours of work
        from pcrnet.deploy.signing import read_private_key

        key = read_private_key(options.sign)

    begin_early(experiment)
    from pcrnet.run.console import RunConsole
    from pcrnet.run.pipeline import train
    from pcrnet.training.tracking import tracking

    with RunConsole() as console, tracking(experiment, console) as tracker:
        result = train(experiment, console, tracker)
        tracker.summarise(result.metrics)
        if key is not None:
            from pcrnet.deploy.signing import sign_bundle

            sign_bundle(result.bundle, key)
        console.finish(result)
