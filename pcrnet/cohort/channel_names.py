"""What the names of channels let expect, where they are not those that tell a rule of intensity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_TELLING = ("pet", "adc", "dce", "ct", "ser")
"""A channel of such a name, alone or before an underscore, has its rule by it."""
_PET = frozenset({"pet", "fdg", "suv", "suvbw", "pt"})
_ADC = frozenset({"adc"})
_AFTER_CONTRAST = frozenset({"dce", "gd", "gad", "ce", "contrast", "postcontrast", "post"})
_BEFORE_CONTRAST = frozenset({"pre", "precontrast"})


def likely_kinds(channels: Iterable[str]) -> dict[str, str]:
    """Rules of intensity that names suggest without telling them: ``fdg``, ``t1_gd``, ``dwi_adc``.

    Args:
        channels: Whose rule nobody stated.

    Returns:
        Channel to ``suv``, ``adc`` or ``dce``; channels whose name suggests none are left out.
    """
    words = {channel: _words(channel) for channel in channels if not _tells(channel)}
    dynamic = any(of & _AFTER_CONTRAST for of in words.values())
    likely: dict[str, str] = {}
    for channel, of in words.items():
        if of & _PET:
            likely[channel] = "suv"
        elif of & _ADC:
            likely[channel] = "adc"
        elif of & _AFTER_CONTRAST or (dynamic and of & _BEFORE_CONTRAST):
            likely[channel] = "dce"
    return likely


def channels_setting(likely: Mapping[str, str]) -> str:
    """The override that gives channels their rules, ready to be pasted; empty for none."""
    pairs = ", ".join(f"{channel}: {kind}" for channel, kind in likely.items())
    return f"'imaging.channels={{{pairs}}}'" if pairs else ""


def looks_like_pet(channel: str) -> bool:
    """Whether the name says PET."""
    return bool(_words(channel) & _PET)


def _words(channel: str) -> set[str]:
    return set(re.split(r"[_\W\d]+", channel.lower()))


def _tells(channel: str) -> bool:
    return channel.split("_", maxsplit=1)[0] in _TELLING
