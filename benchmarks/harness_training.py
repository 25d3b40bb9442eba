"""What the benchmarks of training share: a cohort in memory, a network of a grid, the commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pcrnet.cohort.outcome import CELLS, Outcome
from pcrnet.cohort.table import Patient
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import Batch, ImageSource, PatientDataset
from pcrnet.data.resident import on_gpu
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.kinds import KINDS
from pcrnet.training.lightning.captured import CapturedNetwork, may_be_captured
from pcrnet.training.lightning.losses import joint_negative_log_likelihood
from pcrnet.training.lightning.module import parameter_groups

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Setting:
    """A grid with the settings that go with it: overrides, and how many patients an epoch has."""

    overrides: tuple[str, ...]
    patients: int

    def experiment(self, device: torch.device) -> Experiment:
        """The experiment on a device, with every augmentation switched on."""
        accelerator = "gpu" if device.type == "cuda" else "cpu"
        return load_experiment(
            [*self.overrides, "augmentation.elastic_mm=2.0", f"training.accelerator={accelerator}"]
        )


SETTINGS = {
    "24x24x16": Setting((), 64),
    "64x64x48": Setting(
        ("imaging.size=[64, 64, 48]", "imaging.spacing_mm=[2, 2, 2]", "training.batch_size=2"), 8
    ),
}
"""The default grid, and one of the size that peers publish for."""
TRIAL = Setting((str(ROOT / "configs" / "trial.yaml"), "training.batch_size=8"), 64)
"""The trial at its real size; for a GPU."""


class InMemory:
    """A source of random tensors, kept as the cache keeps them: float16, in physical units."""

    def __init__(self, experiment: Experiment, patients: int) -> None:
        data, size = experiment.data, experiment.imaging.size
        shape = (len(data.timepoints), len(data.channels))
        rng = np.random.default_rng(0)
        nothing = Quantities({}, QuantityFlags("none", None, np.nan, {}, ()))
        self.patients = [
            Patient(f"P{number}", number + 2, None, {}, Outcome(*CELLS[number % 4]), {})
            for number in range(patients)
        ]
        self.tensors = {
            patient.patient_id: PatientTensor(
                image=rng.random((*shape, *size), dtype=np.float32).astype(np.float16),
                present=np.ones(shape, dtype=bool),
                days=np.array([42.0 * visit for visit in range(shape[0])], dtype=np.float32),
                centre_mm=np.zeros(3),
                crop="body",
                quantities=nothing,
            )
            for patient in self.patients
        }

    def get(self, patient: Patient) -> PatientTensor:
        """The patient's tensor."""
        return self.tensors[patient.patient_id]

    def key(self, patient: Patient) -> str:
        """Of the patient's tensor in this source alone."""
        return f"{id(self)} {patient.patient_id}"

    def resident(self, device: torch.device) -> ImageSource:
        """The same, its images on a GPU."""
        there = on_gpu(self, self, self.patients, device)
        assert isinstance(there, ImageSource), "the GPU has no room for the cohort"
        for patient in self.patients:
            there.images([patient])
        return there


def new_network(experiment: Experiment, device: torch.device) -> nn.Module:
    """The experiment's network, the same at every call."""
    torch.manual_seed(0)
    build = KINDS[experiment.model.kind].build
    assert build is not None
    encoding = ClinicalEncoding(())
    return build(experiment.model, experiment.data, experiment.imaging, encoding).to(device)


def resident_batch(experiment: Experiment, source: InMemory, device: torch.device) -> Batch:
    """A batch on the device, as augmentation would leave it."""
    patients = source.patients[: experiment.training.batch_size]
    dataset = PatientDataset(patients, source, ClinicalEncoding(()))
    batch = Batch(*(value.to(device) for value in dataset.__getitems__(range(len(patients)))))
    return batch._replace(image=batch.image.float())


def bare_step(
    experiment: Experiment, network: nn.Module, device: torch.device, *, captured: bool = True
) -> Callable[[Batch], None]:
    """Forward, loss, backward, clipping and AdamW, as training does it, and nothing else.

    On a GPU the passes are replayed, as in training, unless each operation is to be seen.
    """
    config = experiment.training
    replays = captured and may_be_captured(network, device)
    replay = CapturedNetwork(network, config.batch_size) if replays else None
    network.train()
    optimizer = torch.optim.AdamW(
        parameter_groups(network, config.weight_decay, 1e-4, {}), lr=1e-4, fused=True
    )

    def step(batch: Batch) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits: Tensor = network(*batch.inputs) if replay is None else replay(batch.inputs)
            loss = joint_negative_log_likelihood(batch.offset + logits, batch.allowed)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimizer.step()

    return step


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
