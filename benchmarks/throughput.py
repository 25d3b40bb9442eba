"""Patients a second from the cache to the optimiser: pcrnet, MONAI and TorchIO, one network.

python benchmarks/throughput.py [--quick] [--alone] [--device cpu|cuda] [--json FILE.json]

Network, grid, batch and samples are the same for all; so is what augmentation does: affine and
elastic warp, mirror image, gain and noise. pcrnet trains through its own data module and trainer.
MONAI reads a CacheDataset with dictionary transforms, TorchIO a SubjectsDataset by its
SubjectsLoader, both in a plain loop around the same bare step. That step alone, on a batch that
lies on the device, is the floor. All take turns within one run, some steps each; what is told are
medians and ratios of one turn.

At the top stand the least favourable values of the grids; ``samples_per_s`` is of the default
grid, on a GPU of the trial's. ``vs_monai`` and ``vs_torchio``: how many times as long a step of
theirs takes. ``vs_bare_step``: of pcrnet's, over the bare one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import commit, describe_torch, publish
from harness_training import (
    SETTINGS,
    TRIAL,
    InMemory,
    Setting,
    bare_step,
    finish,
    new_network,
    resident_batch,
)
from torch import Tensor

from pcrnet.config.experiment import Experiment
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import Batch, TensorSource
from pcrnet.machine import keep_freed_memory
from pcrnet.models.contract import FitPart
from pcrnet.training.demands.roofline import matrix_peak, training_flops
from pcrnet.training.events import EpochReport, FitTimed
from pcrnet.training.lightning import callbacks
from pcrnet.training.lightning.loop import TrainingLoop

_PATIENTS_OF_PEERS = 32
"""More would only take longer to write and to read: theirs lie in memory, too."""
Turn = Callable[[], "Seconds"]
"""Trains some steps, and says how many seconds each took."""


class Seconds(NamedTuple):
    """Of the clock on the wall, and of this process on processors."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Seconds:
        """What both clocks show."""
        return cls(time.perf_counter(), time.process_time())

    def a_step(self, steps: int) -> Seconds:
        """Since these, over so many steps."""
        return Seconds(*((now - then) / steps for now, then in zip(self.now(), self, strict=True)))


def peer(
    batches: Callable[[], Iterator[Tensor]], experiment: Experiment, source: InMemory, device: Any
) -> Iterator[None]:
    """A step of a plain loop at every ``next``; it never ends."""
    step = bare_step(experiment, new_network(experiment, device), device)
    resident = resident_batch(experiment, source, device)
    shape = resident.image.shape[1:]
    while True:
        for image in batches():
            moved = image.to(device, non_blocking=True).reshape(-1, *shape).float()
            step(Batch(*(value[: len(moved)] for value in resident))._replace(image=moved))
            yield


def monai_batches(
    experiment: Experiment, source: InMemory, folder: Path, workers: int
) -> Callable[[], Iterator[Tensor]]:
    """MONAI's loader: the cohort as files, cached, then varied at random."""
    from monai.data import CacheDataset, DataLoader
    from monai.transforms import (
        Compose,
        EnsureChannelFirstd,
        LoadImaged,
        Rand3DElasticd,
        RandFlipd,
        RandGaussianNoised,
        RandScaleIntensityd,
    )

    files = []
    for name, tensor in islice(source.tensors.items(), _PATIENTS_OF_PEERS):
        path = folder / f"{name}.npy"
        np.save(path, tensor.image.reshape(-1, *tensor.image.shape[2:]).astype(np.float32))
        files.append({"image": str(path)})
    spacing = experiment.imaging.spacing_mm[0]
    transforms = Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image", channel_dim=0),
            RandFlipd("image", prob=0.5, spatial_axis=0),
            Rand3DElasticd(
                "image",
                sigma_range=(4, 6),
                magnitude_range=(20, 60),
                prob=1.0,
                rotate_range=(0.17,) * 3,
                translate_range=(6.0 / spacing,) * 3,
                scale_range=(0.08,) * 3,
                padding_mode="border",
            ),
            RandScaleIntensityd("image", factors=0.05, prob=1.0),
            RandGaussianNoised("image", prob=1.0, std=0.03),
        ]
    )
    loader = DataLoader(
        CacheDataset(files, transforms, cache_rate=1.0, progress=False),
        batch_size=experiment.training.batch_size,
        shuffle=True,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
    )
    return lambda: (batch["image"].as_tensor() for batch in loader)


