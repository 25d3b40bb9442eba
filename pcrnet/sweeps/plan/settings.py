"""A sweep from its files: the section ``sweep``, and the experiment that it varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pcrnet.config.evaluation import EvaluationConfig
from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment, overridden
from pcrnet.config.plain_yaml import parse_yaml, plain_text, read_yaml, yaml_problem
from pcrnet.config.sweep import GridSearch, NestedEstimate, SweepConfig
from pcrnet.errors import ConfigError
from pcrnet.run.directory import deciding_values
from pcrnet.storage import sha256_json
from pcrnet.sweeps.plan.objective import require_objective
from pcrnet.sweeps.plan.space import NumberRange, Space, corners, parameters, read_space

_ID_DIGITS = 12
_SECTION = "sweep"
_FREE = {"engine", "budget", "patience_s", "estimate", "base"}
"""Settings of a sweep that may change while it goes on: none of them changes a trial."""


@dataclass(frozen=True)
class Sweep:
    """What is searched.

    Attributes:
        config: The section ``sweep``.
        experiment: What every trial shares.
        space: What they differ in.
    """

    config: SweepConfig
    experiment: Experiment
    space: Space

    def trial(self, values: Mapping[str, Any]) -> Experiment:
        """The experiment of a trial.

        Raises:
            ConfigError: These values do not describe one.
        """
        return overridden(self.experiment, values)

    def to_yaml(self) -> str:
        """What :func:`read_settings` reads back."""
        return plain_text(
            {
                _SECTION: self.config.model_dump(mode="json", exclude={"base"}),
                **self.experiment.model_dump(mode="json"),
            }
        )

    def deciding(self) -> dict[str, Any]:
        """All that decides its trials and their numbers, by dotted key."""
        own = self.config.model_dump(mode="json", exclude=_FREE | {"name"})
        return {f"{_SECTION}.{key}": value for key, value in own.items()} | deciding_values(
            self.experiment
        )


def trial_id(experiment: Experiment) -> str:
    """Name of a trial: the digest of all that decides its numbers."""
    values = deciding_values(experiment)
    values.pop("run.name", None)
    return sha256_json(values)[:_ID_DIGITS]


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Read a SWEEP.yaml with overrides over it, ``sweep.key=value`` among them.

    Raises:
        ConfigError: What it says is no sweep; every corner of the space is tried.
    """
    values = read_yaml(path)
    section = values.pop(_SECTION, None)
    if not isinstance(section, dict):
        raise ConfigError(
            "has no section named sweep",
            file=path,
            remedy="see configs/sweeps/example.yaml",
        )
    section = dict(section)
    rest: list[str] = []
    for override in overrides:
        key, equals, value = override.removeprefix("--").partition("=")
        if equals and key.startswith(f"{_SECTION}."):
            _set(section, key.split(".")[1:], _parsed(key, value))
        else:
            rest.append(override)
    section.setdefault("name", path.stem)
    config = _sweep_config(section, path)
    base = [str(path.parent / name) for name in config.base]
    experiment = load_experiment([*base, values, *rest])
    return _checked(Sweep(config, experiment, read_space(config.space)))


def read_settings(path: Path) -> Sweep:
    """Read the resolved sweep of a folder.

    Raises:
        ConfigError: It is none.
    """
    values = read_yaml(path)
    section = values.pop(_SECTION, None)
    if not isinstance(section, dict):
        raise ConfigError("has no section named sweep", file=path)
    config = _sweep_config(section, path)
    return Sweep(config, load_experiment([values]), read_space(config.space))


def _checked(sweep: Sweep) -> Sweep:
    config, evaluation = sweep.config, sweep.experiment.evaluation
    require_objective(config.objective)
    if isinstance(config.search, GridSearch):
        for parameter in parameters(sweep.space):
            if isinstance(parameter, NumberRange):
                parameter.points()
    if isinstance(config.estimate, NestedEstimate) and evaluation.mode != "nested":
        raise ConfigError(
            "selection within the outer folds needs the fits that leave out two folds",
            field="sweep.estimate",
            remedy="set sweep.estimate=fresh, or evaluation.mode=nested",
        )
    for values in corners(sweep.space):
        try:
            sweep.trial(values)
        except ConfigError as error:
            shown = ", ".join(f"{key}={value}" for key, value in values.items())
            raise ConfigError(
                f"a trial would be no experiment: {error.problem}",
                field="sweep.space",
                remedy=f"these values were tried: {shown}",
            ) from error
    return sweep


def _sweep_config(section: Mapping[str, Any], path: Path) -> SweepConfig:
    try:
        return SweepConfig.model_validate(section)
    except ValidationError as error:
        lines = [
            f"- sweep.{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            for detail in error.errors()
        ]
        remedy = f"known there: {', '.join(SweepConfig.model_fields)}"
        if any(detail["loc"] == ("name",) for detail in error.errors()):
            remedy = (
                "set sweep.name to letters, digits, '.', '_' and '-', beginning with a letter or "
                "digit; without it the sweep is called as its file is"
            )
        raise ConfigError(
            "does not describe a sweep\n" + "\n".join(lines), file=path, remedy=remedy
        ) from error


def _set(values: dict[str, Any], parts: Sequence[str], value: object) -> None:
    head, *rest = parts
    if not rest:
        values[head] = value
        return
    inner = values.get(head)
    if isinstance(inner, str):  # the short form of a kind
        inner = {"metric" if head == "objective" else "kind": inner}
    values[head] = dict(inner) if isinstance(inner, dict) else {}
    _set(values[head], rest, value)


def _parsed(key: str, value: str) -> object:
    try:
        return parse_yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"the value is not plain YAML: {yaml_problem(error)}", field=key
        ) from error


def scoring(evaluation: EvaluationConfig) -> EvaluationConfig:
    """As trials are scored: by values alone, so that intervals may be coarse."""
    return evaluation.model_copy(update={"bootstrap_draws": 200, "protocol": None})
