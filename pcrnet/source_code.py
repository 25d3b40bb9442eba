"""Which source files decide a result, so that results of other code are never taken for its own."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def sources_behind(module: str, *within: str, root: Path = _ROOT) -> set[Path]:
    """Source files of a module and of all that it imports from some packages, however deep.

    Imports are found in the syntax tree: at the top, inside functions and for type checkers alike.
    A package's ``__init__`` counts where it is imported by its own name.

    Args:
        module: Dotted name of where to begin.
        within: Dotted names of the packages to stay in, their sub-packages included.
        root: The folder that holds the top package.

    Raises:
        FileNotFoundError: The module is not there.
    """
    start = _source(module, root)
    if start is None:
        raise FileNotFoundError(f"{module} has no source below {root}")
    found = {module: start}
    waiting = [module]
    while waiting:
        here = waiting.pop()
        for name in _imported(found[here], here):
            inside = any(name == package or name.startswith(f"{package}.") for package in within)
            if inside and name not in found and (path := _source(name, root)) is not None:
                found[name] = path
                waiting.append(name)
    return set(found.values())


def digest_of_sources(paths: Iterable[Path], root: Path = _ROOT) -> str:
    """SHA-256 of source files and of where they stand below ``root``."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def _source(module: str, root: Path) -> Path | None:
    """File of a module or of a package's ``__init__``; None for what is neither."""
    stem = root.joinpath(*module.split("."))
    return next(
        (path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None
    )


def _imported(path: Path, module: str) -> tuple[str, ...]:
    """Dotted names that a source imports; of ``from a import b`` both a and a.b may be modules."""
    parents = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    return _imports(path.read_bytes(), tuple(parents))


@cache
def _imports(source: bytes, parents: tuple[str, ...]) -> tuple[str, ...]:
    """The same of a module's text, in a package of that name."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            found += (origin, *(f"{origin}.{alias.name}" for alias in node.names))
    return tuple(found)
