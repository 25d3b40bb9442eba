"""``pcrnet simulate``: an in-silico trial as a real cohort folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from pcrnet.commands.registry import Commands
from pcrnet.config.data import SimulationConfig
from pcrnet.errors import PcrnetError
from pcrnet.run.progress_bar import ProgressBar


def register(commands: Commands) -> None:
    """Add the command and its options."""
    simulate = commands.add(
        "simulate", _simulate, "write an in-silico trial as a real cohort folder"
    )
    simulate.add_argument("out", type=Path, metavar="OUT")
    defaults = SimulationConfig()
    simulate.add_argument(
        "--world",
        choices=get_args(SimulationConfig.model_fields["world"].annotation),
        default=defaults.world,
        help="what tells response: the amount of residue or its pattern (default: amount)",
    )
    simulate.add_argument("--patients", type=int, default=defaults.patients)
    simulate.add_argument("--seed", type=int, default=defaults.seed)
    simulate.add_argument("--sites", type=int, default=defaults.sites)
    simulate.add_argument("--mri-spacing-mm", type=float, default=defaults.mri_spacing_mm)


def _simulate(options: argparse.Namespace) -> None:
    from pydantic import ValidationError

    from pcrnet.simulation.trial import simulate_trial

    try:
        config = SimulationConfig(
            world=options.world,
            patients=options.patients,
            seed=options.seed,
            sites=options.sites,
            mri_spacing_mm=options.mri_spacing_mm,
        )
    except ValidationError as error:
        detail = error.errors()[0]
        raise PcrnetError(detail["msg"], field=f"--{detail['loc'][0]}") from error
    with ProgressBar("simulating", "patients") as bar:
        path = simulate_trial(options.out, config, progress=bar.update)
    sys.stdout.write(f"{path}\n")
