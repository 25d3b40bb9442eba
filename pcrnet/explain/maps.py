"""All maps of one explained patient, each on the grid of its scan as it came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pcrnet.deploy.bundle import Bundle
from pcrnet.explain.native import occlusion_to_native, to_native
from pcrnet.explain.patient import Explanation
from pcrnet.imaging.volume import Volume

MapKind = Literal["occlusion", "gradients"]


@dataclass(frozen=True, eq=False)
class NativeMap:
    """What one scan adds, place by place.

    Attributes:
        timepoint: Of the scan.
        channel: Of the scan.
        kind: How it was found.
        volume: Log-odds per millilitre on the grid of the scan.
    """

    timepoint: str
    channel: str
    kind: MapKind
    volume: Volume

    @property
    def name(self) -> str:
        """Of its files, without an ending."""
        return f"{self.timepoint}_{self.channel}_{self.kind}"


def native_maps(explanation: Explanation, bundle: Bundle) -> Iterator[NativeMap]:
    """The maps of a patient; gradients where the model keeps networks. An absent scan has none.

    Args:
        explanation: As computed.
        bundle: What was explained.
    """
    for one in explanation.occlusion:
        volume = occlusion_to_native(one, explanation.scans)
        yield NativeMap(one.timepoint, one.channel, "occlusion", volume)
    if explanation.gradients is None:
        return
    data = bundle.manifest.data
    voxel_ml = float(np.prod(bundle.manifest.imaging.spacing_mm)) / 1000.0
    for timepoint, volumes in explanation.scans.volumes.items():
        for channel in volumes:
            place = data.timepoints.index(timepoint), data.channels.index(channel)
            density = explanation.gradients[place] / voxel_ml
            volume = to_native(density, explanation.crop, explanation.scans, timepoint, channel)
            yield NativeMap(timepoint, channel, "gradients", volume)
