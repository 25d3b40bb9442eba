"""The list of quantities of a configuration: names, meanings, units, and what each rests on.

A name reads ``<visit>.<channel>.<quantity>_<unit>`` or, for a change,
``<visit>_vs_<first visit>.<channel>.<quantity>_<unit>``. ``ln`` stands for the natural logarithm,
``r`` for a correlation, ``fraction`` for a number between 0 and 1. The DCE phases of a visit are
one channel, ``dce``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig
from pcrnet.imaging.quantify import nodes, signal
from pcrnet.imaging.quantify.measures import adc, change, enhancement, joint, uptake
from pcrnet.imaging.quantify.quantity import Quantity

DCE = "dce"
LESION_VOLUME = "lesion.volume_ln_ml"


@dataclass(frozen=True)
class QuantitySpec:
    """One column of ``quantities.csv``.

    Attributes:
        name: With the unit at its end.
        meaning: One line.
        unit: ``ln`` of something, ``SUV``, ``mL``, ``1e-3 mm2/s``, ``mm``, ``1``, ``days``.
        scans: The ``timepoint.channel`` that it rests on: without one of them it is NaN, with all
            of them it can be measured. A mask counts only for what cannot do without it.
        modelled: Whether it is meant for a model: compressed, robust, and no mere restatement.
    """

    name: str
    meaning: str
    unit: str
    scans: frozenset[str]
    modelled: bool


@dataclass(frozen=True)
class BesideAdc:
    """A signal that shows where tumour is, with an ADC channel that is measured there.

    Attributes:
        signal: A PET channel, or ``dce``.
        adc: The ADC channel.
        scans: The channels that both are made of.
    """

    signal: str
    adc: str
    scans: tuple[str, ...]

    @property
    def name(self) -> str:
        """What its quantities are named by."""
        return f"{self.signal}_{self.adc}"


@dataclass(frozen=True)
class Channels:
    """The channels of a configuration by kind, in its order."""

    pet: tuple[str, ...]
    dce: tuple[str, ...]
    adc: tuple[str, ...]
    signal: tuple[str, ...]

    @classmethod
    def of(cls, data: DataConfig, imaging: ImagingConfig) -> Channels:
        """Sort the channels of a configuration; the pre-contrast phase comes first."""

        def kind(wanted: ChannelKind) -> tuple[str, ...]:
            return tuple(c for c in data.channels if imaging.channel_kind(c) == wanted)

        dce = sorted(kind("dce"), key=lambda channel: channel != "dce_pre")
        return cls(kind("suv"), tuple(dce), kind("adc"), kind("zscore"))

    @property
    def phases(self) -> tuple[str, ...]:
        """Pre-contrast, first and last phase; two where there are two; none below two."""
        if len(self.dce) < 2:
            return ()
        return self.dce if len(self.dce) < 3 else (self.dce[0], self.dce[1], self.dce[-1])

    @property
    def beside_adc(self) -> tuple[BesideAdc, ...]:
        """Each signal that shows where tumour is, with each ADC channel."""
        made_of: dict[str, tuple[str, ...]] = {pet: (pet,) for pet in self.pet}
        if self.phases:
            made_of[DCE] = self.phases[:2]
        return tuple(
            BesideAdc(signal, adc, (*scans, adc))
            for (signal, scans), adc in product(made_of.items(), self.adc)
        )


def quantity_specs(data: DataConfig, imaging: ImagingConfig) -> tuple[QuantitySpec, ...]:
    """All quantities of a configuration, in the order of the columns of ``quantities.csv``."""
    channels = Channels.of(data, imaging)
    first, *later = data.timepoints
    specs = [
        QuantitySpec(
            LESION_VOLUME,
            "volume of the lesion mask of the first visit",
            "ln mL",
            frozenset({f"{first}.mask"}),
            True,
        )
    ]
    for timepoint in data.timepoints:
        specs += _visit(timepoint, channels, later=timepoint != first)
    for timepoint in later:
        specs += _change(timepoint, first, channels)
    specs += [
        QuantitySpec(f"{t}.days", "days from the start of therapy", "days", frozenset(), t != first)
        for t in data.timepoints
    ]
    return tuple(specs)


def _visit(timepoint: str, channels: Channels, *, later: bool) -> Iterator[QuantitySpec]:
    def build(
        channel: str, scans: Iterable[str], quantities: Iterable[Quantity]
    ) -> Iterator[QuantitySpec]:
        scans = frozenset(f"{timepoint}.{scan}" for scan in scans)
        for q in quantities:
            modelled = q.modelled or (later and q.modelled_later)
            yield _spec(f"{timepoint}.{channel}.{q.name}", q, scans, modelled=modelled)

    for channel in channels.pet:
        yield from build(channel, [channel], (*uptake.QUANTITIES, *nodes.QUANTITIES))
    if channels.phases:
        yield from build(DCE, channels.phases[:2], enhancement.QUANTITIES)
    if len(channels.phases) > 2:
        yield from build(DCE, channels.phases, enhancement.WASHOUT)
    for channel in channels.adc:
        yield from build(channel, [channel], adc.QUANTITIES)
    for channel in channels.signal:
        yield from build(channel, [channel], signal.QUANTITIES)
    for pet in channels.pet:
        for diffusion in channels.adc:
            yield from build(f"{pet}_{diffusion}", [pet, diffusion], joint.QUANTITIES)
    for pair in channels.beside_adc:
        yield from build(pair.name, pair.scans, joint.SOLID)


def _change(timepoint: str, first: str, channels: Channels) -> Iterator[QuantitySpec]:
    def build(
        channel: str, scans: Iterable[str], quantities: Iterable[Quantity]
    ) -> Iterator[QuantitySpec]:
        scans = frozenset(f"{t}.{scan}" for t in (first, timepoint) for scan in scans)
        for q in quantities:
            name = f"{timepoint}_vs_{first}.{channel}.{q.name}"
            yield _spec(name, q, scans, modelled=q.modelled)

    for channel in channels.pet:
        yield from build(channel, [channel], (*change.of(uptake.QUANTITIES), *change.RESIDUE))
        yield from build(channel, [channel], (*change.of(nodes.QUANTITIES), *nodes.TRACKED))
        yield from build(channel, [channel], change.VOXELWISE)
    if channels.phases:
        yield from build(DCE, channels.phases[:2], change.of(enhancement.QUANTITIES))
        yield from build(DCE, channels.phases[:2], (*change.RESIDUE, *change.VOXELWISE))
    if len(channels.phases) > 2:
        yield from build(DCE, channels.phases, change.of(enhancement.WASHOUT))
    for channel in channels.adc:
        yield from build(channel, [channel], change.of(adc.QUANTITIES))
        yield from build(channel, [channel], change.VOXELWISE_DIFFERENCE)
    for pair in channels.beside_adc:
        yield from build(pair.name, pair.scans, change.of(joint.SOLID))
    for channel in channels.signal:
        yield from build(channel, [channel], change.of(signal.QUANTITIES))


def _spec(name: str, quantity: Quantity, scans: frozenset[str], *, modelled: bool) -> QuantitySpec:
    return QuantitySpec(name, quantity.meaning, quantity.unit, scans, modelled)
