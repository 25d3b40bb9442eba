"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["WANDB_MODE"] = "offline"
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real images and reference values; CI must have it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PCRNET_TEST_DATA", default))
    if not folder.is_dir():
        message = f"no reference data at {folder}: set PCRNET_TEST_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
