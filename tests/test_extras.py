from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pcrnet.errors import ConfigError
from pcrnet.extras import require_extra

ROOT = Path(__file__).parents[1]


def test_what_is_installed_is_enough() -> None:
    require_extra("serve", "json", "pathlib", purpose="a test")


def test_what_is_missing_is_named_with_its_extra_and_its_purpose() -> None:
    with pytest.raises(ConfigError, match=r"the server needs no_such_module") as caught:
        require_extra("serve", "json", "no_such_module", purpose="the server")
    assert caught.value.remedy == "pip install 'pcrnet[serve]'"


def test_every_extra_that_code_names_is_offered() -> None:
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for path in (ROOT / "pcrnet").rglob("*.py"):
        for extra in re.findall(r"require_extra\(\s*\"(\w+)\"", path.read_text()):
            assert extra in offered, path
