"""How long a step of training takes on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.adamw import adamw

from pcrnet.config.experiment import Experiment
from pcrnet.data.dataset import Batch
from pcrnet.doctor.imagined import imagine
from pcrnet.training.devices import computing_device, lightning_precision
from pcrnet.training.lightning.losses import joint_negative_log_likelihood

_LONGEST_S = 0.5
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
    """Time steps for half a second; the first is for warming up.

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
    precision = lightning_precision(training)
    network.to(device, torch.float64 if precision == "64-true" else torch.float32)
    here = Batch(*(value.to(device) for value in batch))
    update = _adamw(network)
    reduced = precision == "bf16-mixed"

    def step() -> float:
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            logits = network(*here.inputs)
            loss = joint_negative_log_likelihood(here.offset + logits.float(), here.allowed)
        network.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        update()
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


def _adamw(network: nn.Module) -> Callable[[], None]:
    """A call that updates a network by its gradients.

    The optimiser's class would import torch's compiler for it, a second or two, the function not.
    """
    parameters = list(network.parameters())
    first, second = ([torch.zeros_like(each) for each in parameters] for _ in range(2))
    steps = [torch.zeros((), device=each.device) for each in parameters]

    def update() -> None:
        known = [index for index, each in enumerate(parameters) if each.grad is not None]
        gradients = [each.grad for each in parameters if each.grad is not None]
        own, mean, square, taken = (
            [values[index] for index in known] for values in (parameters, first, second, steps)
        )
        with torch.no_grad():
            adamw(
                own,
                gradients,
                mean,
                square,
                [],
                taken,
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=1e-6,
                weight_decay=0.01,
                eps=1e-8,
                maximize=False,
            )

    return update
