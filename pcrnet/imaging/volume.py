"""A volume: an array, where it lies in the patient, and what its numbers mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Unit = Literal["SUVbw", "SUL", "SUVbsa", "1e-3 mm2/s", "arbitrary", "label"]


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image in patient space.

    Attributes:
        array: float32, shape (i, j, k).
        affine: float64, shape (4, 4); voxel index to RAS millimetres at the voxel's centre.
        unit: Physical unit of the array's values.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    unit: Unit

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel edge lengths along i, j and k, in millimetres."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), dtype=np.float64)
