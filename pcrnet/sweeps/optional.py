"""Libraries that a sweep needs and the rest of pcrnet does not."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from pcrnet.errors import ConfigError


def _module(name: str, extra: str, what: str) -> Any:  # noqa: ANN401 - none of them is typed here
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{what} needs the library {name}, which is not installed",
            remedy=f"pip install 'pcrnet[{extra}]'",
        ) from error


def optuna_module() -> Any:  # noqa: ANN401
    """Optuna, which says nothing on its own."""
    optuna = _module("optuna", "sweep", "a search that is no grid, or pruning,")
    # What Optuna calls experimental is held by the tests of pcrnet and by its version's bounds.
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def ray_module() -> Any:  # noqa: ANN401
    """Ray."""
    return _module("ray", "ray", "the engine ray")


def submitit_module() -> Any:  # noqa: ANN401
    """submitit."""
    return _module("submitit", "slurm", "the engine slurm")
