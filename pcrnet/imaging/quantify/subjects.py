"""What a quantity is about, in the words of a reader: seven subjects for some 160 names."""

from __future__ import annotations

from typing import Literal, get_args

from pcrnet.config.imaging import ChannelKind
from pcrnet.imaging.quantify.measures import shape, texture
from pcrnet.imaging.quantify.specs import DCE, LESION_VOLUME, QuantitySpec

Subject = Literal["uptake", "enhancement", "ADC", "signal", "shape", "change", "nodes", "days"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)

_LAYOUT = {
    *(quantity.name for quantity in (*shape.MOMENTS, *shape.REGION, *texture.QUANTITIES)),
    "rim_to_core_ln",
    "cv_ln",
    "spread_1e3_mm2_s",
}
"""How something is laid out within the lesion, whatever the channel."""


def subject_of(spec: QuantitySpec, kinds: dict[str, ChannelKind]) -> Subject:
    """The one subject that a quantity counts for.

    Nodes come first, then change against the first visit, then how the lesion is laid out; what is
    left goes by its channel. A quantity of two channels counts for the second, such as ADC where
    there is uptake.

    Args:
        spec: The quantity.
        kinds: Channel to intensity rule.
    """
    visit, *_, quantity = spec.name.split(".")
    if quantity == "days":
        return "days"
    if "node_" in quantity:
        return "nodes"
    if "_vs_" in visit:
        return "change"
    if spec.name == LESION_VOLUME or quantity in _LAYOUT:
        return "shape"
    channel = spec.name.split(".")[1]
    if channel == DCE:
        return "enhancement"
    by_kind: dict[ChannelKind, Subject] = {
        "suv": "uptake",
        "adc": "ADC",
        "dce": "enhancement",
        "ratio": "enhancement",
        "zscore": "signal",
        "hu": "signal",
    }
    # Of a pair such as ``pet_adc`` the channel that is weighted stands last.
    last = max((name for name in kinds if channel.endswith(name)), key=len, default="")
    return by_kind[kinds[last]] if last else "signal"
