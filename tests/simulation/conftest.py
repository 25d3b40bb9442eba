"""One small trial of the second world that several modules look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcrnet.config.data import SimulationConfig
from pcrnet.simulation.trial import simulate_trial


@pytest.fixture(scope="session")
def pattern_config() -> SimulationConfig:
    return SimulationConfig(
        world="pattern", patients=12, seed=7, mri_spacing_mm=5.0, missing_scan_fraction=0.15
    )


@pytest.fixture(scope="session")
def pattern_folder(tmp_path_factory, pattern_config) -> Path:
    return simulate_trial(tmp_path_factory.mktemp("pattern") / "trial", pattern_config).parent
