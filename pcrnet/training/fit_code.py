"""Which code decides a fit: with another digest of it no fit is taken up or continued."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pcrnet.config.model import ENCODER_MODULES, RIVAL_MODULES
from pcrnet.source_code import digest_of_sources, sources_behind

_COMPILED = Path(__file__).parents[1] / "data" / "warp.c"
_ROOMS = ("pcrnet.training", "pcrnet.models", "pcrnet.data")


@cache
def code_digest() -> str:
    """SHA-256 of the source files that make a fit of patients, and of where they stand."""
    return digest_of_sources(fit_sources())


def fit_sources() -> set[Path]:
    """The models, the loop that trains them and what feeds it.

    Not what plans, watches or judges fits. The code behind the tensors has its place in their keys,
    and that behind the settings shows in the settings.
    """
    found = sources_behind("pcrnet.training.fit", *_ROOMS)
    # Kinds are found by their names, which no import statement shows.
    for module in (*ENCODER_MODULES, *RIVAL_MODULES):
        found |= sources_behind(module, *_ROOMS)
    return found | {_COMPILED}
