"""An experiment from layered YAML files and dotted overrides; whatever is wrong, by its key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pcrnet.config.experiment import Experiment
from pcrnet.config.plain_yaml import MAX_YAML_DEPTH, parse_yaml, read_yaml, yaml_problem
from pcrnet.config.schema import all_keys, is_kind, kind_of, section_at
from pcrnet.config.section import Section
from pcrnet.errors import ConfigError

_MOST_PROBLEMS = 20
_LONGEST_SHOWN = 100


def load_experiment(arguments: Sequence[str | Mapping[str, Any]] = ()) -> Experiment:
    """Build the experiment from YAML files and ``section.key=value`` overrides, left to right.

    Args:
        arguments: Each a path ending in ``.yaml`` or ``.yml``, or an override with or without two
            leading dashes. ``--section.key value`` (two arguments) is understood as well. Nested
            values are a layer, as what a file holds.

    Raises:
        ConfigError: A file that cannot be read, an unknown key (the nearest is suggested), or a
            value outside its range. All problems are listed at once.
    """
    merged: dict[str, Any] = {}
    pending = list(arguments)
    while pending:
        argument = pending.pop(0)
        if not isinstance(argument, str):
            merged = _merge(merged, argument, Experiment)
            continue
        text = argument.removeprefix("--")
        key, equals, value = text.partition("=")
        if equals and not key.endswith((".yaml", ".yml")):
            layer = _override(key, value, merged)
        elif text.endswith((".yaml", ".yml")) and not argument.startswith("--"):
            layer = read_yaml(Path(argument))
        elif argument.startswith("--") and "." in text and pending:
            layer = _override(text, str(pending.pop(0)), merged)
        else:
            raise ConfigError(
                f"{_shortened(argument)} is neither a .yaml file nor an override",
                remedy="write section.key=value, for example training.max_epochs=5",
            )
        merged = _merge(merged, layer, Experiment)
    return parse_experiment(merged)


def overridden(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with other values of some dotted keys, laid over it in their order.

    Raises:
        ConfigError: As :func:`load_experiment`.
    """
    merged: dict[str, Any] = experiment.model_dump(mode="json")
    for key, value in values.items():
        merged = _merge(merged, _nested(key, value, merged), Experiment)
    return parse_experiment(merged)


def parse_experiment(values: Mapping[str, Any]) -> Experiment:
    """Validate nested plain values as an experiment.

    Raises:
        ConfigError: Any unknown key or invalid value, all of them listed.
    """
    problems: list[str] = []
    _find_unknown_keys(values, Experiment, "", problems)
    if not problems:
        try:
            return Experiment.model_validate(_state_kinds(values, Experiment))
        except ValidationError as error:
            problems = [_describe(detail) for detail in error.errors()]
    listed = [f"- {problem}" for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        listed.append(f"- and {len(problems) - _MOST_PROBLEMS} more")
    raise ConfigError(
        "the configuration does not describe an experiment\n" + "\n".join(listed),
        remedy="correct the keys above; pcrnet train --help lists every key",
    )


def _override(key: str, value: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """One override as a layer over ``values``."""
    try:
        parsed = parse_yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"the value {_shortened(value)} is not plain YAML: {yaml_problem(error)}", field=key
        ) from error
    return _nested(key, parsed, values)


def _nested(key: str, value: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """A value at its dotted key, as a layer; an entry of a free mapping joins the others."""
    parts = key.split(".")
    if not all(parts) or len(parts) > MAX_YAML_DEPTH:
        raise ConfigError(
            f"{_shortened(key)} is not a dotted key", remedy="write section.key=value"
        )
    parsed = value
    for depth in reversed(range(len(parts))):
        parsed = _free_mapping(values, parts[:depth]) | {parts[depth]: parsed}
    return {str(name): item for name, item in dict(parsed).items()}  # type: ignore[call-overload]


def _free_mapping(values: Mapping[str, Any], parts: Sequence[str]) -> dict[str, Any]:
    """The mapping at ``parts`` as it stands if it is a free one (``data.branches``), else none."""
    default: object = Experiment()
    stated: object = values
    for part in parts:
        default = getattr(default, part, None)
        stated = stated.get(part) if isinstance(stated, Mapping) else None
    if not isinstance(default, dict):
        return {}
    return dict(stated) if isinstance(stated, Mapping) else dict(default)


def _merge(base: Mapping[str, Any], layer: Mapping[str, Any], schema: object) -> dict[str, Any]:
    """Lay ``layer`` over ``base``: sections key by key, everything else whole.

    A layer that changes a section's ``kind`` replaces the section: the keys of another kind would
    make no sense there. Free mappings such as ``data.branches`` are replaced, not mixed, when they
    are given whole.
    """
    result = dict(base)
    for key, value in layer.items():
        below = section_at(schema, key, base.get(key), value)
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and below is not None:
            changed = "kind" in value and value["kind"] != kind_of(schema, key, old)
            result[key] = dict(value) if changed else _merge(old, value, below)
        else:
            result[key] = value
    return result


def _state_kinds(values: Mapping[str, Any], schema: type[Section]) -> dict[str, Any]:
    """Write out the default ``kind`` of sections that leave it unsaid."""
    result = dict(values)
    for key, value in values.items():
        below = section_at(schema, key, value)
        if below is not None and isinstance(value, Mapping):
            kind = kind_of(schema, key, value)
            result[key] = ({"kind": kind} if kind else {}) | _state_kinds(value, below)
    return result


def _find_unknown_keys(
    values: Mapping[str, Any], schema: type[Section], prefix: str, problems: list[str]
) -> None:
    for key, value in values.items():
        path = f"{prefix}{key}"
        if key not in schema.model_fields:
            # Searching for the nearest takes time; those that are not shown need none.
            reason = getattr(schema, "refused", {}).get(key)
            if reason is not None:
                problems.append(f"{path} cannot be set here: {reason}")
                continue
            near = _suggest(str(key), prefix, schema) if len(problems) < _MOST_PROBLEMS else ""
            problems.append(f"unknown key {path[:_LONGEST_SHOWN]}{near}")
            continue
        below = section_at(schema, key, value)
        if below is not None and isinstance(value, Mapping):
            _find_unknown_keys(value, below, f"{path}.", problems)


def _suggest(key: str, prefix: str, schema: type[Section]) -> str:
    key = key[:_LONGEST_SHOWN]
    near = difflib.get_close_matches(key, list(schema.model_fields), n=1, cutoff=0.5)
    if near:
        return f"; did you mean {prefix}{near[0]}?"
    known = all_keys(Experiment)
    if f"{prefix}{key}" in known:
        return f"; another kind has it: see {prefix}kind"
    elsewhere = [path for path in known if path.rsplit(".", 1)[-1] == key]
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    near = difflib.get_close_matches(f"{prefix}{key}", known, n=1, cutoff=0.4)
    return (
        f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(schema.model_fields)}"
    )


def _describe(detail: Mapping[str, Any]) -> str:
    # The tags of discriminated unions are part of pydantic's location but no part of the key.
    known = set(all_keys(Experiment))
    parts: list[str] = []
    for part in detail["loc"]:
        here = ".".join(parts)
        tag = f"{here}.{part}" not in known and here in known and is_kind(here, str(part))
        if not tag:
            parts.append(str(part))
    found = detail.get("input")
    shown = f", found {_shortened(found)}" if _is_plain(found) else ""
    return f"{'.'.join(parts)[:_LONGEST_SHOWN]}: {detail['msg']}{shown}"


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | list | tuple)


def _shortened(value: object) -> str:
    """A value as it is written, or the beginning of it."""
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
