from __future__ import annotations

from dataclasses import fields, replace

import pytest

from pcrnet.errors import ConfigError
from pcrnet.serve.limits import Limits


def test_megabytes_are_those_of_a_computer() -> None:
    assert Limits(upload_mb=3, unpacked_mb=5).upload_bytes == 3 * 2**20
    assert Limits(upload_mb=3, unpacked_mb=5).unpacked_bytes == 5 * 2**20


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_a_limit_that_lets_nothing_through_is_refused_by_its_option(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(Limits(), **{name: -1})
    assert caught.value.field == f"--max-{name.replace('_', '-')}"


def test_nobody_needs_to_wait() -> None:
    assert Limits(waiting=0).waiting == 0
