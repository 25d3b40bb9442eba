"""The model that knows nothing of a patient: how often each outcome occurred in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pcrnet.cohort.table import Patient, allowed_cells
from pcrnet.errors import IntegrityError
from pcrnet.models.contract import FitRequest, Logits, Needs, Shown
from pcrnet.storage import read_record, taking_apart, write_json

if TYPE_CHECKING:
    from torch import device

    from pcrnet.data.dataset import TensorSource

RECORD_FILE = "frequencies.json"
_REMEDY = "restore the file from where it was written"


@dataclass(frozen=True)
class Frequencies:
    """The same three logits for everybody."""

    values: tuple[float, float, float]

    @classmethod
    def fit(cls, request: FitRequest) -> Self:
        """Log-odds with half a patient added to each cell, so that no class is impossible."""
        allowed = allowed_cells(request.patients)
        known = allowed[allowed.sum(axis=1) == 1]
        both, breast_only, nodes_only, neither = known.sum(axis=0) + 0.5
        odds = ((both + breast_only) / (nodes_only + neither), both / breast_only)
        first, second = (float(np.log(value)) for value in odds)
        return cls((first, second, float(np.log(nodes_only / neither))))

    def logits(
        self,
        patients: Sequence[Patient],
        source: TensorSource,
        *,
        device: device | str = "cpu",
        shown: Shown | None = None,
    ) -> Logits:
        """Logits (n, 3), all rows equal."""
        return np.tile(self.values, (len(patients), 1))

    def needs(self) -> Needs:
        """Nothing."""
        return Needs(scans=False, quantities=False, covariates=())

    def describe(self) -> Mapping[str, Any]:
        """The three logits."""
        return {"frequencies": [round(value, 4) for value in self.values]}

    def write(self, directory: Path) -> None:
        """Write the logits as JSON."""
        write_json(directory / RECORD_FILE, {"logits": list(self.values)})

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read what :meth:`write` wrote.

        Raises:
            IntegrityError: The file is damaged.
        """
        path = directory / RECORD_FILE
        record = read_record(path, remedy=_REMEDY)
        with taking_apart(path, remedy=_REMEDY):
            first, second, third = (float(value) for value in record["logits"])
        if not np.isfinite([first, second, third]).all():
            raise IntegrityError("a frequency is no finite number", file=path, remedy=_REMEDY)
        return cls((first, second, third))
