"""What a model is: fitted on patients, it gives three logits for others.

Nested estimation, calibration, ablation, rivals, report and bundle know a model by this alone. The
logits are ℓ₁ of yT0, ℓ₂ of yN0 given yT0 and ℓ₃ of yN0 given residual tumour. A kind of model is
one module, registered by one line of :mod:`pcrnet.config.model`.

Shapes: n patients, T timepoints, C channels, 3 logits, 4 outcome cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.clinical import ClinicalEncoding, Encoding

if TYPE_CHECKING:
    import torch
    from torch import nn

    from pcrnet.data.dataset import TensorSource

Logits = NDArray[np.float64]
Shown = NDArray[np.bool_]
"""(T, C): the scans that a model may look at, at most."""


class FittedModel(Protocol):
    """A model that has been fitted, or read back."""

    def logits(
        self,
        patients: Sequence[Patient],
        source: TensorSource,
        *,
        device: torch.device | str = "cpu",
        shown: Shown | None = None,
    ) -> Logits:
        """Logits (n, 3), patient by patient: neither order nor company changes them.

        Args:
            patients: n patients.
            source: Their preprocessed tensors and quantities.
            device: Where to compute.
            shown: Scans that may be seen at most. What is hidden is not looked at; where the others
                are looked at (crop, registration, lesion) was found with all of them.
        """

    def write(self, directory: Path) -> None:
        """Write the model as plain data; what :meth:`ModelKind.read` reads back equal."""

    def needs(self) -> Needs:
        """What the model cannot do without, and what it makes use of."""

    def describe(self) -> Mapping[str, Any]:
        """A few plain facts for the model card: sizes, penalties, what it rests on."""


@dataclass(frozen=True)
class Needs:
    """What a fitted model looks at.

    Attributes:
        scans: Whether it looks at the scans themselves.
        quantities: Whether it looks at measured quantities.
        covariates: The clinical covariates it uses, as it encodes them.
    """

    scans: bool
    quantities: bool
    covariates: tuple[Encoding, ...]

    @property
    def looks_at_scans(self) -> bool:
        """Whether scans have to be read for it at all."""
        return self.scans or self.quantities


@dataclass(frozen=True, eq=False)
class FitPart:
    """One network of a fit, and what it learns from.

    Attributes:
        name: Within the fit; it names the network's random numbers.
        network: From the fields of
            :class:`~pcrnet.models.dual_branch.network.NetworkInput` to (B, 3).
        patients: n patients to learn from.
        encoding: How their covariates become features.
        offset: (n, 3), added to the network's logits.
    """

    name: str
    network: nn.Module
    patients: Sequence[Patient]
    encoding: ClinicalEncoding
    offset: Logits


class Optimiser(Protocol):
    """The training loop, which the training room lends to models that need one."""

    def __call__(self, part: FitPart) -> None:
        """Train its network in place, by the likelihood of the offset plus what it says."""


@dataclass(frozen=True, eq=False)
class FitRequest:
    """All that a fit may look at.

    Attributes:
        name: Of the fit; with the seed it names every random number.
        patients: To learn from, in the order of their names.
        source: Their tensors and quantities.
        covariates: Clinical columns that enter.
        data: Timepoints and channels.
        imaging: The grid, and the kind of each channel.
        seed: Of the run.
        optimise: The training loop.
        device: Where networks are asked about patients whom they have not seen.
    """

    name: str
    patients: tuple[Patient, ...]
    source: TensorSource
    covariates: tuple[str, ...]
    data: DataConfig
    imaging: ImagingConfig
    seed: int
    optimise: Optimiser
    device: torch.device | str = "cpu"
