"""What a run costs before its first step and after its last, and what one prediction costs.

python benchmarks/start_and_end.py [--folder DIR] [--patients N] [--out FILE.json] [key=value ...]

Medians of seven new processes for ``import pcrnet`` (the interpreter's own start taken off) and
``pcrnet --help``. A run of the default configuration on N simulated patients, its networks trained
for two epochs, is stopped within its first fit and started again: seconds from the start of that
process to the end of the first epoch (an upper bound of the first step), and those of the stages
Bundle and Report. Then one patient with all scans, from files to the answer, by a predictor that
is loaded already.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ |= {"WANDB_MODE": "disabled"}

from harness import describe_machine, publish

REPEATS = 7

RUN = """
import json, sys, time
began = float(sys.argv[1])
from pcrnet.config.layers import load_experiment
from pcrnet.public import train
from pcrnet.training.events import EpochReport, StageStarted

marks = []

class Enough(KeyboardInterrupt):
    pass

def listen(event):
    if isinstance(event, StageStarted):
        marks.append([event.title, time.time() - began])
    if isinstance(event, EpochReport) and not any(name == "first epoch" for name, _ in marks):
        marks.append(["first epoch", time.time() - began])
        if sys.argv[2] == "stop":
            raise Enough

try:
    train(load_experiment(sys.argv[3:]), listen)
except KeyboardInterrupt:
    pass
marks.append(["end", time.time() - began])
print(json.dumps(marks))
"""


def median_seconds(command: list[str]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def run(how: str, settings: list[str]) -> list[tuple[str, float]]:
    """Name of each moment of a run and seconds since its process began."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(time.time()), how, *settings],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def lasted(marks: list[tuple[str, float]], stage: str) -> float:
    """Seconds from the beginning of a stage to the next."""
    place = next(i for i, (name, _) in enumerate(marks) if name == stage)
    return marks[place + 1][1] - marks[place][1]


def one_patient(bundle: Path, trial: Path) -> dict[str, float]:
    """Median seconds of loading a bundle and of one patient from files to the answer."""
    import pcrnet

    began = time.perf_counter()
    predictor = pcrnet.load_bundle(bundle)
    loaded = time.perf_counter() - began
    patients = predictor.read_patients(trial)
    most = max(patients, key=lambda each: sum(len(v.scans) for v in each.visits.values()))
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        answer = predictor.predict_patients([most], workers=1)
        times.append(time.perf_counter() - began)
        assert answer.predictions is not None
    return {"bundle_loaded_s": loaded, "one_patient_s": statistics.median(times)}


def measure(folder: Path, patients: int, more: list[str]) -> dict[str, Any]:
    settings = [f"run.root={folder}", "run.name=run", f"data.simulation.patients={patients}"]
    settings += ["training.max_epochs=2", *more]
    interpreter = median_seconds([sys.executable, "-c", "pass"])
    found: dict[str, Any] = {
        "import_pcrnet_s": median_seconds([sys.executable, "-c", "import pcrnet"]) - interpreter,
        "help_s": median_seconds([sys.executable, "-m", "pcrnet.cli", "--help"]),
    }
    run("stop", settings)
    marks = run("go on", settings)
    found["second_start_to_first_epoch_s"] = dict(marks)["first epoch"]
    for stage in ("Bundle", "Report"):
        found[f"{stage.lower()}_s"] = lasted(marks, stage)
    (trial,) = (folder / "trials").glob("*/cohort.csv")
    found |= one_patient(folder / "run" / "bundle", trial)
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", nargs="*", help="of the run, over the default")
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/pcrnet-start"))  # noqa: S108
    parser.add_argument("--out", type=Path)
    options = parser.parse_intermixed_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    found = measure(options.folder, options.patients, options.settings)
    publish({"machine": describe_machine(), "patients": options.patients, **found}, options.out)
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
