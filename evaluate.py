"""Judge a finished run.

python evaluate.py RUN [section.key=value ...]

What training decided cannot be changed here; evaluation.protocol, evaluation.bootstrap_draws and
evaluation.seed can.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pcrnet.cli import guarded
from pcrnet.config import load_experiment
from pcrnet.errors import RunError
from pcrnet.evaluation.analysis import evaluate_run


def main() -> None:
    """Load the run's experiment, write its report, and say where it is."""
    if len(sys.argv) < 2:
        raise RunError("no run to judge", remedy="python evaluate.py runs/simulated")
    run = Path(sys.argv[1])
    experiment = load_experiment([str(run / "config.yaml"), *sys.argv[2:]])
    report = evaluate_run(run, experiment.evaluation, progress=_say)
    sys.stdout.write(f"report: {report}\n")


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")


if __name__ == "__main__":
    sys.exit(guarded(main, usage=__doc__))
