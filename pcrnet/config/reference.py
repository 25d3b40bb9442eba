"""Every key of the configuration with its meaning, values and default, read from the schema.

The docstring below a field is its meaning and has no other home. ``--help`` prints
:func:`reference_text`; a page of documentation can be made from :func:`sections`.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from pcrnet.config.experiment import Experiment
from pcrnet.config.schema import members_of
from pcrnet.config.section import Section

_WIDTH = 100
_LONGEST = 120
_NAMES: Mapping[object, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
}


@dataclass(frozen=True)
class Key:
    """One key that can be set.

    Attributes:
        path: Dotted, as in an override.
        values: What it may hold, in words.
        default: As YAML, to be pasted behind ``path=``; of a section that is chosen by ``kind``,
            its kind.
        meaning: Plain text.
    """

    path: str
    values: str
    default: str
    meaning: str


@dataclass(frozen=True)
class KeySection:
    """The keys of one section.

    Attributes:
        title: Dotted path; with the kind, where the section is one of several kinds.
        meaning: What the section is about.
        keys: In the order of the schema.
    """

    title: str
    meaning: str
    keys: tuple[Key, ...]


def sections() -> tuple[KeySection, ...]:
    """Every section of the experiment, those of every ``kind`` among them, in reading order."""
    whole = KeySection("kinds", "What is chosen as a whole.", tuple(_keys(Experiment, "")))
    return (whole, *_sections(Experiment, ""))


def reference_text() -> str:
    """The whole reference for a terminal."""
    return "\n\n".join(_section_text(section) for section in sections()) + "\n"


def _sections(schema: type[Section], path: str) -> Iterator[KeySection]:
    for name, field in schema.model_fields.items():
        here = f"{path}{name}"
        for member in members_of(field.annotation):
            kind = _kind(member)
            keys = tuple(_keys(member, f"{here}."))
            if keys or kind:
                title = f"{here}.kind={kind}" if kind else here
                yield KeySection(title, _plain(inspect.getdoc(member) or ""), keys)
            yield from _sections(member, f"{here}.")


def _keys(schema: type[Section], path: str) -> Iterator[Key]:
    meanings = _meanings(schema)
    for name, field in schema.model_fields.items():
        options = members_of(field.annotation)
        if name == "kind" or (options and not _kind(options[0])):
            continue
        if options:
            kinds = " | ".join(_kind(option) for option in options)
            default = _kind(type(field.default))
            yield Key(f"{path}{name}.kind", kinds, default, meanings.get(name, ""))
        else:
            values = _values(field.annotation) + _limits(field)
            yield Key(f"{path}{name}", values, _yaml(field.default), meanings.get(name, ""))


def _kind(member: type[Any]) -> str:
    field = member.model_fields.get("kind")
    return "" if field is None else str(field.default)


@cache
def _meanings(schema: type[Section]) -> dict[str, str]:
    """Field to the docstring below it, which Python itself does not keep."""
    found: dict[str, str] = {}
    for base in schema.__bases__:
        if issubclass(base, Section) and base is not Section:
            found |= _meanings(base)
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(schema))).body
    name = ""
    for node in tree.body if isinstance(tree, ast.ClassDef) else ():
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and name:
            found[name] = _plain(inspect.cleandoc(str(node.value.value)))
            name = ""
        else:
            name = ""
    return found


def _values(annotation: object) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in _NAMES:
        return _NAMES[annotation]
    if len(members_of(annotation)) > 1:
        return " | ".join(f"{{kind: {_kind(member)}, …}}" for member in members_of(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return f"{{{', '.join(annotation.model_fields)}}}"
    if origin is Literal:
        return " | ".join(map(str, inner))
    if origin in (Union, types.UnionType):
        return " | ".join("null" if part is type(None) else _values(part) for part in inner)
    return _of_many(origin, inner) or (_values(inner[0]) if inner else str(annotation))


def _of_many(origin: object, inner: tuple[object, ...]) -> str:
    """A list or a mapping in words; empty for anything else."""
    if origin is tuple:
        parts = [part for part in inner if part is not Ellipsis]
        size = f"list of {len(parts)}" if len(parts) == len(inner) else "list"
        return f"{size}, each {_values(parts[0])}"
    if origin is dict:
        return f"mapping of names to {_values(inner[1])}"
    return ""


def _limits(field: FieldInfo) -> str:
    """The range of a number, as ``, from 0 to 1``."""
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    found = [
        f"{word} {json.dumps(getattr(limit, name)).removesuffix('.0')}"
        for name, word in words.items()
        for limit in _metadata(field)
        if getattr(limit, name, None) is not None
    ]
    return f", {' '.join(found)}" if found else ""


def _metadata(field: FieldInfo) -> Iterator[object]:
    for item in field.metadata:
        yield from getattr(item, "metadata", (item,))


def _yaml(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_yaml(item)}' for key, item in value.items())}}}"
    return json.dumps(value)


def _plain(text: str) -> str:
    """Docstring markup and line breaks taken out."""
    return " ".join(text.replace("``", "").split())


def _section_text(section: KeySection) -> str:
    lines = textwrap.wrap(f"{section.title}: {section.meaning}", _WIDTH, subsequent_indent="    ")
    for key in section.keys:
        setting, values = f"  {key.path}={key.default}", f"({key.values})"
        if len(setting) + len(values) <= _LONGEST:
            lines.append(f"{setting}    {values}")
        else:
            lines.append(setting)
            lines += textwrap.wrap(
                values, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 7
            )
        if key.meaning:
            lines += textwrap.wrap(
                key.meaning, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6
            )
    return "\n".join(lines)
