"""What is written beside the weights of networks: plain numbers, read without torch.

Shapes: 3 logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.errors import IntegrityError
from pcrnet.models.frequencies import RECORD_FILE as FREQUENCIES_FILE
from pcrnet.models.frequencies import Frequencies
from pcrnet.models.rivals.tabular import TabularModel
from pcrnet.storage import read_record, taking_apart, write_json

RECORD_FILE = "network.json"
START_FOLDER = "start"
_REMEDY = "restore the file from where it was written"


@dataclass(frozen=True, eq=False)
class NetworkRecord:
    """Factors and encodings of the networks of a model.

    Attributes:
        factors: (3,) in [0, 1], one a logit.
        encodings: Clinical encoding of each network.
        tried: Number of networks that were trained, kept or not.
        pretrained: Branch to the digest of the file that its encoder began with, and how much of
            it fitted.
    """

    factors: NDArray[np.float64]
    encodings: tuple[ClinicalEncoding, ...]
    tried: int = 0
    pretrained: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Write the record as JSON."""
        write_json(
            directory / RECORD_FILE,
            {
                "factors": [float(factor) for factor in self.factors],
                "encodings": [encoding.to_dict() for encoding in self.encodings],
                "tried": self.tried,
                "pretrained": {branch: dict(one) for branch, one in self.pretrained.items()},
            },
        )

    @classmethod
    def read(cls, directory: Path) -> NetworkRecord:
        """Read what :meth:`write` wrote.

        Raises:
            IntegrityError: The file is damaged.
        """
        path = directory / RECORD_FILE
        record = read_record(path, remedy=_REMEDY)
        with taking_apart(path, remedy=_REMEDY):
            factors = np.array([float(factor) for factor in record["factors"]])
            encodings = tuple(ClinicalEncoding.from_dict(item) for item in record["encodings"])
            tried = int(record.get("tried", len(encodings)))  # older records do not say
            pretrained = {
                str(branch): dict(one) for branch, one in record.get("pretrained", {}).items()
            }
        if factors.shape != (3,) or not ((factors >= 0) & (factors <= 1)).all():
            raise IntegrityError("the factors are damaged", file=path, remedy=_REMEDY)
        return cls(factors, encodings, tried, pretrained)


def read_start(
    directory: Path, data: DataConfig, imaging: ImagingConfig, *, corrects: bool
) -> TabularModel | Frequencies:
    """The model that the networks in a folder start from.

    Args:
        directory: Folder of the model.
        data: Timepoints and channels.
        imaging: The grid, and the kind of each channel.
        corrects: Whether it is the quantitative model, else the frequencies.

    Raises:
        IntegrityError: A file is damaged.
    """
    folder = directory / START_FOLDER
    return TabularModel.read(folder, data, imaging) if corrects else Frequencies.read(folder)


def read_without_weights(
    directory: Path, data: DataConfig, imaging: ImagingConfig
) -> tuple[TabularModel | Frequencies, NetworkRecord]:
    """All of a model but the weights of its networks, without torch.

    Args:
        directory: Folder of the model, whatever its kind.
        data: Timepoints and channels.
        imaging: The grid, and the kind of each channel.

    Returns:
        The start, which is the whole model where there are no networks, and the networks' record.

    Raises:
        IntegrityError: A file is damaged, or there is none of a model that is known here.
    """
    if not (directory / RECORD_FILE).is_file():
        return TabularModel.read(directory, data, imaging), NetworkRecord(np.zeros(3), ())
    corrects = not (directory / START_FOLDER / FREQUENCIES_FILE).is_file()
    start = read_start(directory, data, imaging, corrects=corrects)
    return start, NetworkRecord.read(directory)
