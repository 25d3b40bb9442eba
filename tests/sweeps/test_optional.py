"""Libraries of a sweep: there, and quiet; or named with the extra that brings them."""

import sys
import tomllib
import warnings
from pathlib import Path

import pytest

from pcrnet.errors import ConfigError
from pcrnet.sweeps.optional import optuna_module, ray_module, submitit_module

_ROOT = Path(__file__).resolve().parents[2]
_EXTRAS = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize(
    ("door", "library", "extra"),
    [
        (optuna_module, "optuna", "sweep"),
        (ray_module, "ray", "ray"),
        (submitit_module, "submitit", "slurm"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(monkeypatch, door, library, extra):
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not there
    with pytest.raises(ConfigError, match=f"needs the library {library}") as caught:
        door()
    assert caught.value.remedy == f"pip install 'pcrnet[{extra}]'"
    assert any(line.startswith(library) for line in _EXTRAS[extra])


def test_optuna_says_nothing_of_its_own_accord(capsys):
    with warnings.catch_warnings(record=True) as heard:
        optuna = optuna_module()
        study = optuna.create_study(pruner=optuna.pruners.WilcoxonPruner())
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert not heard
    said = capsys.readouterr()
    assert said.out + said.err == ""
