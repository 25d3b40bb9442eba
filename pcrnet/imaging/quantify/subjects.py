"""What a quantity is about, in the words of a reader: seven subjects for some 160 names."""

from __future__ import annotations

from typing import Literal, get_args

from pcrnet.config.imaging import ChannelKind
from pcrnet.imaging.quantify.specs import DCE, LESION_VOLUME, QuantitySpec

Subject = Literal["uptake", "enhancement", "ADC", "signal", "shape", "change", "nodes", "days"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)

_LAYOUT_GROUPS = {"shape", "pattern", "texture", "volume"}


def subject_of(spec: QuantitySpec, kinds: dict[str, ChannelKind]) -> Subject:
    """The one subject that a quantity counts for.

    Nodes come first, then change against the first visit, then how the lesion is laid out; what is
    left goes by its channel. A quantity of two channels counts for the second, such as ADC where
    there is uptake.

    Args:
        spec: The quantity.
        kinds: Channel to intensity rule.
    """
    if spec.group == "days":
        return "days"
    if spec.group == "nodes":
        return "nodes"
    visit, channel, *_ = spec.name.split(".")
    if "_vs_" in visit or spec.group in {"residue", "voxel"}:
        return "change"
    if spec.group in _LAYOUT_GROUPS or spec.name == LESION_VOLUME:
        return "shape"
    if channel == DCE:
        return "enhancement"
    by_kind: dict[ChannelKind, Subject] = {
        "suv": "uptake",
        "adc": "ADC",
        "dce": "enhancement",
        "ratio": "enhancement",
        "zscore": "signal",
    }
    # Of a pair such as ``pet_adc`` the channel that is weighted stands last.
    last = max((name for name in kinds if channel.endswith(name)), key=len, default="")
    return by_kind[kinds[last]] if last else "signal"
