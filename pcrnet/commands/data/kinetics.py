"""``pcrnet kinetics``: maps of a dynamic contrast series."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from pcrnet.commands.registry import SETTINGS, Commands
from pcrnet.config.layers import load_experiment
from pcrnet.disk_room import require_writable
from pcrnet.errors import PcrnetError

_PLAUSIBLE = (
    ("t1_ms", (100.0, 5000.0), "ms"),  # fat has some 300, free water 4000
    ("relaxivity", (1.0, 50.0), "l/(mmol s)"),  # agents of gadolinium have 3 to 20
)
"""What tissue and agents can have; other units are off by 1000, and their maps look like maps."""
_LATEST_ARRIVAL_S = 300.0


def register(commands: Commands) -> None:
    """Add the command and its options."""
    kinetics = commands.add(
        "kinetics", _kinetics, "maps of a dynamic contrast series: PE, SER, Ktrans", overrides=True
    )
    kinetics.add_argument("series", type=Path, metavar="SERIES", help="folder or zip")
    kinetics.add_argument("out", type=Path, metavar="DIR")
    kinetics.add_argument("settings", nargs="*", metavar=SETTINGS)
    kinetics.add_argument("--mask", type=Path, metavar="MASK.nii.gz")
    kinetics.add_argument("--t1-ms", type=float, help="T1 of the tissue: fits the Tofts model")
    kinetics.add_argument("--relaxivity", type=float, help="of the agent in l/(mmol s), for Tofts")
    kinetics.add_argument("--arrival-s", type=float, default=0.0, help="injection to artery")


def _kinetics(options: argparse.Namespace) -> None:
    from pcrnet.imaging.kinetic_maps import TissueModel, write_kinetic_maps

    if not math.isfinite(options.arrival_s) or abs(options.arrival_s) > _LATEST_ARRIVAL_S:
        raise PcrnetError(
            f"an arrival {options.arrival_s:g} s after the injection is not plausible; expected at "
            f"most {_LATEST_ARRIVAL_S:g} s",
            field="--arrival-s",
            remedy="give the seconds from injection to artery",
        )
    model = None
    if options.t1_ms is not None or options.relaxivity is not None:
        for name in ("t1_ms", "relaxivity"):
            if not (getattr(options, name) or 0.0) > 0.0:
                raise PcrnetError(
                    "the Tofts model needs the T1 of the tissue and the relaxivity of the agent",
                    field=f"--{name.replace('_', '-')}",
                    remedy="give both as positive numbers, or leave both out",
                )
        for name, (low, high), unit in _PLAUSIBLE:
            if not low <= getattr(options, name) <= high:
                raise PcrnetError(
                    f"{getattr(options, name):g} is no such number in {unit}; expected {low:g} to "
                    f"{high:g}",
                    field=f"--{name.replace('_', '-')}",
                    remedy=f"give it in {unit}",
                )
        model = TissueModel(options.t1_ms / 1000.0, options.relaxivity, options.arrival_s)
    settings = load_experiment(options.overrides).imaging.dicom
    require_writable(options.out / "pe.nii.gz")
    for path in write_kinetic_maps(
        options.series, options.out, settings, mask=options.mask, model=model
    ):
        sys.stdout.write(f"{path}\n")
