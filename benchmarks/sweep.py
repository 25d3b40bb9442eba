"""Sweeps under attack, in a crowd, and with pruning.

python benchmarks/sweep.py kills [--every 20 | --fits N] [--folder DIR] [--out FILE.json]
python benchmarks/sweep.py crowd [--seconds S] [--folder DIR] [--out FILE.json]
python benchmarks/sweep.py overhead|pruning [--folder DIR] [--out FILE.json]

kills: ``configs/sweeps/example.yaml`` once by one worker that nobody disturbs, and once by two, one
of which is killed every so many seconds; on a machine so busy that a worker needs as long to begin,
every so many fits. Both must end with the same trials, winner and numbers, and no fit may be made
twice. Settings lie over those of the example.

crowd: eight workers whose fits are sleep share one folder; efficiency is time slept over time
spent. overhead: one worker whose fits take no time. pruning: thirty trials of real fits, with and
without pruning; random search proposes the same trials to both.

Linux only (it looks for processes in /proc).
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}

from harness import describe_machine, publish

from pcrnet.config.experiment import Experiment
from pcrnet.config.model import NetworkConfig
from pcrnet.storage import write_json, write_text
from pcrnet.sweeps.folder.layout import SweepLayout, TrialLayout
from pcrnet.sweeps.folder.records import FitNote
from pcrnet.sweeps.joining import begin, join
from pcrnet.sweeps.plan.settings import load_sweep
from pcrnet.sweeps.worker import Worker
from pcrnet.training.plan import FitPlan

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "configs" / "sweeps" / "example.yaml"
_MADE = re.compile(r"^(?P<trial>\w+) (?P<fit>with\S+): [\d.]+ s$", re.MULTILINE)


# --- kills


def sweep_command(folder: Path, workers: int, settings: list[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "pcrnet.cli", "sweep", str(EXAMPLE)),
        *(f"run.root={folder}", f"sweep.engine.workers={workers}", *settings),
    ]


def children(pid: int) -> list[int]:
    """Processes of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        state, parent = text[text.rindex(")") + 2 :].split()[:2]
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def run_undisturbed(folder: Path, settings: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(sweep_command(folder, 1, settings), check=True, capture_output=True)
    return time.monotonic() - began


def run_with_kills(
    folder: Path, settings: list[str], every: float, fits: int | None
) -> dict[str, Any]:
    """Two workers, one of which is killed every so many seconds, or every so many fits."""
    generator = random.Random(1)  # noqa: S311 - whom to kill is no secret
    layout = SweepLayout(folder / "sweeps" / "example")
    process = subprocess.Popen(
        sweep_command(folder, 2, settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    kills, again = 0, []
    seen: dict[Path, int] = {}
    began = time.monotonic()
    next_kill, next_count = None, fits
    try:
        while process.poll() is None:
            time.sleep(0.05)
            for fit in layout.trials.glob("*/folds/*"):
                mark = fit.stat().st_ino
                if seen.setdefault(fit, mark) != mark:
                    again.append(str(fit))
            if next_kill is None and any(layout.claims.glob("*/*")):
                next_kill = time.monotonic() + every
            if next_count is not None:
                due = len(seen) >= next_count
            else:
                due = next_kill is not None and time.monotonic() > next_kill
            workers = children(process.pid) if due else []
            if workers:
                os.kill(generator.choice(workers), signal.SIGKILL)
                kills += 1
                next_kill = time.monotonic() + every
                next_count = None if fits is None else len(seen) + fits
    finally:
        process.kill()  # where this process is ended first; its workers end with it
    assert process.returncode == 0, f"see {layout.path / 'logs'}"
    said = "".join(path.read_text() for path in (layout.path / "logs").glob("*.log"))
    made = [(match["trial"], match["fit"]) for match in _MADE.finditer(said)]
    return {
        "seconds": round(time.monotonic() - began, 1),
        "kills": kills,
        "made_again": again,
        "fits_said_to_be_made": len(made),
        "said_twice": len(made) - len(set(made)),
        "taken_over": sum(1 for _ in layout.claims.glob("*/with*.[1-9]*")),
    }


def numbers(folder: Path) -> dict[str, Any]:
    """All that must not depend on who did it, and how often they died."""
    layout = SweepLayout(folder / "sweeps" / "example")
    with layout.table.open(newline="") as stream:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]
    estimate = json.loads(layout.estimate.read_text())
    estimate["fits"].pop("made")
    tables = {
        path.parent.name: path.read_text()
        for path in sorted(layout.trials.glob("*/predictions.csv"))
    }
    return {"rows": rows, "estimate": estimate, "predictions": tables}


def kills(folder: Path, settings: list[str], every: float, fits: int | None) -> dict[str, Any]:
    alone = run_undisturbed(folder / "alone", settings)
    found = run_with_kills(folder / "killed", settings, every, fits)
    first, second = numbers(folder / "alone"), numbers(folder / "killed")
    return {
        "seconds_undisturbed": round(alone, 1),
        **found,
        "trials": len(second["rows"]),
        "complete": sum(row["state"] == "complete" for row in second["rows"]),
        "winner": second["estimate"]["winner"],
        "same_trials": first["rows"] == second["rows"],
        "same_estimate": first["estimate"] == second["estimate"],
        "same_predictions": first["predictions"] == second["predictions"],
    }


# --- stub fits


def share_of(*names: str) -> float:
    """From 0 to 1, and always the same."""
    return zlib.crc32("/".join(names).encode()) / 2**32


class Sleeper:
    """Fits that sleep for a time of their own, and a judge that reads the width."""

    def __init__(self, layout: SweepLayout, mean_s: float) -> None:
        self.layout, self.mean_s = layout, mean_s
        self.slept: list[tuple[float, float]] = []

    def fit(
        self,
        experiment: Experiment,
        plan: FitPlan,
        trial: TrialLayout,
        folder: Path,
        check: Callable[[], None],
    ) -> FitNote:
        assert isinstance(experiment.model, NetworkConfig)
        began = time.time()
        if self.mean_s:
            time.sleep(self.mean_s * (0.5 + share_of(trial.path.name, plan.name)))
        check()
        write_text(folder / plan.name / "made", "")
        self.slept.append((began, time.time()))
        width = experiment.model.width
        return FitNote(time.time() - began, tuple(width / 256 + i / 100 for i in plan.left_out))

    def judge(
        self, experiment: Experiment, trial: TrialLayout
    ) -> tuple[float, dict[str, dict[str, float | None]]]:
        assert isinstance(experiment.model, NetworkConfig)
        return experiment.model.width / 256, {}

    def finish(self, finished: Sequence[object], fresh: object) -> None:
        write_json(self.layout.finished, {"trials": len(finished)})


def stub_sweep(folder: Path, name: str, trials: int, section: str) -> tuple[Any, SweepLayout]:
    path = folder / f"{name}.yaml"
    write_text(
        path,
        f"sweep:\n  name: {name}\n  budget: {{trials: {trials}}}\n{section}\n"
        "  space:\n    model.width: {low: 16, high: 2048, step: 16}\n"
        "    training.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}\n",
    )
    sweep = load_sweep(path, [f"run.root={folder}", "evaluation.folds=3"])
    return sweep, begin(sweep)


def _one_of_a_crowd(folder: str, name: str, start: Any, number: int, mean_s: float) -> None:
    layout = SweepLayout(Path(folder) / "sweeps" / name)
    sweep = load_sweep(Path(folder) / f"{name}.yaml", [f"run.root={folder}", "evaluation.folds=3"])
    shop = Sleeper(layout, mean_s)
    worker = Worker(sweep, layout, shop)
    start.wait()
    worker.run()
    write_json(Path(folder) / f"{name}-{number}.json", shop.slept)


def crowd(folder: Path, workers: int = 8, trials: int = 80, mean_s: float = 3.0) -> dict[str, Any]:
    stub_sweep(folder, "crowd", trials, "  search: random\n  batch: 16")
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(workers)
    processes = [
        context.Process(target=_one_of_a_crowd, args=(str(folder), "crowd", start, number, mean_s))
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    spans = [
        span for number in range(workers)
        for span in json.loads((folder / f"crowd-{number}.json").read_text())
    ]  # fmt: skip
    slept = sum(end - began for began, end in spans)
    lasted = max(end for _, end in spans) - min(began for began, _ in spans)
    return {
        "workers": workers,
        "fits": len(spans),
        "seconds": round(lasted, 1),
        "seconds_a_fit": round(slept / len(spans), 3),
        "efficiency": round(slept / (workers * lasted), 4),
    }


def overhead(folder: Path, trials: int = 30) -> dict[str, Any]:
    section = "  search: {kind: tpe, startup: 5}\n  pruning: true"
    sweep, layout = stub_sweep(folder, "overhead", trials, section)
    began, cpu = time.perf_counter(), time.process_time()
    Worker(sweep, layout, Sleeper(layout, 0.0)).run()
    return {
        "trials": trials,
        "seconds_a_trial": round((time.perf_counter() - began) / trials, 3),
        "cpu_seconds_a_trial": round((time.process_time() - cpu) / trials, 3),
    }


# --- pruning

PRUNING = """
sweep:
  budget: {trials: 30}
  search: random
  batch: 5
  space:
    model.kind:
      clinical: {}
      quantitative: {}
      network:
        model.start: [frequencies]
        model.networks: [1]
        model.width: [16, 32]
        training.learning_rate: {low: 5.0e-4, high: 2.0e-2, log: true}
    data.covariates:
      [[age], [grade], [cT], [cN], [age, grade], [cT, cN], [hr_status, grade],
       [age, hr_status, grade, cT, cN]]
data:
  simulation: {patients: 100, mri_spacing_mm: 4.0}
imaging: {spacing_mm: [10.0, 10.0, 10.0], size: [12, 12, 12]}
model: {encoder: {stem_width: 4, widths: [8], blocks: [0]}}
training: {max_epochs: 2, accelerator: cpu}
evaluation: {folds: 5}
"""


def pruning(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, enabled in (("full", "false"), ("pruned", "true")):
        path = folder / f"{name}.yaml"
        write_text(path, PRUNING)
        overrides = [f"run.root={folder}", f"sweep.name={name}", f"sweep.pruning={enabled}"]
        sweep = load_sweep(path, overrides)
        layout = begin(sweep)
        from pcrnet.run.preparation import gather

        gather(sweep.experiment, lambda event: None)
        join(layout.path)
        record = json.loads(layout.estimate.read_text())
        found[name] = {
            "winner": record["winner"],
            "won_with": record["won_with"],
            "nested": record["value"],
            **record["fits"],
        }
    return found | {"same_winner": found["full"]["winner"] == found["pruned"]["winner"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("kills", "crowd", "overhead", "pruning"))
    parser.add_argument("settings", nargs="*", help="of the sweep that is killed")
    parser.add_argument("--every", type=float, default=20.0)
    parser.add_argument("--fits", type=int, help="kill after so many fits instead of seconds")
    parser.add_argument("--seconds", type=float, default=3.0, help="that a fit of a crowd sleeps")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/pcrnet-sweep"))  # noqa: S108
    parser.add_argument("--out", type=Path)
    options = parser.parse_intermixed_args()
    folder = options.folder / options.part
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    load = round(os.getloadavg()[0], 1)
    match options.part:
        case "kills":
            found = kills(folder, options.settings, options.every, options.fits)
        case "crowd":
            found = crowd(folder, mean_s=options.seconds)
        case "overhead":
            found = overhead(folder)
        case _:
            found = pruning(folder)
    earlier = {}
    if options.out is not None and options.out.is_file():
        earlier = json.loads(options.out.read_text())
    name = options.part if options.seconds == 3.0 else f"{options.part}_{options.seconds:g}s"
    found["load_before"] = load
    publish(earlier | {"machine": describe_machine(), name: found}, options.out)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
