"""Walking the sections of the experiment: which keys there are, and which section lies where."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pcrnet.config.experiment import Experiment
from pcrnet.config.section import Section


def fields_of(schema: object) -> dict[str, Any]:
    """Name to field of a section class; nothing for anything else."""
    return schema.model_fields if isinstance(schema, type) and issubclass(schema, Section) else {}


def members_of(annotation: object) -> list[type[Section]]:
    """The section classes that an annotation admits."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    options = (
        get_args(annotation)
        if get_origin(annotation) in (Union, types.UnionType)
        else (annotation,)
    )
    return [
        option for option in options if isinstance(option, type) and issubclass(option, Section)
    ]


def section_at(schema: object, key: str, *values: object) -> type[Section] | None:
    """The section class at ``key``, chosen by ``kind`` where several are possible."""
    field = fields_of(schema).get(key)
    if field is None:
        return None
    options = members_of(field.annotation)
    if not options:
        return None
    for value in reversed(values):
        if isinstance(value, Mapping) and "kind" in value:
            for option in options:
                if value["kind"] in get_args(option.model_fields["kind"].annotation):
                    return option
    return type(field.default) if isinstance(field.default, Section) else options[0]


def kind_of(schema: object, key: str, value: Mapping[str, Any]) -> object:
    """The kind of a section, which is its default's where it is not stated."""
    if "kind" in value:
        return value["kind"]
    field = fields_of(schema).get(key)
    return getattr(field.default, "kind", None) if field is not None else None


def all_keys(schema: type[Section], prefix: str = "") -> list[str]:
    """Every dotted key, those of all kinds among them."""
    keys: list[str] = []
    for name, field in schema.model_fields.items():
        keys.append(f"{prefix}{name}")
        for member in members_of(field.annotation):
            keys += all_keys(member, f"{prefix}{name}.")
    return keys


def is_kind(path: str, part: str) -> bool:
    """Whether ``part`` is a kind that the section at the dotted ``path`` may have."""
    schema: type[Section] = Experiment
    options: list[type[Section]] = []
    for step in path.split("."):
        field = schema.model_fields.get(step)
        options = members_of(field.annotation) if field is not None else []
        if not options:
            return False
        schema = options[0]
    return any(
        "kind" in option.model_fields and part in get_args(option.model_fields["kind"].annotation)
        for option in options
    )
