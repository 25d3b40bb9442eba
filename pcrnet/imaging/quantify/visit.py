"""All quantities of one visit, and of a later visit against the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pcrnet.imaging.quantify import nodes, signal
from pcrnet.imaging.quantify.excess import Excess
from pcrnet.imaging.quantify.measures import adc, change, enhancement, joint, uptake
from pcrnet.imaging.quantify.place import Place, Region
from pcrnet.imaging.quantify.quantity import Quantity
from pcrnet.imaging.quantify.sampled import Sampled, covers, far_level, sample
from pcrnet.imaging.quantify.specs import DCE, Channels
from pcrnet.imaging.volume import Volume


@dataclass(frozen=True, eq=False)
class VisitFields:
    """The scans of a visit where they are measured.

    Attributes:
        lesion: Channel to scan on the fine grid; only those that cover the bed.
        excess: PET channel, and ``dce``, to uptake and early enhancement above near tissue.
        late: Late enhancement; None where there is none.
        around: PET channel to scan on the coarse grid.
        far: PET channel to the median of the far body; NaN where it shows none.
        spots: PET channel to its hot spots outside the bed.
    """

    lesion: Mapping[str, Sampled]
    excess: Mapping[str, Excess]
    late: Sampled | None
    around: Mapping[str, Sampled]
    far: Mapping[str, float]
    spots: Mapping[str, nodes.Spots]


_T = TypeVar("_T")
_COMPARED_DCE = (*enhancement.QUANTITIES, *enhancement.WASHOUT)


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
        transform: (4, 4) millimetres of the first visit to those of this one.
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
    return fields_of(lesion, around, place, region, channels)


def fields_of(
    lesion: Mapping[str, Sampled],
    around: Mapping[str, Sampled],
    place: Place,
    region: Region,
    channels: Channels,
) -> VisitFields:
    """What is measured on, from scans that lie where the lesion does.

    Args:
        lesion: Channel to scan on the fine grid; only those that cover the bed.
        around: PET channel to scan on the coarse grid.
        place: Where the lesion lies.
        region: The body around it.
        channels: The channels of the configuration.
    """
    spots = {name: nodes.find_spots(scan, region) for name, scan in around.items()}
    excess = {c: uptake.uptake_excess(lesion[c], place) for c in channels.pet if c in lesion}
    phases, late = channels.phases, None
    if phases and set(phases[:2]) <= set(lesion):
        pre, early = (lesion[phase] for phase in phases[:2])
        pe = enhancement.enhancement(pre, early, place)
        excess[DCE] = enhancement.enhancement_excess(pe, place)
        if len(phases) > 2 and phases[2] in lesion:
            late = enhancement.enhancement(pre, lesion[phases[2]], place)
    return VisitFields(
        lesion=lesion,
        excess=excess,
        late=late,
        around=around,
        far={name: far_level(scan, region) for name, scan in around.items()},
        spots={name: found for name, found in spots.items() if found is not None},
    )


def measure_visit(visit: VisitFields, place: Place, channels: Channels) -> dict[str, float]:
    """The quantities of a visit: ``<channel>.<quantity>`` to value."""
    named, scans = _Named(), visit.lesion
    for channel, spots in visit.spots.items():
        named.add(channel, nodes.measure_spots(spots))
    for channel, excess in visit.excess.items():
        if channel == DCE:
            named.add(DCE, enhancement.measure_enhancement(excess, place))
            if visit.late is not None:
                named.add(DCE, enhancement.measure_washout(excess, visit.late, place))
        else:
            named.add(channel, uptake.measure_uptake(excess, place, visit.far[channel]))
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
            found = joint.measure_joint(visit.excess[pet], scans[diffusion], place)
            named.add(f"{pet}_{diffusion}", found)
    for pair in channels.beside_adc:
        if pair.signal in visit.excess and pair.adc in scans:
            found = joint.measure_solid(visit.excess[pair.signal], scans[pair.adc], place)
            named.add(pair.name, found)
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
    for channel in (*channels.pet, DCE):
        if (fields := _pair(channel, first[0].excess, later[0].excess)) is not None:
            differ(channel, _COMPARED_DCE if channel == DCE else uptake.QUANTITIES)
            named.add(channel, change.measure_residue(*fields, place))
            named.add(channel, change.measure_voxelwise(*fields, place))
    one, other = first[0].lesion, later[0].lesion
    for channel in channels.adc:
        if (scans := _pair(channel, one, other)) is not None:
            differ(channel, adc.QUANTITIES)
            then_map, now_map = (scan.values for scan in scans)
            named.add(channel, change.measure_voxelwise_difference(then_map, now_map, place))
    for beside in channels.beside_adc:
        excess = _pair(beside.signal, first[0].excess, later[0].excess)
        if excess is not None and _pair(beside.adc, one, other) is not None:
            differ(beside.name, joint.SOLID)
    for channel in channels.signal:
        if _pair(channel, one, other) is not None:
            differ(channel, signal.QUANTITIES)
    return named.values


def _pair(channel: str, first: Mapping[str, _T], later: Mapping[str, _T]) -> tuple[_T, _T] | None:
    """What both visits have of a channel."""
    return (first[channel], later[channel]) if channel in first and channel in later else None
