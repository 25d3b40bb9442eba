"""All quantities of one visit, and of a later visit against the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.quantify import adc, change, enhancement, joint, nodes, signal, uptake
from pcrnet.imaging.quantify.place import Place, Region
from pcrnet.imaging.quantify.quantity import Quantity
from pcrnet.imaging.quantify.sampled import Sampled, covers, far_level, sample
from pcrnet.imaging.quantify.specs import DCE, Channels
from pcrnet.imaging.volume import Volume


@dataclass(frozen=True, eq=False)
class MeasuredVisit:
    """What one visit shows, and what is kept of it for comparison.

    Attributes:
        channels: The channels of the configuration.
        values: ``<channel>.<quantity>`` to value.
        fields: Channel to scan on the fine grid; ``dce`` to early enhancement. Only those that
            cover the bed.
        spots: PET channel to its hot spots outside the bed.
    """

    channels: Channels
    values: Mapping[str, float]
    fields: Mapping[str, Sampled]
    spots: Mapping[str, nodes.Spots]

    @classmethod
    def of(
        cls,
        volumes: Mapping[str, Volume],
        transform: NDArray[np.float64],
        place: Place,
        region: Region,
        channels: Channels,
    ) -> MeasuredVisit:
        """Measure the scans of a visit.

        Args:
            volumes: Channel to volume.
            transform: Millimetres of the first visit to those of this one.
            place: Where the lesion lies.
            region: The body around it.
            channels: The channels of the configuration.
        """
        scans = {name: sample(volume, place.grid, transform) for name, volume in volumes.items()}
        fields = {name: scan for name, scan in scans.items() if covers(scan, place)}
        values: dict[str, float] = {}
        spots: dict[str, nodes.Spots] = {}

        def add(channel: str, found: Mapping[str, float]) -> None:
            values.update({f"{channel}.{name}": value for name, value in found.items()})

        for channel in channels.pet:
            if channel in volumes:
                around = sample(volumes[channel], region.grid, transform)
                hot = nodes.find_spots(around, region)
                if hot is not None:
                    spots[channel] = hot
                    add(channel, nodes.measure_spots(hot))
            if channel in fields:
                add(
                    channel,
                    uptake.measure_uptake(fields[channel], place, far_level(around, region)),
                )
        phases = channels.phases
        if phases and set(phases[:2]) <= set(fields):
            pre, early = (fields[phase] for phase in phases[:2])
            fields[DCE] = enhancement.enhancement(pre, early, place)
            add(DCE, enhancement.measure_enhancement(fields[DCE], place))
            if len(phases) > 2 and phases[2] in fields:
                late = enhancement.enhancement(pre, fields[phases[2]], place)
                add(DCE, enhancement.measure_washout(fields[DCE], late, place))
        for channel in channels.adc:
            if channel in fields:
                add(channel, adc.measure_adc(fields[channel], place))
        for channel in channels.signal:
            if channel in fields:
                add(channel, signal.measure_signal(fields[channel], place))
        for pet in channels.pet:
            for diffusion in channels.adc:
                if pet in fields and diffusion in fields:
                    found = joint.measure_joint(fields[pet], fields[diffusion], place)
                    add(f"{pet}_{diffusion}", found)
        return cls(channels, values, fields, spots)


def measure_change(first: MeasuredVisit, later: MeasuredVisit, place: Place) -> dict[str, float]:
    """A later visit against the first: ``<channel>.<quantity>`` to value."""
    values: dict[str, float] = {}

    def both(channel: str) -> bool:
        return channel in first.fields and channel in later.fields

    def add(channel: str, found: Mapping[str, float]) -> None:
        values.update({f"{channel}.{name}": value for name, value in found.items()})

    def differ(channel: str, quantities: tuple[Quantity, ...]) -> None:
        add(
            channel,
            change.differences(_of(first.values, channel), _of(later.values, channel), quantities),
        )

    for channel in first.channels.pet:
        if both(channel):
            differ(channel, uptake.QUANTITIES)
            pair = [uptake.uptake_excess(v.fields[channel], place) for v in (first, later)]
            add(channel, change.measure_residue(*pair, place))
            add(channel, change.measure_voxelwise(*pair, place))
        if channel in first.spots and channel in later.spots:
            differ(channel, nodes.QUANTITIES)
            add(channel, nodes.track_spots(first.spots[channel], later.spots[channel]))
    if both(DCE):
        differ(DCE, (*enhancement.QUANTITIES, *enhancement.WASHOUT))
        pair = [enhancement.enhancement_excess(v.fields[DCE], place) for v in (first, later)]
        add(DCE, change.measure_residue(*pair, place))
        add(DCE, change.measure_voxelwise(*pair, place))
    for channel in first.channels.adc:
        if both(channel):
            differ(channel, adc.QUANTITIES)
            maps = [v.fields[channel].values for v in (first, later)]
            add(channel, change.measure_voxelwise_difference(*maps, place))
    for channel in first.channels.signal:
        if both(channel):
            differ(channel, signal.QUANTITIES)
    return values


def _of(values: Mapping[str, float], channel: str) -> Mapping[str, float]:
    start = f"{channel}."
    return {name.removeprefix(start): v for name, v in values.items() if name.startswith(start)}
