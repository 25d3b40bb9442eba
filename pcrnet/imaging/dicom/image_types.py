"""What ImageType and FrameType say that an image shows, and which of them a channel cannot be.

Sources: DICOM PS3.3 C.7.6.1.1.2, C.8.3.1.1.1, C.8.13.3.1 and C.8.16.1, and the terms that Siemens,
GE, Philips and Canon scanners were seen to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pcrnet.config.imaging import ChannelKind
from pcrnet.errors import SeriesError
from pcrnet.imaging.dicom.groups import FrameGroups
from pcrnet.imaging.dicom.tags import items, words

if TYPE_CHECKING:
    from pydicom import Dataset

_TYPE_SEQUENCES = (
    "MRImageFrameTypeSequence",
    "PETFrameTypeSequence",
    "ParametricMapFrameTypeSequence",
)
_SUBTRACTION = frozenset({"SUB", "SUBT", "SUBTRACT", "SUBTRACTED", "SUBTRACTION"})
_DIFFUSION = frozenset(
    {
        "TRACEW", "TRACE", "EXPONENTIAL", "EXP", "EADC", "FA", "RA", "DIFFUSION_ANISO",
        "DIFFUSION_ATTNTD", "TENSOR", "TENSOR_B0", "CALC_BVALUE",
    }
)  # fmt: skip
_KINETIC = frozenset(
    {
        "PE", "PE1", "PE2", "PEI", "SER", "TTP", "WASHIN", "WASHOUT", "WASH_IN", "WASH_OUT",
        "KTRANS", "KEP", "VE", "VP", "IAUC", "AUC", "IAUGC", "MTT", "RCBV", "RCBF", "CBV", "CBF",
        "TMAX", "TIME_TO_PEAK", "TIME_OF_ARRIVAL", "WASH_IN_RATE", "WASH_OUT_RATE",
        "RELATIVE_ENHANCEMENT", "REL_ENH", "MAX_ENHANCEMENT", "MAX_ENH", "MAX_RELATIVE_ENHANCEMENT",
        "MAX_REL_ENH", "NEGATIVE_ENHANCEMENT", "NEGATIVE_ENHANCEMENT_INTEGRAL",
        "POSITIVE_ENHANCEMENT_INTEGRAL", "BREVITY_OF_ENHANCEMENT", "BREVITY_OF_ENH",
        "SIGNAL_ENHANCEMENT_RATIO", "MAXIMUM_SLOPE", "MAX_SLOPE",
    }
)  # fmt: skip
_PROJECTION = frozenset(
    {
        "MIP",
        "MAX_IP",
        "MINIP",
        "MIN_IP",
        "MNIP",
        "MAXIMUM",
        "MINIMUM",
        "PROJECTION",
        "STD_DEVIATION",
    }
)
_PHASE = frozenset({"P", "PHASE"})
_COMMON = _SUBTRACTION | _PROJECTION
_REFUSED: dict[ChannelKind, tuple[str, frozenset[str]]] = {
    "adc": ("an ADC map", _COMMON | _DIFFUSION | _KINETIC | _PHASE),
    "dce": ("a phase of a dynamic series", _COMMON | _DIFFUSION | _KINETIC | _PHASE | {"ADC"}),
    "suv": ("a PET as reconstructed", _COMMON),
}
"""What other channels show is for their user to say."""
_KNOWN = (
    frozenset().union(*(terms for _, terms in _REFUSED.values()))
    | {
        "ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "LOCALIZER", "AXIAL", "MPR", "MOSAIC",
        "OTHER",
        "DIFFUSION", "VOLUME", "NONE", "QUANTITY", "MIXED", "M", "R", "I", "ND", "NORM", "DIS2D",
        "DIS3D", "FM", "FS", "FIL", "MFSPLIT", "M_SE", "M_FFE", "M_IR", "SE", "FFE", "IR", "W", "F",
        "IP", "OP", "WATER", "FAT", "IN_PHASE", "OPP_PHASE", "IMAGE", "STATIC", "DYNAMIC", "GATED",
        "ATTN", "DCE",
    }
)  # fmt: skip


def frame_types(groups: FrameGroups) -> frozenset[str]:
    """The terms of a frame's type, else its file's, in capitals: free text, never to be shown."""
    for sequence in _TYPE_SEQUENCES:
        for holder in (groups.own, groups.shared):
            for item in items(holder, sequence):
                if words(item, "FrameType"):
                    return _terms(words(item, "FrameType"))
    return image_types(groups.header)


def image_types(header: Dataset) -> frozenset[str]:
    """The terms of ImageType, in capitals: free text, never to be shown."""
    return _terms(words(header, "ImageType"))


def unfit(types: Iterable[str], kind: ChannelKind) -> str:
    """The term that says that an image cannot be what a channel needs; "" for none."""
    _, refused = _REFUSED.get(kind, ("", frozenset()))
    return next(iter(sorted(refused & set(types))), "")


def check_types(types: Iterable[str], kind: ChannelKind) -> None:
    """Refuse an image whose type says that it shows something else than the channel needs.

    Raises:
        SeriesError: With the term that says so.
    """
    term = unfit(types, kind)
    if term:
        raise SeriesError(
            f"ImageType says {term}: that is not {_REFUSED[kind][0]}",
            field="ImageType",
            remedy="name the series of the scan or map itself in this column",
        )


def shown_types(types: Iterable[str]) -> tuple[str, ...]:
    """The standard's and the makers' own terms among the parts of a type, to be shown."""
    return tuple(sorted(_KNOWN & set(types)))


def _terms(parts: Iterable[str]) -> frozenset[str]:
    terms = frozenset(term for part in parts for term in re.split(r"[^A-Z0-9_]+", part) if term)
    numbered = any(term.startswith("SUB_") for term in terms)  # SUB_1, SUB_2: phase by phase
    return terms | {"SUB"} if numbered else terms
