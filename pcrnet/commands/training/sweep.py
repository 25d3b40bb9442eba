"""``pcrnet sweep``: a search over experiments, shared out between workers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pcrnet.commands.registry import Commands
from pcrnet.run.progress_bar import ProgressBar


def register(commands: Commands) -> None:
    """Add the command and its options."""
    sweep = commands.add(
        "sweep", _sweep, "search over experiments; see docs/sweeps.md", overrides=True
    )
    sweep.add_argument("sweep", type=Path, metavar="SWEEP.yaml")
    sweep.add_argument(
        "settings", nargs="*", metavar="section.key=value, sweep.key=value among them"
    )
    sweep.add_argument(
        "--list", action="store_true", help="say what would be searched, and train nothing"
    )


def _sweep(options: argparse.Namespace) -> None:
    from pcrnet.sweeps.plan.settings import load_sweep

    sweep = load_sweep(options.sweep, options.overrides)
    if options.list:
        from pcrnet.sweeps.preview import preview

        sys.stdout.write("\n".join(preview(sweep)) + "\n")
        return

    from pcrnet.run.console import RunConsole
    from pcrnet.sweeps.running import run_sweep

    with RunConsole() as console:
        layout, found = run_sweep(sweep, console, lambda: ProgressBar("sweep", "fits"))
    sys.stdout.write(f"{layout.report}\n")
    winner = found.get("winner")
    if winner is None:
        sys.stderr.write("no trial was completed; the report says why\n")
        return
    value = found.get("value")
    shown = "undefined" if value is None else f"{value:.4f}"
    how = {"nested": "nested selection", "fresh": "fresh repeats"}[str(found["kind"])]
    sys.stderr.write(
        f"winner: {winner} ({layout.best})\n"
        f"{sweep.config.objective.metric} by {how}: {shown}; "
        f"it won with {found['won_with']:.4f}, which is optimistic\n"
    )
    equals = found.get("equals")
    if isinstance(equals, int) and equals:
        sys.stderr.write(
            f"{equals} other trial{'s' if equals > 1 else ''} reached exactly the same value: "
            "nothing but their order makes one of them the winner\n"
        )
