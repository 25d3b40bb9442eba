"""What training took, in words and as a record: where the time went, how fast, how much memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from pcrnet.machine import available_cores, in_words
from pcrnet.storage import write_json
from pcrnet.training.demands.rehearsal import rehearse
from pcrnet.training.demands.roofline import matrix_peak, training_flops
from pcrnet.training.devices import computing_device, uses_gpu
from pcrnet.training.events import FitTimed, Listener, Remark, RunEvent
from pcrnet.training.fit import FitJob

THROUGHPUT_FILE = "throughput.json"


@dataclass
class Timekeeper:
    """Passes on what it is told, and keeps what the fits say of their time."""

    listen: Listener
    timed: list[FitTimed] = field(default_factory=list)

    def __call__(self, event: RunEvent) -> None:
        """Hear an event of the run."""
        if isinstance(event, FitTimed):
            self.timed.append(event)
        self.listen(event)

    def conclude(self, job: FitJob, seconds: float, side_by_side: int) -> None:
        """Write the record beside the fits, and say it; nothing where nothing was trained.

        Args:
            job: What was trained.
            seconds: That all fits took together.
            side_by_side: Fits at a time.
        """
        if not self.timed:
            return
        record = throughput(self.timed, seconds)
        record |= {"fits_at_a_time": side_by_side, "cores": available_cores()}
        if uses_gpu(job.training):
            record |= _on_gpu(job, float(str(record["samples_per_s"])))
        write_json(job.directory / THROUGHPUT_FILE, record)
        self.listen(Remark(in_a_line(record)))


def throughput(timed: Sequence[FitTimed], seconds: float) -> dict[str, object]:
    """The record of all networks that were trained.

    Returns:
        ``samples_per_s``: patients a second, of all fits together; ``share``: of the time of the
        networks, which add up over fits side by side; ``peak_bytes``: of the largest process.
    """
    total = sum(one.seconds for one in timed)
    spent = {
        "waiting": sum(one.waiting for one in timed),
        "augmentation": sum(one.augmentation for one in timed),
        "step": sum(one.step for one in timed),
    }
    spent["rest"] = total - sum(spent.values())
    patients = sum(one.patients for one in timed)
    return {
        "networks": len(timed),
        "steps": sum(one.steps for one in timed),
        "patients": patients,
        "seconds": round(seconds, 3),
        "samples_per_s": round(patients / seconds, 3),
        "milliseconds_a_step": round(1000 * total / sum(one.steps for one in timed), 3),
        "share": {name: round(value / total, 4) for name, value in spent.items()},
        "peak_bytes": max(one.peak_bytes for one in timed),
        "gpu_peak_bytes": max(one.gpu_peak_bytes for one in timed),
    }


def in_a_line(record: dict[str, object]) -> str:
    """The record as the console says it."""
    share = record["share"]
    assert isinstance(share, dict)  # noqa: S101
    parts = ", ".join(f"{100 * value:.0f} % {name}" for name, value in share.items())
    line = f"time of training: {parts}; {record['samples_per_s']:.0f} patients a second, "
    line += f"{in_words(float(str(record['peak_bytes'])))} at most in a process"
    if "share_of_peak" in record:
        line += f", {100 * float(str(record['share_of_peak'])):.1f} % of what the GPU can multiply"
    return line


def _on_gpu(job: FitJob, samples_per_s: float) -> dict[str, object]:
    device = computing_device(job.training, 0)
    network, batch = rehearse(job, 1)
    flops = training_flops(network, batch)
    reduced = job.training.precision != "32"
    peak = matrix_peak(device, torch.bfloat16 if reduced else torch.float32)
    return {
        "gpu": torch.cuda.get_device_name(device),
        "flops_a_patient": flops,
        "flops_per_s": flops * samples_per_s,
        "peak_flops_per_s": peak,
        "share_of_peak": flops * samples_per_s / (peak * torch.cuda.device_count()),
    }