def torchio_batches(
    experiment: Experiment, source: InMemory, workers: int
) -> Callable[[], Iterator[Tensor]]:
    """TorchIO's loader of subjects in memory."""
    import torchio

    subjects = [
        torchio.Subject(
            image=torchio.ScalarImage(
                tensor=torch.from_numpy(tensor.image).flatten(0, 1).float(),
                affine=np.diag([*experiment.imaging.spacing_mm, 1.0]),
            )
        )
        for tensor in islice(source.tensors.values(), _PATIENTS_OF_PEERS)
    ]
    transforms = torchio.Compose(
        [
            torchio.RandomFlip(axes=0, flip_probability=0.5),
            torchio.RandomAffine(scales=0.08, degrees=10, translation=6),
            torchio.RandomElasticDeformation(num_control_points=5, max_displacement=4),
            torchio.RandomGamma(log_gamma=(-0.05, 0.05)),  # it has no plain gain
            torchio.RandomNoise(std=(0.03, 0.03)),
        ]
    )
    loader = torchio.SubjectsLoader(
        torchio.SubjectsDataset(subjects, transform=transforms),
        batch_size=experiment.training.batch_size,
        shuffle=True,
        num_workers=workers,
    )
    return lambda: (batch["image"][torchio.DATA] for batch in loader)


@dataclass
class Turns:
    """Everybody's seconds a step, turn by turn.

    pcrnet's trainer leads: at the end of each of its epochs the others have their turn, and its
    own clock stands still.
    """

    others: dict[str, Turn]
    steps: int
    device: torch.device
    seconds: dict[str, list[Seconds]] = field(default_factory=dict)
    timed: FitTimed | None = None
    _begun: Seconds = field(default_factory=Seconds.now)
    _epochs: int = 0

    def __call__(self, event: object) -> None:
        """Hear pcrnet's training."""
        if isinstance(event, FitTimed):
            self.timed = event
        if not isinstance(event, EpochReport):
            return
        finish(self.device)
        own = self._begun.a_step(self.steps)
        if self._epochs:  # the first holds the start
            self.seconds.setdefault("pcrnet", []).append(own)
            for name, turn in self.others.items():
                self.seconds.setdefault(name, []).append(turn())
        self._epochs += 1
        self._begun = Seconds.now()


def in_turn(step: Callable[[], object], steps: int, device: torch.device) -> Turn:
    """A turn of so many steps; the first two are made at once, and not counted."""
    for _ in range(2):
        step()

    def turn() -> Seconds:
        finish(device)
        start = Seconds.now()
        for _ in range(steps):
            step()
        finish(device)
        return start.a_step(steps)

    return turn


