"""What a fit needs of memory, and how many fit side by side: said before training, not found out.

The activations that the backward pass keeps are counted on one patient's forward pass, whatever
the network; the rest is arithmetic. Measured in float32 on a CPU, of the training itself: 94 MB for
109 MB estimated (default network), 470 for 442 (64 × 64 × 48 voxels, batches of 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pcrnet.config.training import TrainingConfig
from pcrnet.data.dataset import Batch
from pcrnet.data.held import MOST_BYTES
from pcrnet.machine import available_cores, available_memory, in_words
from pcrnet.training.demands.rehearsal import rehearse
from pcrnet.training.devices import fits_at_a_time, lightning_precision, uses_gpu
from pcrnet.training.events import Listener, Remark
from pcrnet.training.fit import FitJob, networks_of_fit

_PROCESS_BYTES = 600_000_000
"""A process that has imported torch and Lightning (420 MB measured) and begun to work."""
_COPIES_OF_WEIGHTS = 7
"""Weights, gradients, two moments, average, best so far, and one on its way to the disk."""
_COPIES_OF_INPUT = 4
"""Of the batch: as read, warped, its noise, in the network's units."""
_FLOAT32_BYTES = 4
_CONTEXT_BYTES = 600_000_000
"""What CUDA and its libraries take of a GPU for each process."""
_MOST_FITS_OF_A_GPU = 8
_SHARE_OF_GPU = 0.8
_BACKWARD = 1.5
"""Gradients of activations beside the activations themselves, and what the allocator rounds up."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that training takes.

    Attributes:
        fit: Of one fit in a process of its own, at its largest, with the tensors that it holds.
        cohort: Of all tensors, which the processes share; the system may read them again.
        gpu: Of one fit on the GPU, its finished networks included; 0 where it trains on the CPU.
    """

    fit: int
    cohort: int
    gpu: int = 0


def estimate_memory(job: FitJob) -> MemoryNeed:
    """Estimate what training takes from one patient's forward pass."""
    network, batch = rehearse(job, 1)
    networks = networks_of_fit(job.experiment)
    return memory_need(network, batch, job.training, networks, len(job.patients))


def images_alone(config: TrainingConfig, voxels: int) -> int:
    """Bytes that the images of one fit take, or of the one patient by whom the rest is found out.

    Args:
        config: Batch size, device and precision.
        voxels: Of one patient, in all visits and channels.
    """
    # A patient is made as float32 and halved; a GPU's batches lie on the GPU.
    one = 6 * voxels
    batch = config.batch_size * _COPIES_OF_INPUT * _bytes_of_a_number(config) * voxels
    return one if uses_gpu(config) else max(one, batch)


def memory_need(
    network: nn.Module, batch: Batch, config: TrainingConfig, networks: int, patients: int
) -> MemoryNeed:
    """What training takes.

    Args:
        network: One network of a fit, in float32.
        batch: One patient.
        config: Batch size, device and precision.
        networks: Networks of a fit.
        patients: Of the cohort.
    """
    image = batch.image.numel()
    weights = sum(parameter.numel() for parameter in network.parameters())
    number = _bytes_of_a_number(config)
    activations = saved_bytes(network, batch) * number // _FLOAT32_BYTES
    training = (
        _COPIES_OF_WEIGHTS * weights * number
        + config.batch_size * _COPIES_OF_INPUT * image * number
        + int(_BACKWARD * config.batch_size * activations)
    )
    on_gpu = uses_gpu(config)  # it has memory of its own
    # Finished networks wait, in float32, for the last where they have predicted for those they left
    # out.
    training += (networks - 1) * weights * _FLOAT32_BYTES
    cohort = patients * image * batch.image.element_size()
    held = min(cohort, MOST_BYTES)
    return MemoryNeed(
        fit=_PROCESS_BYTES + held + (0 if on_gpu else training),
        cohort=cohort,
        gpu=training if on_gpu else 0,
    )


def _bytes_of_a_number(config: TrainingConfig) -> int:
    """Of weights, input and activations in training; bf16-mixed is taken for float32."""
    return 8 if lightning_precision(config) == "64-true" else _FLOAT32_BYTES


def saved_bytes(network: nn.Module, batch: Batch) -> int:
    """Bytes that a forward pass keeps for the backward pass, weights left aside."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # What is kept must stay alive to be told apart by its address.
        logits = network(*batch.inputs)
    del logits
    return sum(kept.values())


def fits_of_a_gpu(need: MemoryNeed, config: TrainingConfig) -> int:
    """How many fits share a GPU: small ones leave it idle most of the time.

    Eight fits of the default network on one H100 trained 5.6 times as fast as one.

    Args:
        need: Of a fit, and of the cohort, which each process keeps on the GPU for itself.
        config: Devices of a fit.
    """
    if config.trainer.devices > 1:
        return 1
    gpus = range(torch.cuda.device_count())
    torch.cuda.empty_cache()  # what a rehearsal has left is room for other processes
    free = min(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus)
    each = need.gpu + _CONTEXT_BYTES + (need.cohort if config.resident else 0)
    cores = available_cores() // len(gpus)
    return max(1, min(_MOST_FITS_OF_A_GPU, cores, int(_SHARE_OF_GPU * free / each)))


def fits_wanted(need: MemoryNeed | None, config: TrainingConfig) -> int:
    """How many fits to run side by side, whatever the host's memory holds.

    Args:
        need: Of a fit; None where nothing is known of it, and then a GPU has one at a time.
        config: Devices, and how many fits are asked for.
    """
    wanted = fits_at_a_time(config)
    if need is not None and config.parallel_fits == "auto" and uses_gpu(config):
        wanted *= fits_of_a_gpu(need, config)
    return wanted


def fits_that_have_room(job: FitJob, planned: int, listen: Listener) -> int:
    """How many fits to run side by side; in ``auto`` no more than memory holds.

    Args:
        job: What is to be trained.
        planned: How many fits there are.
        listen: Told what is needed, what there is, and what follows.
    """
    config = job.training
    free, need = available_memory(), estimate_memory(job)
    wanted = min(fits_wanted(need, config), planned)
    if free is None:
        return wanted
    room = free // need.fit
    text = (
        f"a fit needs about {in_words(need.fit)}, the tensors of all {in_words(need.cohort)} "
        f"once for all fits; {in_words(free)} are free"
    )
    if room >= wanted:
        listen(Remark(f"memory: {text}"))
        return wanted
    if config.parallel_fits == "auto" and wanted > 1:
        listen(Remark(f"memory: {text}: {max(1, room)} at a time instead of {wanted}"))
        return max(1, room)
    listen(
        Remark(
            f"memory: {text}, and {wanted} are to run at a time: lower training.batch_size"
            + (" or training.parallel_fits" if wanted > 1 else "")
            + " should a process be ended"
        )
    )
    return wanted
