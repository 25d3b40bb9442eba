"""How long a step of training takes on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from pcrnet.config.experiment import Experiment
from pcrnet.data.dataset import Batch
from pcrnet.doctor.imagined import imagine
from pcrnet.training.devices import computing_device, lightning_precision
from pcrnet.training.lightning.losses import joint_negative_log_likelihood

_LONGEST_S = 1.5
_MOST_STEPS = 20


@dataclass(frozen=True)
class StepTime:
    """A step of the experiment's network.

    Attributes:
        seconds: Forward, backward and AdamW of one batch; the median.
        steps: That were timed.
        threads: That computed it.
    """

    seconds: float
    steps: int
    threads: int


def time_step(
    experiment: Experiment, covariates: int, threads: int, longest_s: float = _LONGEST_S
) -> StepTime:
    """Time steps for a second or two; the first is for warming up.

    Args:
        experiment: Its network, batch, device and precision are taken.
        covariates: How many clinical covariates enter.
        threads: To compute with.
        longest_s: When to stop; one step is taken however long it lasts.

    Raises:
        ValueError: The kind of model trains no network.
    """
    training = experiment.training
    device = computing_device(training, 0)
    network, batch = imagine(experiment, covariates, training.batch_size)
    network.to(device)
    here = Batch(*(value.to(device) for value in batch))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-6)
    reduced = lightning_precision(training) == "bf16-mixed"

    def step() -> float:
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            logits = network(
                here.image, here.present, here.days, here.covariates, here.covariate_present
            )
            loss = joint_negative_log_likelihood(here.offset + logits.float(), here.allowed)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - started

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            first = step()
            times: list[float] = []
            began = time.perf_counter()
            while len(times) < _MOST_STEPS and time.perf_counter() - began + first < longest_s:
                times.append(step())
    finally:
        torch.set_num_threads(before)
    ordered = sorted(times) or [first]
    return StepTime(ordered[len(ordered) // 2], len(times), threads)
