"""The Lightning module: one network, its loss and its optimiser."""

from __future__ import annotations

import gc
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from pcrnet.config.training import TrainingConfig
from pcrnet.data.dataset import Batch
from pcrnet.data.seeds import derive_seed
from pcrnet.models.blueprint import NetworkBlueprint
from pcrnet.models.dual_branch.joint_head import joint_log_cells
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.encoders.backbone import MonaiEncoder
from pcrnet.training.lightning.captured import CapturedNetwork, may_be_captured
from pcrnet.training.lightning.layer_rates import layer_rates
from pcrnet.training.lightning.losses import joint_negative_log_likelihood


class Forecast(NamedTuple):
    """What :meth:`PcrModule.predict_step` says of B patients; nothing of it is calibrated.

    Attributes:
        patient: int64 (B,); index of the patient within the dataset.
        logits: float32 (B, 3) of yT0, of yN0 given yT0, and of yN0 given residue.
        probability: float32 (B, 3) of yT0, yN0 and yT0yN0.
    """

    patient: Tensor
    logits: Tensor
    probability: Tensor


class PcrModule(LightningModule):
    """Fits a network by the likelihood of the joint outcome.

    Its hyper-parameters are plain data, so that ``PcrModule.load_from_checkpoint(path)`` builds the
    network anew and unpickles nothing.

    Args:
        network: What :meth:`~pcrnet.models.blueprint.NetworkBlueprint.to_dict` gives.
        training: The section ``training`` of the configuration: optimiser and schedule.
        seed: Of this fit; with epoch and batch it fixes dropout, so that a resumed fit repeats
            exactly.
        built: The network, where it has been built; it is trained in place.

    Raises:
        IntegrityError: ``network`` describes none that this version knows.
    """

    def __init__(
        self,
        network: Mapping[str, Any],
        training: Mapping[str, Any],
        seed: int = 0,
        *,
        built: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["built"])
        self.config = TrainingConfig.model_validate(dict(training))
        self.learning_rate = self.config.learning_rate
        """The peak; Lightning's finder of learning rates sets it."""
        self.seed = seed
        self.network = NetworkBlueprint.from_dict(network).build() if built is None else built
        # They can be frozen. To look for them takes a while, and they stay the same.
        self._monai = [part for part in self.network.modules() if isinstance(part, MonaiEncoder)]
        self._captured: CapturedNetwork | None = None
        self._weights: tuple[nn.Parameter, ...] = ()
        self.gradient_norm: Tensor | None = None
        """Of this step's gradients, where a callback has found it; else clipping does."""
        self._untold: tuple[Tensor, int] | None = None  # loss times patients, and patients

    @classmethod
    def training_of(
        cls, network: nn.Module, blueprint: NetworkBlueprint, config: TrainingConfig, seed: int
    ) -> PcrModule:
        """The module that trains ``network``, which was built from ``blueprint``, in place."""
        return cls(blueprint.to_dict(), config.model_dump(mode="json"), seed, built=network)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, 3): those that the network starts from, plus its own."""
        logits: Tensor = self.network(*batch.inputs)
        return batch.offset + logits

    def on_train_start(self) -> None:
        """Let a GPU repeat the passes of a step instead of asking for each of its operations."""
        self._untold = None
        self._weights = tuple(self.parameters())  # to look for them takes a while
        alone = self.trainer.world_size == 1
        if self.config.cuda_graphs and alone and may_be_captured(self.network, self.device):
            self._captured = CapturedNetwork(self.network, self.config.batch_size)

    def on_train_end(self) -> None:
        """Give the memory of the graphs back."""
        if self._captured is not None:
            self._captured = None
            # torch ties graphs, and all the memory they write to, into a circle of references.
            gc.collect()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make dropout depend on epoch and batch, not on what ran before."""
        # Not once an epoch: Lightning calls no on_train_epoch_start in the first resumed epoch.
        rank = self.global_rank
        own = (rank,) if rank else ()  # processes that share a batch drop units of their own
        for part in self._monai:
            part.frozen = self._is_frozen()
        seed = derive_seed(self.seed, "dropout", self.current_epoch, batch_idx, *own)
        if self.device.type == "cpu":
            # For each kind of GPU that is not in use torch.manual_seed keeps the whole call stack.
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss, a scalar, of one batch or of the share of it that this process was given."""
        captured = self._captured if self.trainer.accumulate_grad_batches == 1 else None
        logits = self(batch) if captured is None else batch.offset + captured(batch.inputs)
        loss = joint_negative_log_likelihood(logits, batch.allowed)
        weight = len(batch.patient)
        if self.trainer.world_size > 1:
            known, shown = known_outcomes(batch), (batch.patient >= 0).sum()
            # Processes' gradients are averaged: each counts for its part of the patients.
            counts = torch.stack([known, shown]).double()
            torch.distributed.all_reduce(counts)
            loss = loss * (known / counts[0].clamp(min=1) * self.trainer.world_size).to(loss.dtype)
            weight = int(counts[1])
        total, shown_before = self._untold or (0.0, 0)
        self._untold = total + loss.detach() * weight, shown_before + weight
        return loss

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Tell Lightning the loss once an epoch: its books take a thirtieth of a small step.

        An epoch ends early where the steps are counted, or where another callback says so.
        """
        trainer = self.trainer
        over = trainer.is_last_batch or trainer.should_stop
        if self._untold is None or not (over or 0 < trainer.max_steps <= trainer.global_step):
            return
        (total, shown), self._untold = self._untold, None
        self.log(
            "train/loss",
            total / shown,
            on_step=False,
            on_epoch=True,
            batch_size=shown,
            sync_dist=True,
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss, a scalar, of one batch of the patients that early stopping watches."""
        return self._judged(batch, "validation/loss")

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss, a scalar, of one batch of the patients that the fit has left out."""
        return self._judged(batch, "test/loss")

    def predict_step(self, batch: Batch, batch_idx: int) -> Forecast:
        """Logits and probabilities of one batch."""
        logits = self(batch)
        cells = joint_log_cells(logits).exp()
        both, breast_only, nodes_only, _ = cells.unbind(dim=1)
        probability = torch.stack([both + breast_only, both + nodes_only, both], dim=1)
        return Forecast(batch.patient, logits, probability)

    def _judged(self, batch: Batch, name: str) -> Tensor:
        loss = joint_negative_log_likelihood(self(batch), batch.allowed)
        # Weighted by those whose outcome is known, the mean does not hang on who shares a batch.
        weight = int(known_outcomes(batch))
        self.log(name, loss, on_step=False, on_epoch=True, batch_size=weight, sync_dist=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Leave what came from a file as it is for as long as it is frozen.

        Without a gradient the optimiser passes a parameter by: neither step nor decay nor moment.
        """
        if not self._is_frozen():
            return
        self.gradient_norm = None
        frozen = pretrained_names(self.network)
        for name, parameter in self.network.named_parameters():
            if name in frozen:
                parameter.grad = None

    def _is_frozen(self) -> bool:
        return bool(self.current_epoch < self.config.freeze_epochs)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of all gradients, or each entry, at ``gradient_clip_val``.

        Lightning refuses to do so for a fused optimiser under mixed precision, lest scaled
        gradients are clipped; bf16 scales none.
        """
        norm, self.gradient_norm = self.gradient_norm, None
        if gradient_clip_val is None:
            return
        weights = self._weights or self.parameters()
        if gradient_clip_algorithm == "value":
            nn.utils.clip_grad_value_(weights, gradient_clip_val)
        elif norm is None:
            nn.utils.clip_grad_norm_(weights, gradient_clip_val)
        else:
            nn.utils.clip_grads_with_norm_(weights, gradient_clip_val, norm)

    def configure_optimizers(self) -> dict[str, object]:
        """AdamW; warm-up, then a cosine to zero over the planned number of steps."""
        optimizer = torch.optim.AdamW(
            parameter_groups(
                self.network,
                self.config.weight_decay,
                self.learning_rate,
                layer_rates(self.network, self.config.layer_decay),
            ),
            lr=self.learning_rate,
            fused=True,
        )
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        warmup = max(1, round(steps * self.config.warmup_fraction))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, warmup, steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def known_outcomes(batch: Batch) -> Tensor:
    """How many patients of a batch have an outcome of which something is known, a scalar."""
    return (~batch.allowed.all(dim=1)).sum()


def learning_rate_factor(step: int, warmup: int, steps: int) -> float:
    """Share of the peak learning rate at ``step``: linear to 1, then half a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def parameter_groups(
    network: nn.Module, weight_decay: float, learning_rate: float, rates: Mapping[str, float]
) -> list[dict[str, object]]:
    """Weight decay for matrices and filters, none for biases, gains and embeddings; by rate.

    Args:
        network: Whose parameters.
        weight_decay: Of matrices and filters.
        learning_rate: Of what ``rates`` does not name.
        rates: Name to a factor of the learning rate.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, True): [], (1.0, False): []}
    for name, parameter in network.named_parameters():
        is_map = parameter.ndim >= 2 and name.endswith("weight")
        groups.setdefault((rates.get(name, 1.0), is_map), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if is_map else 0.0,
            "lr": learning_rate * rate,
        }
        for (rate, is_map), parameters in groups.items()
    ]


def pretrained_names(network: nn.Module) -> frozenset[str]:
    """Names of the parameters that came from a file."""
    return network.pretrained if isinstance(network, PcrNet) else frozenset()
