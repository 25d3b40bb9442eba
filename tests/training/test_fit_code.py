"""The code behind a fit: no module that decides its numbers is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

import pcrnet
from pcrnet.data import warp_compiled
from pcrnet.source_code import digest_of_sources
from pcrnet.training import fit_code
from pcrnet.training.fit_code import code_digest, fit_sources

_ROOT = Path(pcrnet.__file__).parent


def test_every_model_its_training_and_its_data_decide_a_fit() -> None:
    models = {path for path in (_ROOT / "models").rglob("*.py") if path.name != "__init__.py"}
    after = _ROOT / "models" / "rivals" / "posterior.py"  # how sure a finished fit is
    assert after in models
    assert models - {after} <= fit_sources()
    assert {"loop", "module", "losses", "callbacks", "trainer", "resume", "fit"} <= {
        path.stem for path in fit_sources() if path.is_relative_to(_ROOT / "training")
    }
    assert warp_compiled.SOURCE in fit_sources()
    assert {"augment", "clinical", "datamodule", "dataset", "seeds"} <= {
        path.stem for path in fit_sources() if path.parent.name == "data"
    }


def test_what_plans_estimates_or_reports_fits_decides_none() -> None:
    others = {"crossval", "ablation", "memory", "tracking", "precision"}
    assert not others & {path.stem for path in fit_sources()}
    assert others <= {path.stem for path in (_ROOT / "training").rglob("*.py")}


def test_the_digest_is_that_of_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = code_digest.__wrapped__()
    assert whole == digest_of_sources(fit_sources())
    fewer = fit_sources() - {_ROOT / "models" / "shrinkage.py"}
    monkeypatch.setattr(fit_code, "fit_sources", lambda: fewer)
    assert code_digest.__wrapped__() != whole