def measure(
    setting: Setting, device: torch.device, turns: int, workers: int, *, alone: bool = False
) -> dict[str, Any]:
    """All contestants on one grid; ``alone``: pcrnet and the bare step."""
    experiment = setting.experiment(device)
    source = InMemory(experiment, setting.patients)
    steps = setting.patients // experiment.training.batch_size
    bare = bare_step(experiment, new_network(experiment, device), device)
    resident = resident_batch(experiment, source, device)
    training = experiment.training.model_copy(update={"max_epochs": turns + 1})
    own: TensorSource = source
    if device.type == "cuda":  # as a run keeps a cohort that has room there
        own = source.resident(device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        others = {"bare step": in_turn(lambda: bare(resident), steps, device)}
        if not alone:
            batches = {
                "monai": (monai_batches(experiment, source, folder, workers), 4),
                "torchio": (torchio_batches(experiment, source, workers), 8),
            }
            for one, (made, fewer) in batches.items():
                step = partial(next, peer(made, experiment, source, device))
                others[one] = in_turn(step, max(1, steps // fewer), device)
        contest = Turns(others, steps, device)
        loop = TrainingLoop(
            experiment, training, "throughput", "0" * 64, own, folder, 0, turns + 1, contest
        )
        encoding = ClinicalEncoding(())
        offset = np.zeros((len(source.patients), 3))
        loop(FitPart("own", new_network(experiment, device), source.patients, encoding, offset))
    network = new_network(experiment, torch.device("cpu"))
    patient = Batch(*(value[:1].cpu() for value in resident))
    flops = training_flops(network, patient) * len(resident.image)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return summary(contest, len(resident.image), flops / matrix_peak(device, dtype))


def summary(contest: Turns, batch: int, least_seconds: float) -> dict[str, Any]:
    """Medians and ratios of one grid.

    Args:
        contest: When it is over.
        batch: Patients a step.
        least_seconds: Of a step that ran at the peak of the device.
    """
    seconds, timed = contest.seconds, contest.timed
    assert timed is not None

    def ratio(over: str, under: str, clock: str = "wall") -> float:
        pairs = zip(seconds[over], seconds[under], strict=True)
        return round(
            statistics.median(getattr(one, clock) / getattr(other, clock) for one, other in pairs),
            3,
        )

    def middle(name: str, clock: str = "wall") -> float:
        return statistics.median(getattr(one, clock) for one in seconds[name])

    busy = timed.waiting + timed.augmentation + timed.step
    return {
        **{f"vs_{name}": ratio(name, "pcrnet") for name in ("monai", "torchio") if name in seconds},
        "vs_bare_step": ratio("pcrnet", "bare step"),
        "cpu_vs_bare_step": ratio("pcrnet", "bare step", "cpu"),
        "bare_step_share_of_peak": round(least_seconds / middle("bare step"), 4),
        "data_wait_share": round(timed.waiting / busy, 4),
        "augmentation_share": round(timed.augmentation / busy, 4),
        "samples_per_s": round(batch / middle("pcrnet"), 2),
        "milliseconds_a_step": {name: round(1000 * middle(name), 2) for name in seconds},
        "cpu_milliseconds_a_step": {name: round(1000 * middle(name, "cpu"), 2) for name in seconds},
        "batch": batch,
        "turns": len(seconds["pcrnet"]),
        "peak_bytes": timed.peak_bytes,
        "gpu_peak_bytes": timed.gpu_peak_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None)
    parser.add_argument("--quick", action="store_true", help="few turns: under three minutes")
    parser.add_argument("--alone", action="store_true", help="without MONAI and TorchIO")
    parser.add_argument("--turns", type=int, default=None)
    parser.add_argument("--workers", type=int, default=None, help="of the peers' loaders")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    turns = options.turns or (3 if options.quick else 9)
    on_gpu = device.type == "cuda"
    workers = options.workers if options.workers is not None else (8 if on_gpu else 0)
    settings = {"trial": TRIAL} if on_gpu else SETTINGS
    keep_freed_memory()
    # Here every epoch is far from the last; in a run there is a resume point every ten seconds.
    callbacks.ResumePoint.on_train_epoch_end = lambda self, trainer, pl_module: None  # type: ignore[method-assign]
    grids = {
        name: measure(one, device, turns, workers, alone=options.alone)
        for name, one in settings.items()
    }
    values = list(grids.values())
    result: dict[str, Any] = {
        **{
            name: min(one[name] for one in values)
            for name in ("vs_monai", "vs_torchio")
            if name in values[0]
        },
        "vs_bare_step": max(one["vs_bare_step"] for one in values),
        "cpu_vs_bare_step": max(one["cpu_vs_bare_step"] for one in values),
        "bare_step_share_of_peak": min(one["bare_step_share_of_peak"] for one in values),
        "data_wait_share": max(one["data_wait_share"] for one in values),
        "samples_per_s": values[0]["samples_per_s"],
        "machine": describe_torch() | {"device": str(device), "loader_workers_of_peers": workers},
        "commit": commit(),
        "grids": grids,
    }
    publish(result, options.json)


if __name__ == "__main__":
    main()
