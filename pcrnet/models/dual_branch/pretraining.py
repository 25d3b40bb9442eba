"""Encoders of a network that begin with weights of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig, NetworkConfig, begins_with_weights
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.encoders.build import Coarsened
from pcrnet.models.encoders.pretrained import WeightTable, fit_weights, read_weights
from pcrnet.storage import sha256_file


@dataclass(frozen=True)
class Pretraining:
    """What a branch's encoder began with.

    Attributes:
        sha256: Of the file.
        table: What became of each tensor.
    """

    sha256: str
    table: WeightTable

    def to_dict(self) -> dict[str, Any]:
        """For the bundle and its card: the digest, and how much came from the file."""
        return {
            "sha256": self.sha256,
            "tensors": len(self.table.taken),
            "of": len(self.table.rows),
            "share": round(self.table.share, 4),
        }


def begin_with_weights(
    network: PcrNet, config: NetworkConfig, data: DataConfig
) -> Mapping[str, Pretraining]:
    """Put the weights of files into the encoders that are to begin with them.

    Args:
        network: Changed in place; it remembers the names of what came from a file.
        config: Encoders and their files.
        data: Branches.

    Returns:
        Branch to what its encoder began with; empty where none has a file.

    Raises:
        ConfigError: A file cannot be read, or is of another network.
    """
    found: dict[str, Pretraining] = {}
    names: set[str] = set()
    for index, branch in enumerate(data.branches):
        weights = config.encoder_of(branch).weights
        if weights is None:
            continue
        path = Path(weights)
        encoder, place = network.encoders[index], f"encoders.{index}."
        if isinstance(encoder, Coarsened):
            encoder, place = encoder.encoder, f"{place}encoder."
        table = fit_weights(encoder, read_weights(path), path)
        found[branch] = Pretraining(sha256_file(path), table)
        names |= {f"{place}{name}" for name in table.taken}
    network.pretrained = frozenset(names)
    return found


def beginnings(
    config: NetworkConfig, data: DataConfig, imaging: ImagingConfig
) -> Mapping[str, Pretraining]:
    """What :func:`begin_with_weights` gives of any network of these settings.

    torch's global generator is left as it was.

    Raises:
        ConfigError: As there.
    """
    if not begins_with_weights(config):
        return {}
    with torch.random.fork_rng(devices=[]):
        return begin_with_weights(PcrNet(data, imaging, config), config, data)


def weight_tables(config: ModelConfig, data: DataConfig, imaging: ImagingConfig) -> list[str]:
    """What a reader should know before training: what of each file fits, as a table.

    Raises:
        ConfigError: As :func:`begin_with_weights`.
    """
    if not isinstance(config, NetworkConfig):
        return []
    return [
        f"the encoder of {branch} begins with weights of sha256 {one.sha256[:16]}\n"
        f"{one.table.text()}"
        for branch, one in beginnings(config, data, imaging).items()
    ]


def weights_digests(model: ModelConfig) -> dict[str, str]:
    """Encoder to the SHA-256 of the file that it begins with; what a fit depends on.

    Raises:
        ConfigError: A file is not there.
    """
    if not isinstance(model, NetworkConfig):
        return {}
    named = {"": model.encoder, **model.encoders}
    return {
        branch: _digest(encoder.weights)
        for branch, encoder in named.items()
        if encoder.weights is not None
    }


def _digest(weights: str) -> str:
    path = Path(weights)
    if not path.is_file():
        read_weights(path)  # refuses it in words
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _digest_of(path: Path, size: int, changed: int) -> str:
    return sha256_file(path)
