"""``pcrnet monitor``: what has changed in daily use, from the log of ``pcrnet predict --log``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pcrnet.cohort.outcome import OutcomeDefinition
from pcrnet.commands.registry import Commands
from pcrnet.disk_room import require_writable
from pcrnet.errors import ConfigError


def register(commands: Commands) -> None:
    """Add the command and its options."""
    monitor = commands.add(
        "monitor", _monitor, "watch daily use: shifts of inputs, predictions and calibration"
    )
    monitor.add_argument("log", type=Path, metavar="LOG", help="what pcrnet predict --log wrote")
    monitor.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets index.html and monitor.json"
    )
    monitor.add_argument(
        "--outcomes",
        type=Path,
        metavar="TABLE.csv",
        help="patient_id with ypT and ypN, or yT0, yN0, yT0yN0; what is new is added to the log",
    )
    monitor.add_argument(
        "--definition",
        choices=("ypT0", "ypT0/is"),
        help="of the outcomes in TABLE.csv (default: that of the bundles in the log)",
    )
    monitor.add_argument(
        "--bundle-sha256",
        dest="sha256",
        metavar="HEX",
        help="the bundle to look at, by the beginning of its digest (default: the last used)",
    )


def _monitor(options: argparse.Namespace) -> None:
    require_writable(options.out / "index.html")

    from pcrnet.monitoring.log import read_log
    from pcrnet.monitoring.outcomes import add_outcomes
    from pcrnet.monitoring.page import write_watch
    from pcrnet.monitoring.watch import watch

    if options.outcomes is not None:
        definition = _definition(options.definition, read_log(options.log).definitions)
        added = add_outcomes(options.log, options.outcomes, definition)
        sys.stderr.write(f"outcomes of {added} patients added to the log\n")
    log = read_log(options.log)
    found = watch(log, options.sha256)
    page = write_watch(found, options.out, torn=log.torn)
    for one in found.alarms:
        sys.stderr.write(f"alarm at patient {one.alarm}: {one.chart.words}\n")
    sys.stdout.write(f"{page}\n")


def _definition(given: OutcomeDefinition | None, known: frozenset[str]) -> OutcomeDefinition:
    """What the stages in a table of outcomes are read by: what the bundles were trained on."""
    if given is None and len(known) < 2:
        return "ypT0/is" if "ypT0/is" in known else "ypT0"
    if given is None or (known and given not in known):
        raise ConfigError(
            f"the bundles of the log define complete response as {' and '.join(sorted(known))}",
            field="--definition",
            remedy="name the one that the outcomes are to be read by"
            if given is None
            else "leave it out, or watch a log of bundles of that definition",
        )
    return given
