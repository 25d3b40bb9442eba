"""A trained network with what belongs to it: written, read back and asked for logits.

Training, prediction and the exported bundle all go through here, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.data.dataset import PatientDataset, TensorSource
from pcrnet.errors import IntegrityError
from pcrnet.models.allowance import TooLargeError, allowance
from pcrnet.models.network import PcrNet
from pcrnet.storage import read_json, taking_apart, write_bytes, write_json

WEIGHTS_FILE = "weights.safetensors"
ENCODING_FILE = "encoding.json"
_RESTORE = "restore the file from where it was written"


@dataclass(frozen=True, eq=False)
class Member:
    """One network of an ensemble and the clinical encoding it was trained with."""

    network: PcrNet
    encoding: ClinicalEncoding

    @classmethod
    def build(
        cls,
        data: DataConfig,
        imaging: ImagingConfig,
        model: ModelConfig,
        encoding: ClinicalEncoding,
    ) -> Self:
        """An untrained member, initialised from torch's global generator."""
        network = PcrNet(
            data, imaging, model, encoding.covariate_of_feature, len(encoding.covariates)
        )
        return cls(network, encoding)

    def write(self, directory: Path) -> None:
        """Write the weights as plain tensors and the encoding as JSON."""
        state = {
            name: value.detach().cpu().contiguous()
            for name, value in self.network.state_dict().items()
        }
        write_bytes(directory / WEIGHTS_FILE, save(state))
        write_json(directory / ENCODING_FILE, self.encoding.to_dict())

    @classmethod
    def read(
        cls, directory: Path, data: DataConfig, imaging: ImagingConfig, model: ModelConfig
    ) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            IntegrityError: The encoding is damaged; or the weights are damaged, do not fit the
                network, or are not finite.
        """
        path = directory / ENCODING_FILE
        with taking_apart(path, remedy=_RESTORE):
            encoding = ClinicalEncoding.from_dict(read_json(path, remedy=_RESTORE))
        path = directory / WEIGHTS_FILE
        try:
            state = load_file(path)
            # The settings may have been altered: the weights show how large the network can be.
            with allowance(sum(value.numel() for value in state.values())):
                member = cls.build(data, imaging, model, encoding)
            member.network.load_state_dict(state)
        except TooLargeError as error:
            raise _damaged(
                path, "the settings describe a larger network than its weights"
            ) from error
        except (SafetensorError, RuntimeError, OSError, ValueError) as error:
            problem = f"the weights cannot be loaded ({type(error).__name__})"
            raise _damaged(path, problem) from error
        broken = [name for name, value in state.items() if not bool(torch.isfinite(value).all())]
        if broken:
            raise _damaged(path, f"the tensor {broken[0]} holds NaN or infinite values")
        member.network.eval()
        return member

    @torch.inference_mode()
    def logits(
        self,
        patients: Sequence[Patient],
        source: TensorSource,
        *,
        device: torch.device | str = "cpu",
        batch_size: int = 8,
        shown: torch.Tensor | None = None,
    ) -> NDArray[np.float64]:
        """Logits (n, 3) of the joint head, in float32 arithmetic whatever training used.

        Args:
            patients: n patients.
            source: Their preprocessed tensors.
            device: Where to compute.
            batch_size: Patients at a time; it does not change the result beyond rounding.
            shown: bool (T, C); scans that the network may see at most (for ablations).
        """
        network = self.network.to(device).eval()
        dataset = PatientDataset(patients, source, self.encoding)
        parts = [np.empty((0, 3))]
        for start in range(0, len(patients), batch_size):
            batch = dataset.__getitems__(range(start, min(start + batch_size, len(patients))))
            present = batch.present if shown is None else batch.present & shown
            logits = network(
                *(
                    value.to(device, non_blocking=True)
                    for value in (
                        batch.image,
                        present,
                        batch.days,
                        batch.covariates,
                        batch.covariate_present,
                    )
                )
            )
            parts.append(logits.double().cpu().numpy())
        return np.concatenate(parts)


def _damaged(path: Path, problem: str) -> IntegrityError:
    return IntegrityError(problem, file=path, remedy=_RESTORE)
