"""Tissues: what PET and MRI see of them, and maps of mixtures of them.

Shapes: maps are (i, j, k) arrays on one phantom grid. Values at 3 tesla: T1 and T2 after
Rakow-Penner et al., J Magn Reson Imaging 2006; 23:87–91, the rest typical of the literature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pcrnet.simulation.phantom_grid import Box, FloatMap


@dataclass(frozen=True)
class Tissue:
    """Properties of one tissue, or of a part of it where therapy has changed them.

    Attributes:
        suv: FDG uptake, SUVbw.
        water: Proton density of the water seen after fat suppression, 0–1.
        t1_ms, t2_ms: Relaxation times.
        adc: Apparent diffusion coefficient, 10⁻³ mm²/s.
        ktrans: Volume transfer constant per minute.
        ve, vp: Fractional extravascular extracellular and plasma volume.
    """

    suv: float
    water: float
    t1_ms: float
    t2_ms: float
    adc: float
    ktrans: float
    ve: float
    vp: float


AIR = Tissue(0.02, 0.0, 1000.0, 40.0, 1.0, 0.0, 0.3, 0.0)
LUNG = Tissue(0.45, 0.10, 1300.0, 25.0, 1.8, 0.02, 0.3, 0.05)
SKIN = Tissue(0.90, 0.45, 1000.0, 38.0, 1.3, 0.035, 0.3, 0.015)
FAT = Tissue(0.30, 0.13, 380.0, 55.0, 0.5, 0.006, 0.3, 0.004)
GLAND = Tissue(1.10, 0.80, 1400.0, 56.0, 1.85, 0.022, 0.35, 0.012)
MUSCLE = Tissue(0.75, 0.65, 1400.0, 32.0, 1.45, 0.018, 0.15, 0.012)
VESSEL = Tissue(1.60, 0.60, 1700.0, 80.0, 1.6, 0.02, 0.3, 0.50)
NODE = Tissue(1.20, 0.80, 1350.0, 65.0, 1.05, 0.12, 0.30, 0.04)
NECROSIS = Tissue(1.60, 0.90, 2000.0, 130.0, 2.0, 0.01, 0.4, 0.005)
TUMOUR_BED = Tissue(1.30, 0.78, 1250.0, 52.0, 1.65, 0.05, 0.35, 0.015)
"""Fibrosis and inflammation where therapy has killed the tumour."""

PROPERTIES = tuple(field.name for field in fields(Tissue))


@dataclass(frozen=True, eq=False)
class TissueMaps:
    """One map of float32, shape (i, j, k), for each property of :class:`Tissue`."""

    suv: FloatMap
    water: FloatMap
    t1_ms: FloatMap
    t2_ms: FloatMap
    adc: FloatMap
    ktrans: FloatMap
    ve: FloatMap
    vp: FloatMap

    @classmethod
    def from_labels(cls, labels: NDArray[np.uint8], tissues: Sequence[Tissue]) -> TissueMaps:
        """Maps in which a voxel (i, j, k) is the tissue that its label counts to in ``tissues``."""
        tables = {
            name: np.array([getattr(tissue, name) for tissue in tissues], dtype=np.float32)
            for name in PROPERTIES
        }
        return cls(**{name: np.take(table, labels, mode="clip") for name, table in tables.items()})

    def copy(self) -> TissueMaps:
        """Maps that share no memory with these."""
        return TissueMaps(**{name: getattr(self, name).copy() for name in PROPERTIES})

    def solid(self, box: Box) -> FloatMap:
        """1 where there is body to grow into, 0 in air and lung; the box's shape."""
        return np.asarray(self.water[box] > 0.12, dtype=np.float32)

    def mix_in(
        self, box: Box, fraction: FloatMap, tissue: Tissue, texture: FloatMap | None = None
    ) -> None:
        """Replace a fraction of what lies in ``box`` by ``tissue``, in place.

        Args:
            box: Region of the maps.
            fraction: 0–1, the box's shape.
            tissue: What comes in.
            texture: Local factor on uptake and perfusion (its inverse root on diffusion), the box's
                shape; none for a homogeneous tissue.
        """
        for name in PROPERTIES:
            target = getattr(self, name)[box]
            value: FloatMap | float = getattr(tissue, name)
            if texture is not None and name in ("suv", "ktrans"):
                value = np.float32(value) * texture
            elif texture is not None and name == "adc":
                value = np.asarray(value / np.sqrt(texture), dtype=np.float32)
            target += fraction * (value - target)
