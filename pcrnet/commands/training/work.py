"""``pcrnet work``: one more worker for a sweep, from any machine that sees its folder."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from pcrnet.commands.registry import Commands


def register(commands: Commands) -> None:
    """Add the command and its options."""
    work = commands.add(
        "work", _work, "join a sweep that pcrnet sweep has begun, until it is done", overrides=True
    )
    work.add_argument("sweep", type=Path, metavar="SWEEP_DIR")
    work.add_argument(
        "settings", nargs="*", metavar="data.cohort=PATH or data.cache=PATH, where they differ here"
    )
    work.add_argument("--device-index", type=int, default=0, metavar="N", help="which GPU to use")
    work.add_argument(
        "--attached",
        action="store_true",
        help="end when standard input ends: who starts it ends it",
    )


def _work(options: argparse.Namespace) -> None:
    if options.attached:
        threading.Thread(target=_end_with_input, daemon=True).start()

    from pcrnet.run.console import RunConsole
    from pcrnet.sweeps.joining import join

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    with RunConsole() as console:
        layout = join(
            options.sweep,
            options.overrides,
            device_index=options.device_index,
            say=say,
            listen=console,
        )
    sys.stdout.write(f"{layout.report}\n")


def _end_with_input() -> None:
    """End this process when nobody holds the other end of its standard input any more."""
    while os.read(0, 1024):
        pass
    os._exit(1)
