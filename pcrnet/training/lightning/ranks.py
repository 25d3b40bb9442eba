"""Several processes that share one fit, each with a device of its own (DDP)."""

from __future__ import annotations

import copy
import socket
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pcrnet.machine import available_cores
from pcrnet.models.contract import FitPart
from pcrnet.processes import in_processes, tell
from pcrnet.training.devices import use_threads
from pcrnet.training.lightning.finite import require_finite
from pcrnet.training.lightning.resume import Start

if TYPE_CHECKING:
    from pcrnet.training.lightning.loop import TrainingLoop


@dataclass(frozen=True)
class Rank:
    """Which of the processes that share a fit this one is.

    Attributes:
        number: From 0; the first one alone writes files and reports.
        of: How many there are.
        port: Of this machine, by which they find each other.
    """

    number: int = 0
    of: int = 1
    port: int = 0


def train_in_ranks(loop: TrainingLoop, part: FitPart, start: Start) -> None:
    """Train copies of its network in step; the first process keeps the trained one in its folder.

    Whatever one of them raises is raised here, and ends the others.

    Raises:
        PcrnetError: As :meth:`~pcrnet.training.lightning.loop.TrainingLoop.train`.
    """
    ranks = loop.training.trainer.devices
    port = _free_port()
    work = partial(_train_as, loop=replace(loop, listen=tell), part=part, start=start)
    shares = [Rank(number, ranks, port) for number in range(ranks)]
    begin = partial(use_threads, max(1, available_cores() // ranks))
    for _ in in_processes(
        work, shares, ranks, doing="trains a share of a fit", begin=begin, listen=loop.listen
    ):
        pass


def _train_as(rank: Rank, loop: TrainingLoop, part: FitPart, start: Start) -> None:
    import torch.distributed

    # It arrived in memory that all of them see.
    part = replace(part, network=copy.deepcopy(part.network))
    if rank.number:
        loop = replace(loop, listen=lambda event: None)
    loop.train(part, start, rank)
    if rank.number == 0:
        require_finite(f"{loop.fit}, {part.name}", part.network)
        loop.keep(part)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
