"""Every public name is documented, every parameter that it explains exists, every module tested."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PACKAGE = _ROOT / "pcrnet"
_MODULES = sorted(path for path in _PACKAGE.rglob("*.py") if path.name != "__init__.py")

_ERRORS = frozenset(
    node.name
    for node in ast.parse((_PACKAGE / "errors.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef)
)
"""What a user can cause."""


def _name(path):
    return path.relative_to(_PACKAGE).as_posix()


def _public(tree, path=()):
    """(path of names, node) of public classes, functions and methods."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield (*path, node.name), node
            if isinstance(node, ast.ClassDef):
                yield from _public(node, (*path, node.name))


def _parameters(node):
    args = node.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    return {arg.arg for arg in every if arg is not None} - {"self", "cls"}


def _section(text, title):
    found = re.search(rf"^{title}:\n((?:    .*\n?|\n)+)", text + "\n", re.M)
    # Parameters of one meaning share a line: ``first, second: ...``.
    lines = (
        re.findall(r"^    ((?:\*{0,2}\w+, )*\*{0,2}\w+)(?: \(.*?\))?:", found[1], re.M)
        if found
        else []
    )
    return {name.strip(" *") for line in lines for name in line.split(",")}


def _raised(node):
    """Names of the errors of pcrnet that a function's own body raises."""
    inner = {n for child in ast.walk(node) if isinstance(child, ast.FunctionDef | ast.Lambda)
             and child is not node for n in ast.walk(child)}  # fmt: skip
    for found in ast.walk(node):
        if isinstance(found, ast.Raise) and found not in inner and isinstance(found.exc, ast.Call):
            name = ast.unparse(found.exc.func)
            if name in _ERRORS:
                yield name


@pytest.mark.parametrize("path", _MODULES, ids=_name)
def test_every_public_name_is_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    overridden = {"format_help", "parse_known_args"}  # argparse documents them
    missing = [
        ".".join(names)
        for names, node in _public(tree)
        if not ast.get_docstring(node) and not overridden & set(names)
    ]
    assert not missing


@pytest.mark.parametrize("path", _MODULES, ids=_name)
def test_what_a_docstring_explains_is_there_and_what_is_raised_is_said(path):
    problems = []
    for names, node in _public(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef):
            continue
        text, label = ast.get_docstring(node) or "", ".".join(names)
        explained = _section(text, "Args")
        if strangers := explained - _parameters(node):
            problems.append(f"{label}: no parameter {strangers}")
        if explained and (silent := _parameters(node) - explained):
            problems.append(f"{label}: Args leave out {silent}")
        said = re.search(r"^Raises:\n(.*)", text, re.M | re.S)
        for error in set(_raised(node)):
            if not (said and error in said[1]):
                problems.append(f"{label}: does not say that it raises {error}")
    assert not problems


def test_every_module_has_a_test_of_its_own_name():
    without = {
        _name(path)
        for path in _MODULES
        if not (_ROOT / "tests" / path.relative_to(_PACKAGE).parent / f"test_{path.name}").is_file()
    }
    assert without == set()
