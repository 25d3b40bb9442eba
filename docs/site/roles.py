"""Docstrings name code by Sphinx roles; the site shows the name, linked where it can be."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import griffe

_ROLE = re.compile(r":(?:mod|class|func|meth|data|attr|exc):`(?P<short>~?)(?P<target>[\w.]+)`")
_PAGES = Path(__file__).parents[1] / "api"


class Roles(griffe.Extension):
    """Rewrites the roles of every docstring as Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Called once for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(_markdown, obj.docstring.value)


def _markdown(match: re.Match[str]) -> str:
    target = match["target"]
    shown = target.rpartition(".")[2] if match["short"] else target
    documented = any(target == name or target.startswith(f"{name}.") for name in _documented())
    return f"[`{shown}`][{target}]" if documented else f"`{shown}`"


@cache
def _documented() -> frozenset[str]:
    """What the pages of the Python reference hold."""
    pages = (path.read_text(encoding="utf-8") for path in _PAGES.glob("*.md"))
    return frozenset(name for text in pages for name in re.findall(r"^::: ([\w.]+)", text, re.M))
