"""What a sweep may choose from: a tree of parameters, some of which exist below one kind only."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pcrnet.config.evaluation import ASKED_AFTER_TRAINING
from pcrnet.config.experiment import Experiment
from pcrnet.config.schema import all_keys
from pcrnet.errors import ConfigError

Value = Any
"""Plain data of the configuration."""

_RANGE = {"low", "high", "log", "step"}
_FIXED = {
    "run": "names the trial and its seed; luck is not searched",
    "tracking": "changes no number",
    "evaluation.folds": "trials must be judged alike",
    "evaluation.group": "trials must be judged alike",
    "evaluation.mode": "trials must be judged alike",
    "evaluation.repeats": "trials must be judged alike",
    **{
        f"evaluation.{key}": "changes no number that could be searched"
        for key in sorted(ASKED_AFTER_TRAINING)
    },
    "evaluation.variants": "changes no number that could be searched",
    "evaluation.rivals": "changes no number that could be searched",
    "outcome": "trials must have the same outcome",
    "data.cohort": "trials must have the same patients",
    "data.simulation": "trials must have the same patients",
    "data.minimum_scans": "trials must have the same patients",
    "data.cache": "changes no number",
    "data.workers": "changes no number",
    "training.parallel_fits": "changes no number",
    "training.resident": "changes no number",
    "training.accelerator": "trials must be computed alike",
}


@dataclass(frozen=True)
class Categorical:
    """One of some values.

    Attributes:
        key: Dotted key of the configuration.
        values: What it may be.
        below: Value, as JSON, to the parameters that exist where it is chosen.
        path: Names the parameter: its key behind the kinds that it lies below.
    """

    key: str
    values: tuple[Value, ...]
    path: str
    below: Mapping[str, tuple[Parameter, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class NumberRange:
    """A number between two others, both possible.

    Attributes:
        key: Dotted key of the configuration.
        low: The smallest.
        high: The largest.
        log: Whether its logarithm is searched evenly.
        step: Distance between possible numbers; None for any.
        path: As of :class:`Categorical`.
    """

    key: str
    low: float
    high: float
    path: str
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are possible."""
        numbers = (self.low, self.high, *(() if self.step is None else (self.step,)))
        return all(isinstance(number, int) for number in numbers)

    def points(self) -> list[float]:
        """All possible numbers, where there are finitely many.

        Raises:
            ConfigError: There are not.
        """
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            raise ConfigError(
                "a grid needs a list of values, or a step",
                field=self.key,
                remedy="list the values, or choose sweep.search=random or tpe",
            )
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        return [self.low + index * step for index in range(count)]


Parameter = Categorical | NumberRange
Space = tuple[Parameter, ...]
Choose = Callable[[Parameter], Value]


def json_of(value: Value) -> str:
    """A value as text, for names and for what knows texts only."""
    return json.dumps(value, sort_keys=True)


def read_space(values: Mapping[str, Any]) -> Space:
    """Understand the space of a sweep.

    Raises:
        ConfigError: A key that does not exist or must not be searched, or no space.
    """
    if not values:
        raise ConfigError("there is nothing to search", field="sweep.space")
    return _read(values, "")


def _read(values: Mapping[str, Any], under: str) -> Space:
    return tuple(_parameter(str(key), value, under) for key, value in values.items())


def _parameter(key: str, value: object, under: str) -> Parameter:
    _check_key(key)
    path = f"{under}{key}"
    if isinstance(value, list | tuple):
        return Categorical(key, _distinct(key, list(value)), path)
    if isinstance(value, Mapping) and key.rsplit(".", 1)[-1] == "kind":
        below = {
            json_of(kind): _read(inner or {}, f"{path}={kind} ") for kind, inner in value.items()
        }
        return Categorical(key, _distinct(key, list(value)), path, below)
    if isinstance(value, Mapping) and {"low", "high"} <= set(value) <= _RANGE:
        return _range(key, value, path)
    raise ConfigError(
        "what it may be is neither a list nor {low, high}",
        field=key,
        remedy="write [first, second], {low: 0.001, high: 0.01, log: true}, or for a kind "
        "{first: {}, second: {key: [...]}}",
    )


