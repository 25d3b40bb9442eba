"""Train, judge and ship a model.

python train.py [CONFIG.yaml ...] [section.key=value ...]

Without arguments it simulates a small PET/MRI trial and trains on that.
"""

from __future__ import annotations

import sys

from pcrnet.config.layers import load_experiment
from pcrnet.guard import guarded
from pcrnet.training.head_start import begin_early


def main() -> None:
    """Load the experiment, run it, and say where the report and the bundle are."""
    experiment = load_experiment(sys.argv[1:])

    # Torch and Lightning take seconds to import: a mistake in the arguments is told before.
    begin_early(experiment)
    from pcrnet.run.console import RunConsole
    from pcrnet.run.pipeline import train
    from pcrnet.training.tracking import tracking

    with RunConsole() as console, tracking(experiment, console) as tracker:
        result = train(experiment, console, tracker)
        tracker.summarise(result.metrics)
        console.finish(result)


if __name__ == "__main__":
    sys.exit(guarded(main, usage=__doc__))
