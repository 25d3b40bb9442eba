"""The Lightning module: one network, its loss and its optimiser."""

from __future__ import annotations

import math

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from pcrnet.config.training import TrainingConfig
from pcrnet.data.dataset import Batch
from pcrnet.data.seeds import derive_seed
from pcrnet.training.lightning.losses import joint_negative_log_likelihood


class PcrModule(LightningModule):
    """Fits a network by the likelihood of the joint outcome.

    Args:
        network: The network to train.
        config: Optimiser and schedule.
        seed: Of this fit; with epoch and batch it fixes dropout, so that a resumed fit repeats
            exactly.
    """

    def __init__(self, network: nn.Module, config: TrainingConfig, seed: int) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.seed = seed

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Make dropout depend on epoch and batch, not on what ran before."""
        # Not once an epoch: Lightning calls no on_train_epoch_start in the first resumed epoch.
        torch.manual_seed(derive_seed(self.seed, "dropout", self.current_epoch, batch_index))

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch."""
        return self._loss(batch, "train/loss")

    def validation_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch of the patients that early stopping watches."""
        return self._loss(batch, "validation/loss")

    def _loss(self, batch: Batch, name: str) -> Tensor:
        logits = self.network(
            batch.image, batch.present, batch.days, batch.covariates, batch.covariate_present
        )
        loss = joint_negative_log_likelihood(batch.offset + logits, batch.allowed)
        self.log(name, loss, on_step=False, on_epoch=True, batch_size=len(batch.allowed))
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of all gradients.

        Lightning refuses to do so for a fused optimiser under mixed precision, lest scaled
        gradients are clipped; bf16 scales none.
        """
        if gradient_clip_val is not None:
            nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> dict[str, object]:
        """AdamW; warm-up, then a cosine to zero over the planned number of steps."""
        optimizer = torch.optim.AdamW(
            parameter_groups(self.network, self.config.weight_decay),
            lr=self.config.learning_rate,
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


def learning_rate_factor(step: int, warmup: int, steps: int) -> float:
    """Share of the peak learning rate at ``step``: linear to 1, then half a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and filters; none for biases, gains and embeddings."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        is_map = parameter.ndim >= 2 and name.endswith("weight")
        (decayed if is_map else free).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
