"""Judge a finished run: ``python evaluate.py RUN [section.key=value …]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pcrnet.config import load_experiment
from pcrnet.errors import PcrnetError
from pcrnet.evaluation.analysis import evaluate_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a run, say where it is, and return the exit code."""
    parser = argparse.ArgumentParser(description="Write the report of a finished run.")
    parser.add_argument("run", type=Path, help="run directory, such as runs/simulated")
    parser.add_argument(
        "override", nargs="*", help="evaluation.protocol=…, .bootstrap_draws=… or .seed=…"
    )
    options, dashed = parser.parse_known_args(arguments)
    try:
        changed = [*options.override, *dashed]
        experiment = load_experiment([str(options.run / "config.yaml"), *changed])
        report = evaluate_run(options.run, experiment.evaluation, progress=_say)
    except PcrnetError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the command line
        return 2
    print(f"report: {report}")  # noqa: T201
    return 0


def _say(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
