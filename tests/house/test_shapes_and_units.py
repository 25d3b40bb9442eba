"""What a docstring says of numbers: the shape of each array, the unit or range of each float."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).parents[2] / "pcrnet"
_MODULES = sorted(path for path in _PACKAGE.rglob("*.py") if path.name != "__init__.py")

_SHAPE = re.compile(
    r"\((?:\s*(?:\.\.\.|[\w·+\-*/ …]+)\s*,)(?:\s*(?:\.\.\.|[\w·+\-*/ …^'’]+)\s*,?)*\)"
    r"|\bscalars?\b|(?:any|one|same|that|equal|its|own|.s) shape\b"
)
"""``(n,)``, ``(B, 3)``, ``(x, y, z)``; or the words for a scalar and for the shape of another."""

_UNIT_OF_NAME = re.compile(
    r"(?:^|_)(?:mm2?|mm3|ml|l|s|ms|min|hours?|days?|seconds?|years?|k?m?bq|kg|g|cm|deg|degrees"
    r"|radians|hz|hu|suv|bytes?|percent|nats|prob|probability|logits?|fraction|share|ratio|ln"
    r"|odds|spacing|epochs?|dpi|pixels)(?:_|$)"
)
"""Names that say what their numbers are in."""

_ONE_MEANING = {
    "alpha": "level of a test, in (0, 1)",
    "confidence": "of a two-sided interval, in (0, 1)",
    "dropout": "share of features that are left out while training, in [0, 1)",
    "p": "of a test, in [0, 1]",
}
"""Names that mean the same wherever they stand."""

_UNIT_OF_TEXT = re.compile(
    r"\b(?:mm|mL|cm|m²|s|seconds?|minutes?|hours?|days?|nats|SUV|HU|kg|MB|bytes?|per cent|per 100"
    r"|shares?|fraction|probability|odds|log-odds|logit|ratio|factor|quantile|percentile|p|z"
    r"|correlation|units?|degrees?|voxels?|objective|threshold|rate|metric|deviations?)\b"
    r"|\[|in \(|\d|−"
)
"""A unit, a range, or a value that fixes the scale."""


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} | {
        one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)
    }


def _array_types() -> set[str]:
    """Array types by all the names that the package gives them."""
    found = {"NDArray", "ndarray", "Tensor", "ArrayLike"}
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in _MODULES]
    aliases = [
        (node.targets[0].id, _names(node.value))
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Subscript | ast.BinOp)
        and node.targets[0].id[0].isupper()
    ]
    for _ in range(3):  # an alias of an alias
        found |= {name for name, of in aliases if of & found}
    return found


_ARRAYS = _array_types()


def _is_array(annotation: ast.expr | None) -> bool:
    return annotation is not None and bool(_names(annotation) & _ARRAYS)


def _is_float(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation) in {
        "float",
        "float | None",
        "int | float",
    }


def _public(
    body: list[ast.stmt], owner: ast.ClassDef | None = None
) -> Iterator[tuple[ast.ClassDef | ast.FunctionDef, str]]:
    """Public classes, functions and methods with what documents them."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        own = ast.get_docstring(node) or ""
        if node.name == "__init__" and owner is not None:
            yield node, own + (ast.get_docstring(owner) or "")
        elif not node.name.startswith("_"):
            yield node, own
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, node)


def _parameters(node: ast.FunctionDef) -> list[ast.arg]:
    args = node.args
    more = [arg for arg in (args.vararg, args.kwarg) if arg is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *more]


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr, str]]:
    """Name, type and the string below each public field."""
    for field, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            below = (
                str(after.value.value)
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                else ""
            )
            if not field.target.id.startswith("_"):
                yield field.target.id, field.annotation, below


def without_shape(tree: ast.Module) -> list[str]:
    """Public names that speak of arrays and give no shape."""
    found = []
    for node, text in _public(tree.body):
        if isinstance(node, ast.FunctionDef):
            arrays = _is_array(node.returns) or any(
                _is_array(arg.annotation) for arg in _parameters(node)
            )
            if arrays and not _SHAPE.search(text):
                found.append(node.name)
        else:
            found += [
                f"{node.name}.{name}"
                for name, annotation, below in _fields(node)
                if _is_array(annotation) and not _SHAPE.search(text + below)
            ]
    return found


def without_unit(tree: ast.Module) -> list[str]:
    """Floats of public names that neither their name nor a docstring explains."""
    found = []
    for node, text in _public(tree.body):
        if isinstance(node, ast.FunctionDef):
            found += [
                f"{node.name}({arg.arg})"
                for arg in _parameters(node)
                if _is_float(arg.annotation) and not _is_explained(arg.arg, text)
            ]
            told = _UNIT_OF_NAME.search(node.name) or _UNIT_OF_TEXT.search(text)
            if _is_float(node.returns) and not told:
                found.append(f"{node.name} -> float")
        else:
            found += [
                f"{node.name}.{name}"
                for name, annotation, below in _fields(node)
                if _is_float(annotation) and not below and not _is_explained(name, text)
            ]
    return found


def _is_explained(name: str, text: str) -> bool:
    return bool(
        _UNIT_OF_NAME.search(name)
        or name in _ONE_MEANING
        or re.search(rf"\b{re.escape(name)}\b", text)
    )


def _name(path: Path) -> str:
    return path.relative_to(_PACKAGE).as_posix()


@pytest.mark.parametrize("path", _MODULES, ids=_name)
def test_docstrings_give_the_shapes_of_arrays_and_the_units_of_floats(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert without_shape(tree) == []
    assert without_unit(tree) == []


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("Mean of values (n, 3).", True),
        ("Mean of values (n,).", True),
        ("A scalar.", True),
        ("Of the same shape.", True),
        ("Mean of values.", False),
        ("Mean of values (see below).", False),
    ],
)
def test_a_shape_is_told_from_other_words_in_brackets(text, fine):
    tree = ast.parse(f'def mean(values: FloatArray) -> Tensor:\n    """{text}"""\n')
    assert (without_shape(tree) == []) is fine


def test_a_float_needs_its_name_or_its_text_to_say_what_it_is_in():
    tree = ast.parse(
        "def move(shift_mm: float, angle: float) -> float:\n"
        '    """How far it moved."""\n'
        "class Box:\n"
        '    """A box."""\n'
        "    width: float\n"
        "    depth_mm: float\n"
        "    height: float\n"
        '    """In millimetres."""\n'
    )
    assert without_unit(tree) == ["move(angle)", "move -> float", "Box.width"]
