"""What benchmarks take from each other and from pcrnet is there; nobody runs them often."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


def _file_of(module: str) -> Path | None:
    """The file of a module of this repository, as Python or a script of benchmarks finds it."""
    for base in (ROOT, ROOT / "benchmarks"):
        place = base.joinpath(*module.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
    return None


@cache
def _names(path: Path) -> frozenset[str]:
    """What can be imported from a module, its submodules among it."""
    found = {other.stem for other in path.parent.glob("*") if path.name == "__init__.py"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_is_there(script: Path) -> None:
    missing = []
    for node in ast.walk(ast.parse(script.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        path = _file_of(node.module)
        if path is None:
            if node.module.partition(".")[0] in ("pcrnet", "benchmarks"):
                missing.append(node.module)
            continue
        missing += [alias.name for alias in node.names if alias.name not in _names(path)]
    assert missing == []


def test_a_name_that_moved_is_missed() -> None:
    rows = _file_of("benchmarks.ablation_rows")
    assert rows == _file_of("ablation_rows")
    assert rows is not None
    assert "parts_of" in _names(rows)
    assert "parts_of" not in _names(ROOT / "benchmarks" / "ablation.py")
