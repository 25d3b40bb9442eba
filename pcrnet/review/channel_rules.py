"""What each channel is taken for, in words: a wrong rule of intensity makes plausible numbers."""

from __future__ import annotations

from collections.abc import Mapping

from pcrnet.cohort.channel_names import channels_setting, likely_kinds
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig

_RULES: Mapping[ChannelKind, str] = {
    "suv": "SUV",
    "adc": "ADC in 10⁻³ mm²/s",
    "hu": "Hounsfield units",
    "dce": "relative to before contrast",
    "ratio": "as they are",
    "zscore": "standardised in each scan",
}


def rules_in_words(data: DataConfig, imaging: ImagingConfig) -> list[str]:
    """The rule of every channel, and what follows that a user may not expect; one line each.

    A scan that is standardised loses its scale: SUV 2 and SUV 8 look alike, enhancement is gone,
    and neither lesion nor uptake is found by it. A rule that ``imaging.channels`` states is meant.
    """
    kinds = {channel: imaging.channel_kind(channel) for channel in data.channels}
    lines = [f"channels: {'; '.join(_parts(kinds))}"]
    unstated = [c for c, kind in kinds.items() if kind == "zscore" and c not in imaging.channels]
    if likely := likely_kinds(unstated):
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


def _parts(kinds: Mapping[str, ChannelKind]) -> list[str]:
    parts = []
    for kind, meaning in _RULES.items():
        own = [channel for channel, of in kinds.items() if of == kind]
        if own:
            parts.append(f"{', '.join(own)} {meaning}")
        if own and kind == "dce":
            parts[-1] += f", which is {'dce_pre' if 'dce_pre' in own else own[0]}"
    return parts
