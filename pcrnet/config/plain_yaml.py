"""YAML as plain data: nothing in it is run, text stays text, and the work of reading is bounded.

Scalars follow the core schema of YAML 1.2.2 (section 10.3.2), so that ``010`` is ten, ``1:30`` is
text and ``no`` is a word. Size, depth, and what aliases may repeat are limited.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pcrnet.errors import ConfigError, IntegrityError
from pcrnet.storage import read_bounded

MAX_YAML_BYTES = 64 << 10
"""Ten times the longest configuration that is shipped, and read in well under a second."""
MAX_YAML_DEPTH = 16
_MOST_VALUES = 20_000
"""Values and keys, those that aliases repeat counted each time."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping: plain data only, duplicate keys refused, ``3e-4`` a number.

    Raises:
        ConfigError: The file is missing, too large, is not YAML, or is not a mapping.
    """
    remedy = "give the path of a YAML file; the shipped ones are in configs/"
    try:
        text = read_bounded(path, max_bytes=MAX_YAML_BYTES).decode("utf-8-sig")
    except IntegrityError as error:
        problem = error.problem.removeprefix("the record is damaged: ")
        raise ConfigError(problem, file=path, remedy=remedy) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", file=path, remedy=remedy) from error
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"is not plain YAML: {yaml_problem(error)}", file=path) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError("must hold a mapping of sections at its top level", file=path)
    return value


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2, keys that are scalars, and each only once."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        if self._depth > MAX_YAML_DEPTH:
            raise yaml.composer.ComposerError(
                None, None, f"nested deeper than {MAX_YAML_DEPTH} levels", event.start_mark
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            # A key that is itself a mapping would be built twice, its own keys four times ...
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a single word", key.start_mark
                )
            name = self.construct_object(key)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {str(name)[:60]!r} appears twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node)
        base = {"0x": 16, "0o": 8}.get(text[:2], 10)
        return int(text, base)


_PlainLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":float", ":bool", ":timestamp", ":int", ":merge", ":value"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or not tag.endswith((":timestamp", ":binary", ":omap", ":pairs", ":set"))
}
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+"
        r"|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
# More digits than any number of ours has are text, such as a long name of a run.
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^(?:[-+]?[0-9]{1,19}|0o[0-7]{1,21}|0x[0-9a-fA-F]{1,16})$"),
    list("-+0123456789"),
)
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_yaml_int)


class _PlainDumper(yaml.SafeDumper):
    """SafeDumper that quotes text which the loader, or one of YAML 1.1, would not read as text."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_PlainDumper.yaml_implicit_resolvers = {
    first: yaml.SafeDumper.yaml_implicit_resolvers.get(first, [])
    + _PlainLoader.yaml_implicit_resolvers.get(first, [])
    for first in yaml.SafeDumper.yaml_implicit_resolvers | _PlainLoader.yaml_implicit_resolvers
}


def plain_text(values: Mapping[str, Any]) -> str:
    """Plain values as YAML that :func:`read_yaml` reads back unchanged."""
    return yaml.dump(values, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - YAML has no narrower type
    """Read plain YAML; whatever is wrong with it is a ``yaml.YAMLError``."""
    if len(text) > MAX_YAML_BYTES:
        raise yaml.YAMLError(f"it has more than {MAX_YAML_BYTES} characters")
    try:
        value = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader, only stricter
    except (ValueError, KeyError, AttributeError) as error:
        # What PyYAML's own constructors raise on scalars such as `0x_` or `!!bool x`.
        raise yaml.YAMLError(f"a value does not fit its type ({str(error)[:100]})") from error
    _count(value, 0, MAX_YAML_DEPTH)
    return value


def _count(value: object, count: int, depth: int) -> int:
    """Values so far, with those below ``value``; an alias may lead round in a circle."""
    if count > _MOST_VALUES or depth < 0:
        raise yaml.YAMLError("aliases repeat more than a configuration could mean")
    count += 1
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            count = _count(item, count, depth - 1)
    return count


def yaml_problem(error: yaml.YAMLError) -> str:
    """What is wrong, on one line, with the line and column where it was found."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} (line {mark.line + 1}, column {mark.column + 1})"
    if isinstance(error, yaml.reader.ReaderError):
        return f"{error.reason} (character {error.position + 1})"
    return str(error)
