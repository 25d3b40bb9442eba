"""Which code decides a tensor: another digest of it, and every tensor and quantity is made anew."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pcrnet.source_code import digest_of_sources, sources_behind

_DECIDING = ("pcrnet.imaging.tensors.preprocess", "pcrnet.imaging.quantify.measure")


@cache
def code_digest() -> str:
    """SHA-256 of the source files that turn images into tensors, and of where they stand."""
    return digest_of_sources(tensor_sources())


def tensor_sources() -> set[Path]:
    """The modules of imaging that decide a tensor or a quantity, with all that they import.

    And ``cache``, which stores it. Drawing and converting are not among them, so that work on a
    picture throws no tensor away. Nor is what lies outside imaging: settings and the
    patient's own values have their place in a tensor's key beside the code.
    """
    found = {Path(__file__).with_name("cache.py")}
    for module in _DECIDING:
        found |= sources_behind(module, "pcrnet.imaging")
    return found
