"""What the name of a channel lets expect of it, beside the rule of intensity that it has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig

_PET = frozenset({"pet", "fdg", "suv", "suvbw", "pt"})
_ADC = frozenset({"adc"})
_AFTER_CONTRAST = frozenset({"dce", "gd", "gad", "ce", "contrast", "postcontrast", "post"})
_BEFORE_CONTRAST = frozenset({"pre", "precontrast"})
_RULES: Mapping[ChannelKind, str] = {
    "suv": "SUV",
    "adc": "ADC in 10⁻³ mm²/s",
    "hu": "Hounsfield units",
    "dce": "relative to before contrast",
    "ratio": "as they are",
    "zscore": "standardised in each scan",
}


def likely_kinds(channels: Sequence[str], imaging: ImagingConfig) -> dict[str, ChannelKind]:
    """Channels that are standardised for want of a name that is known, and what they may be.

    A scan that is standardised loses its scale: SUV 2 and SUV 8 look alike, enhancement is gone,
    and neither lesion nor uptake is found by it. A rule that ``imaging.channels`` states is meant.

    Args:
        channels: In the configured order.
        imaging: The rules of intensity.

    Returns:
        Channel to the rule that its name suggests; channels whose name suggests none are left out.
    """
    open_ones = [
        channel
        for channel in channels
        if channel not in imaging.channels and imaging.channel_kind(channel) == "zscore"
    ]
    words = {channel: set(re.split(r"[_\W\d]+", channel.lower())) for channel in open_ones}
    dynamic = any(of & _AFTER_CONTRAST for of in words.values())
    likely: dict[str, ChannelKind] = {}
    for channel, of in words.items():
        if of & _PET:
            likely[channel] = "suv"
        elif of & _ADC:
            likely[channel] = "adc"
        elif of & _AFTER_CONTRAST or (dynamic and of & _BEFORE_CONTRAST):
            likely[channel] = "dce"
    return likely


def channels_setting(likely: Mapping[str, ChannelKind]) -> str:
    """The override that gives channels their rules, ready to be pasted; empty for none."""
    pairs = ", ".join(f"{channel}: {kind}" for channel, kind in likely.items())
    return f"'imaging.channels={{{pairs}}}'" if pairs else ""


def looks_like_pet(channel: str) -> bool:
    """Whether the name says PET."""
    return bool(set(re.split(r"[_\W\d]+", channel.lower())) & _PET)


def rules_in_words(data: DataConfig, imaging: ImagingConfig) -> list[str]:
    """What is taken for what, and what follows from it that a user may not expect: one line each."""
    kinds = {channel: imaging.channel_kind(channel) for channel in data.channels}
    parts = []
    for kind, meaning in _RULES.items():
        own = [channel for channel, of in kinds.items() if of == kind]
        if kind == "dce" and own:
            before = "dce_pre" if "dce_pre" in own else own[0]
            meaning = f"relative to before contrast, which is {before}"
        if own:
            parts.append(f"{', '.join(own)} {meaning}")
    lines = [f"channels: {'; '.join(parts)}"]
    if likely := likely_kinds(data.channels, imaging):
        lines.append(
            f"warning: by their names {', '.join(likely)} should keep their scale; they are "
            f"standardised in each scan and lose it, unless you set {channels_setting(likely)}"
        )
    if not {"suv", "dce"} & set(kinds.values()):
        lines.append(
            "warning: no channel is PET (suv) or of a dynamic series (dce): without a mask no "
            "lesion is found, and neither uptake nor enhancement is measured"
        )
    return lines
