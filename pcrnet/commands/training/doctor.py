"""``pcrnet doctor``: what a run needs, what there is, and whether the machine computes right."""

from __future__ import annotations

import argparse
import sys

from pcrnet.commands.registry import SETTINGS, Commands
from pcrnet.config.layers import load_experiment


def register(commands: Commands) -> None:
    """Add the command and its options."""
    doctor = commands.add(
        "doctor", _doctor, "what a run needs, and whether this machine has it", overrides=True
    )
    doctor.add_argument("settings", nargs="*", metavar=SETTINGS)
    doctor.add_argument(
        "--bench", action="store_true", help="measure the machine as well, in under a minute"
    )


def _doctor(options: argparse.Namespace) -> None:
    experiment = load_experiment(options.overrides)

    from pcrnet.doctor.examination import examine

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    examine(experiment, say, bench=options.bench)
