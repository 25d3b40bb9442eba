"""A field above its background: what residue, change and joint quantities are measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcrnet.imaging.quantify.quantity import Values


@dataclass(frozen=True, eq=False)
class Excess:
    """A field of one visit, the level of near tissue, and how high the lesion stands above it.

    Attributes:
        values: On the fine grid, shape (x, y, z).
        background: Level of near tissue.
        full: Height of the lesion's peak above background.
        scale: What visits are compared in: the background where a scan's gain must cancel (SUV
            varies with weight, dose and glucose), 1 where it has cancelled already (PE).
    """

    values: Values
    background: float
    full: float
    scale: float

    @property
    def share(self) -> Values:
        """Values (x, y, z): 0 at background, 1 at the peak of this visit."""
        return np.asarray((self.values - self.background) / max(self.full, 1e-6))

    def share_of(self, first: Excess) -> Values:
        """(x, y, z): 0 at background, 1 where the peak of the first visit stood above its own."""
        height = max(first.full / first.scale, 1e-6)
        return np.asarray((self.values - self.background) / self.scale / height)
