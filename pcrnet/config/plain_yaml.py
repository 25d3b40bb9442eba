"""YAML as plain data: nothing in it is run, and text stays text."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pcrnet.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping: plain data only, duplicate keys refused, ``3e-4`` a number.

    Raises:
        ConfigError: The file is missing, is not YAML, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot be read ({type(error).__name__})",
            file=path,
            remedy="give the path of a YAML file; the shipped ones are in configs/",
        ) from error
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"is not plain YAML: {error}", file=path) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError("must hold a mapping of sections at its top level", file=path)
    return value


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader with the numbers and booleans of YAML 1.2 and without duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} appears twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 3e-4 as text, `no` (a site, say) as false and 2025-06-01 (a run) as a date.
_PlainLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":float", ":bool", ":timestamp"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
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


class _PlainDumper(yaml.SafeDumper):
    """SafeDumper that quotes text which the loader, or one of YAML 1.1, would not read as text."""


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
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader, only stricter
    except (ValueError, KeyError, AttributeError) as error:
        # What PyYAML's own constructors raise on scalars such as `0x_` or `!!bool x`.
        raise yaml.YAMLError(f"a value does not fit its type ({error})") from error
