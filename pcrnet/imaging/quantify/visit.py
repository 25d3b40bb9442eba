"""All quantities of one visit, and of a later visit against the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.quantify import adc, change, enhancement, joint, nodes, signal, uptake
from pcrnet.imaging.quantify.place import Place, Region
from pcrnet.imaging.quantify.quantity import Quantity
from pcrnet.imaging.quantify.sampled import Sampled, covers, far_level, sample
from pcrnet.imaging.quantify.specs import DCE, Channels
from pcrnet.imaging.volume import Volume


@dataclass(frozen=True, eq=False)
class VisitFields:
    """The scans of a visit where they are measured.

    Attributes:
        lesion: Channel to scan on the fine grid, ``dce`` to early and ``dce_washout`` to late
            enhancement; only those that cover the bed.
        far: PET channel to the median of the far body; NaN where it shows none.
        spots: PET channel to its hot spots outside the bed.
    """

    lesion: Mapping[str, Sampled]
    far: Mapping[str, float]
    spots: Mapping[str, nodes.Spots]


_T = TypeVar("_T")

LATE = "dce_washout"


@dataclass
class _Named:
    """Values collected under ``<channel>.<quantity>``."""

    values: dict[str, float] = field(default_factory=dict)

    def add(self, channel: str, found: Mapping[str, float]) -> None:
        self.values |= {f"{channel}.{name}": value for name, value in found.items()}

    def of(self, channel: str) -> dict[str, float]:
        start = f"{channel}."
        return {
            name.removeprefix(start): value
            for name, value in self.values.items()
            if name.startswith(start)
        }


def sample_visit(
    volumes: Mapping[str, Volume],
    transform: NDArray[np.float64],
    place: Place,
    region: Region,
    channels: Channels,
) -> VisitFields:
    """Bring the scans of a visit to where the lesion lies.

    Args:
        volumes: Channel to volume.
        transform: Millimetres of the first visit to those of this one.
        place: Where the lesion lies.
        region: The body around it.
        channels: The channels of the configuration.
    """
    scans = {name: sample(volume, place.grid, transform) for name, volume in volumes.items()}
    lesion = {name: scan for name, scan in scans.items() if covers(scan, place)}
    around = {
        name: sample(volumes[name], region.grid, transform)
        for name in channels.pet
        if name in volumes
    }
    spots = {name: nodes.find_spots(scan, region) for name, scan in around.items()}
    phases = channels.phases
    if phases and set(phases[:2]) <= set(lesion):
        pre = lesion[phases[0]]
        for name, phase in zip((DCE, LATE), phases[1:], strict=False):
            if phase in lesion:
                lesion[name] = enhancement.enhancement(pre, lesion[phase], place)
    return VisitFields(
        lesion=lesion,
        far={name: far_level(scan, region) for name, scan in around.items()},
        spots={name: found for name, found in spots.items() if found is not None},
    )


def measure_visit(visit: VisitFields, place: Place, channels: Channels) -> dict[str, float]:
    """The quantities of a visit: ``<channel>.<quantity>`` to value."""
    named, scans = _Named(), visit.lesion
    for channel, spots in visit.spots.items():
        named.add(channel, nodes.measure_spots(spots))
    for channel in channels.pet:
        if channel in scans:
            named.add(channel, uptake.measure_uptake(scans[channel], place, visit.far[channel]))
    if DCE in scans:
        named.add(DCE, enhancement.measure_enhancement(scans[DCE], place))
        if LATE in scans:
            named.add(DCE, enhancement.measure_washout(scans[DCE], scans[LATE], place))
    alone: tuple[tuple[Iterable[str], Callable[[Sampled, Place], dict[str, float]]], ...] = (
        (channels.adc, adc.measure_adc),
        (channels.signal, signal.measure_signal),
    )
    for names, measure in alone:
        for channel in names:
            if channel in scans:
                named.add(channel, measure(scans[channel], place))
    for pet, diffusion in ((p, d) for p in channels.pet for d in channels.adc):
        if pet in scans and diffusion in scans:
            found = joint.measure_joint(scans[pet], scans[diffusion], place)
            named.add(f"{pet}_{diffusion}", found)
    return named.values


def measure_change(
    first: tuple[VisitFields, Mapping[str, float]],
    later: tuple[VisitFields, Mapping[str, float]],
    place: Place,
    channels: Channels,
) -> dict[str, float]:
    """A later visit against the first: ``<channel>.<quantity>`` to value.

    Args:
        first: The fields of the first visit, and what :func:`measure_visit` found there.
        later: The same of the later one.
        place: Where the lesion lies.
        channels: The channels of the configuration.
    """
    named = _Named()
    before, after = (_Named(dict(values)) for _, values in (first, later))

    def differ(channel: str, quantities: Iterable[Quantity]) -> None:
        named.add(channel, change.differences(before.of(channel), after.of(channel), quantities))

    for channel in channels.pet:
        if (pair := _pair(channel, first[0].spots, later[0].spots)) is not None:
            differ(channel, nodes.QUANTITIES)
            named.add(channel, nodes.track_spots(*pair))
    one, other = first[0].lesion, later[0].lesion
    for channels_of, quantities, excess in (
        (channels.pet, uptake.QUANTITIES, uptake.uptake_excess),
        ((DCE,), (*enhancement.QUANTITIES, *enhancement.WASHOUT), enhancement.enhancement_excess),
    ):
        for channel in channels_of:
            if (scans := _pair(channel, one, other)) is not None:
                differ(channel, quantities)
                then, now = (excess(scan, place) for scan in scans)
                named.add(channel, change.measure_residue(then, now, place))
                named.add(channel, change.measure_voxelwise(then, now, place))
    for channel in channels.adc:
        if (scans := _pair(channel, one, other)) is not None:
            differ(channel, adc.QUANTITIES)
            then_map, now_map = (scan.values for scan in scans)
            named.add(channel, change.measure_voxelwise_difference(then_map, now_map, place))
    for channel in channels.signal:
        if _pair(channel, one, other) is not None:
            differ(channel, signal.QUANTITIES)
    return named.values


def _pair(channel: str, first: Mapping[str, _T], later: Mapping[str, _T]) -> tuple[_T, _T] | None:
    """What both visits have of a channel."""
    return (first[channel], later[channel]) if channel in first and channel in later else None
