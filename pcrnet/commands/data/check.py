"""``pcrnet check``: what a cohort table holds and what is wrong."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pcrnet.commands.registry import SETTINGS, Commands
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.disk_room import require_writable
from pcrnet.errors import PcrnetError
from pcrnet.run.progress_bar import ProgressBar


def register(commands: Commands) -> None:
    """Add the command and its options."""
    check = commands.add(
        "check", _check, "say what a cohort table holds and what is wrong", overrides=True
    )
    check.add_argument("cohort", type=Path, metavar="COHORT.csv")
    check.add_argument("settings", nargs="*", metavar=SETTINGS)
    check.add_argument(
        "--pictures", type=Path, metavar="DIR", help="draw every patient, with measurements"
    )


def _check(options: argparse.Namespace) -> None:
    from rich.console import Console

    from pcrnet.review.check_tables import render_report
    from pcrnet.review.checks import check_cohort

    experiment = load_experiment(options.overrides)
    if options.pictures is not None:
        require_writable(options.pictures / "index.html")
    with ProgressBar("reading", "patients") as bar:
        report = check_cohort(options.cohort, experiment, progress=bar.update)
    Console().print(render_report(report))
    if options.pictures is not None:
        _draw_cohort(options.cohort, experiment, options.pictures)
    if report.problems:
        count = len(report.problems)
        raise PcrnetError(
            f"{count} problem{'s' if count > 1 else ''}, listed above",
            file=options.cohort.name,
            remedy=f"these settings fit the table: {report.proposed_settings}"
            if report.proposed_settings
            else "mend what is named above; a run refuses it as well",
        )


def _draw_cohort(table: Path, experiment: Experiment, out: Path) -> None:
    from pcrnet.cohort.table import scan_cohort
    from pcrnet.review.quality_sheet import quality_sheet
    from pcrnet.simulation.trial import is_simulated

    data = experiment.data
    cohort, _ = scan_cohort(
        table,
        definition=experiment.outcome.definition,
        timepoints=data.timepoints,
        channels=data.channels,
    )
    with ProgressBar("drawing", "patients") as bar:
        index = quality_sheet(
            cohort,
            data,
            experiment.imaging,
            out,
            bar.update,
            simulated=is_simulated(table),
        )
    sys.stdout.write(f"{index}\n")