def _range(key: str, value: Mapping[str, Any], path: str) -> NumberRange:
    low, high, step = value["low"], value["high"], value.get("step")
    log = value.get("log", False)
    numbers = [low, high, *([] if step is None else [step])]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers):
        raise ConfigError("low, high and step must be numbers", field=key)
    if not isinstance(log, bool) or (log and step is not None):
        raise ConfigError("log must be true or false, and excludes a step", field=key)
    if not low < high or (step is not None and not step > 0) or (log and not low > 0):
        raise ConfigError(
            f"no range goes from {low} to {high}",
            field=key,
            remedy="low must lie below high, above 0 where log is true, and a step above 0",
        )
    if len({type(each) for each in numbers}) > 1:
        low, high, step = float(low), float(high), None if step is None else float(step)
    return NumberRange(key, low, high, path, log, step)


def _distinct(key: str, values: list[Value]) -> tuple[Value, ...]:
    if not values or len({json_of(value) for value in values}) != len(values):
        raise ConfigError("needs at least one value, each once", field=key)
    return tuple(values)


def _check_key(key: str) -> None:
    for fixed, why in _FIXED.items():
        if key == fixed or key.startswith(f"{fixed}."):
            raise ConfigError(f"is not to be searched: {why}", field=key)
    known = all_keys(Experiment)
    free = any(key.startswith(f"{mapping}.") for mapping in ("data.branches", "imaging.channels"))
    if key not in known and not free:
        import difflib

        near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
        raise ConfigError(
            "there is no such key" + (f"; did you mean {near[0]}?" if near else ""),
            field=key,
            remedy="pcrnet train --help lists every key",
        )


def draw(space: Space, choose: Choose) -> dict[str, Value]:
    """One point: key to value, a kind before what lies below it."""
    values: dict[str, Value] = {}
    for parameter in space:
        value = choose(parameter)
        values[parameter.key] = value
        values |= draw(below(parameter, value), choose)
    return values


def parameters(space: Space) -> Iterator[Parameter]:
    """Every parameter of the tree."""
    for parameter in space:
        yield parameter
        if isinstance(parameter, Categorical):
            for inner in parameter.below.values():
                yield from parameters(inner)


def searched_keys(space: Space) -> tuple[str, ...]:
    """Every key that is searched, once."""
    return tuple(dict.fromkeys(parameter.key for parameter in parameters(space)))


def grid(space: Space) -> Iterator[dict[str, Value]]:
    """Every point, the last parameter changing fastest.

    Raises:
        ConfigError: A parameter has infinitely many values.
    """
    if not space:
        yield {}
        return
    first, rest = space[0], space[1:]
    values = first.values if isinstance(first, Categorical) else first.points()
    for value in values:
        for inner in grid(below(first, value)):
            for others in grid(rest):
                yield {first.key: value, **inner, **others}


def corners(space: Space) -> Iterator[dict[str, Value]]:
    """Points among which every value of every choice and both ends of every range occur."""
    first = draw(space, _first)
    yield first
    for index, parameter in enumerate(space):
        before, after = draw(space[:index], _first), draw(space[index + 1 :], _first)
        for value in _ends(parameter):
            inside = below(parameter, value)
            for inner in corners(inside) if inside else ({},):
                yield {**before, parameter.key: value, **inner, **after}


def below(parameter: Parameter, value: Value) -> Space:
    """What is searched in addition where a parameter has this value."""
    return parameter.below.get(json_of(value), ()) if isinstance(parameter, Categorical) else ()


def _ends(parameter: Parameter) -> tuple[Value, ...]:
    if isinstance(parameter, Categorical):
        return parameter.values
    return (parameter.low, parameter.high)


def _first(parameter: Parameter) -> Value:
    return parameter.values[0] if isinstance(parameter, Categorical) else parameter.low
