"""From physical values to network input, one rule for each kind of channel.

SUV, ADC and Hounsfield units keep their absolute scale. The DCE phases of one visit share one
scale, so that enhancement survives. Every other MR channel is standardised within the body.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from pcrnet.config.imaging import ChannelKind
from pcrnet.errors import ImageError
from pcrnet.imaging.volume import Unit, Volume
from pcrnet.imaging.voxels.order_statistics import Ranked

_BODY_FRACTION = 0.1
_MAX_SAMPLES = 500_000
_THRESHOLDS: WeakKeyDictionary[Volume, float] = WeakKeyDictionary()


@dataclass(frozen=True)
class Scaling:
    """Network input = (value − offset) / scale, no less than ``lowest``.

    ``background`` stands where nothing was imaged.
    """

    offset: float = 0.0
    scale: float = 1.0
    background: float = 0.0
    lowest: float = -math.inf

    def apply(
        self, values: NDArray[np.float32], coverage: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Scale resampled values, shape (x, y, z), and fill what the scan did not cover."""
        scaled = (values - np.float32(self.offset)) / np.float32(self.scale)
        scaled = np.maximum(scaled, np.float32(self.lowest))
        return np.where(coverage, scaled, np.float32(self.background))


def visit_scalings(
    volumes: Mapping[str, Volume], kinds: Mapping[str, ChannelKind]
) -> dict[str, Scaling]:
    """The scaling of each channel of one visit.

    - suv, adc, ratio: unchanged; background 0.
    - hu: thousands of Hounsfield units, so that air is −1, which is the background, and water 0;
      what scanners pad with below air is air.
    - dce: divided by the median of the body on the pre-contrast phase (``dce_pre``, else the
      first phase there is); background 0.
    - zscore: minus mean, over standard deviation, of the body; background is the 1st percentile
      of the scan, which is what air looks like.

    Statistics are of the whole scan, not of the crop, so that they do not depend on where the
    crop lies.

    Args:
        volumes: Channel to volume, in the configured order.
        kinds: Channel to intensity rule.

    Raises:
        ImageError: A scan without contrast within the body.
    """
    phases = [channel for channel in volumes if kinds[channel] == "dce"]
    scalings: dict[str, Scaling] = {}
    for channel, volume in volumes.items():
        try:
            match kinds[channel]:
                case "suv" | "adc" | "ratio":
                    scalings[channel] = Scaling()
                case "hu":
                    scalings[channel] = Scaling(scale=1000.0, background=-1.0, lowest=-1.0)
                case "zscore":
                    scalings[channel] = _standardised(volume)
                case "dce":
                    reference = "dce_pre" if "dce_pre" in phases else phases[0]
                    scalings[channel] = scalings.get(reference) or _relative(volumes[reference])
                case _:
                    assert_never(kinds[channel])
        except ImageError as error:
            raise error.located(field=channel) from None
    return scalings


def body_threshold(array: NDArray[np.float32]) -> float:
    """A tenth of the 99th percentile of values of any shape: above it lies tissue, below it air."""
    return _BODY_FRACTION * Ranked(_sample(array)).percentile(99)


def above_air(array: NDArray[np.float32], unit: Unit) -> NDArray[np.float32]:
    """Values of the same shape, 0 in air and rising with tissue: a CT counts from −1000."""
    if unit != "HU":
        return array
    return np.asarray(np.maximum(array + np.float32(1000.0), np.float32(0.0)))


def tissue_threshold(volume: Volume) -> float:
    """:func:`body_threshold` of a volume's values :func:`above_air`, found once.

    A patient's scans are asked several times.
    """
    known = _THRESHOLDS.get(volume)
    if known is None:
        tissue = Ranked(above_air(_sample(volume.array), volume.unit))
        known = _THRESHOLDS[volume] = _BODY_FRACTION * tissue.percentile(99)
    return known


def _standardised(volume: Volume) -> Scaling:
    sample = _sample(volume.array)
    body = sample[sample > _contrasting_threshold(volume)].astype(np.float64)
    mean, deviation = float(body.mean()), float(body.std())
    if not deviation > 1e-6 * max(abs(mean), 1e-6):
        raise _no_contrast()
    darkest = Ranked(sample).percentile(1)
    return Scaling(offset=mean, scale=deviation, background=(darkest - mean) / deviation)


def _relative(volume: Volume) -> Scaling:
    return Scaling(scale=Ranked(_sample(volume.array), _contrasting_threshold(volume)).median())


def _contrasting_threshold(volume: Volume) -> float:
    threshold = tissue_threshold(volume)
    if threshold <= 0:
        raise _no_contrast()
    return threshold


def _sample(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Evenly spread voxels, enough for a percentile; in memory where they are few of many."""
    step = max(1, round((array.size / _MAX_SAMPLES) ** (1 / 3)))
    return array[::step, ::step, ::step].copy(order="K")


def _no_contrast() -> ImageError:
    return ImageError(
        "the body cannot be told from the background: the image has no contrast",
        remedy="look at the image; convert it anew, or leave the cell empty",
    )
