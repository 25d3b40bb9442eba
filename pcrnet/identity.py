"""When two spellings are one name: the rule for patients and sites, in every table."""

from __future__ import annotations

import unicodedata


def name_key(text: str) -> str:
    """What two spellings of one name have in common.

    Neither case, spaces, Unicode form (full-width letters, composed accents) nor characters that
    nobody sees (zero-width spaces, control characters) make a difference.
    """
    seen = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c)[0] != "C")
    # Folding case may compose or decompose, so the form is made the same once more.
    return "".join(unicodedata.normalize("NFKC", "".join(seen).casefold()).split())


def compact(text: str) -> str:
    """The letters and digits of a column's name: ``Prob yT0.yN0`` is ``probyt0yn0``."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def has_unseen(text: str) -> bool:
    """Whether a name holds characters that nobody sees: control, format, zero-width ones."""
    return any(unicodedata.category(character)[0] == "C" for character in text)
