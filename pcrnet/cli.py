"""The command line: one subcommand a task, each a module of ``pcrnet.commands``.

Whatever a user can cause ends with a message and exit code 2; only faults of pcrnet itself show a
traceback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pcrnet import __version__
from pcrnet.commands.bundles import (
    explain,
    export,
    monitor,
    predict,
    preprocess,
    sbom,
    serve,
    verify,
)
from pcrnet.commands.data import check, convert, importing, kinetics, simulate
from pcrnet.commands.judging import compare, evaluate
from pcrnet.commands.registry import Commands
from pcrnet.commands.training import doctor, sweep, train, work
from pcrnet.guard import guarded

_COMMANDS = (
    doctor,
    train,
    sweep,
    work,
    check,
    convert,
    kinetics,
    importing,
    simulate,
    predict,
    explain,
    monitor,
    serve,
    evaluate,
    compare,
    export,
    preprocess,
    verify,
    sbom,
)
"""In the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run it; returns the exit code."""
    parser = _parser()
    # Overrides may begin with dashes, which argparse would take for options of its own.
    options, overrides = parser.parse_known_args(arguments)
    if overrides and not options.takes_overrides:
        parser.error(f"unrecognised arguments: {' '.join(overrides)}")
    options.overrides = [*getattr(options, "settings", []), *overrides]
    return guarded(lambda: options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pcrnet",
        description="From PET/MRI at several timepoints to calibrated probabilities of response.",
    )
    parser.add_argument("--version", action="version", version=f"pcrnet {__version__}")
    commands = Commands(parser)
    for command in _COMMANDS:
        command.register(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
