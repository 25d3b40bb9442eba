"""The page about trainers of one's own, run from its first line to its last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import pcrnet
from pcrnet.errors import ConfigError

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-trainer.md"
pytestmark = pytest.mark.filterwarnings("ignore")


def test_folds_that_are_not_there_are_refused(tiny_trial, tmp_path) -> None:
    with pytest.raises(ConfigError, match="folds are 0 to 2, found \\[3\\]"):
        pcrnet.module_and_data(tiny_trial.experiment(tmp_path), left_out=[3])


@pytest.mark.slow
def test_every_snippet_of_the_page_runs_in_its_order(tiny_trial, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    settings = tiny_trial.settings(tmp_path / "runs", "training.batch_size=4")
    page: dict[str, object] = {}
    shown = pcrnet.load_experiment
    monkeypatch.setattr(pcrnet, "load_experiment", lambda _: shown(settings), raising=False)
    for block in blocks:
        exec(block, page)  # noqa: S102 - the page is ours

    seen = [{p.patient_id for p in part.patients} for part in _datasets(page["data"])]
    assert not seen[0] & seen[1]
    assert not (seen[0] | seen[1]) & seen[2]
    assert set().union(*seen) == set(tiny_trial.patients)
    forecasts = torch.cat([forecast.probability for forecast in page["forecasts"]])
    assert forecasts.shape == (len(seen[2]), 3)
    assert (forecasts[:, 2] <= forecasts[:, :2].amin(dim=1) + 1e-6).all()
    assert list(Path("workbench").rglob("metrics.csv"))
    assert list(Path("workbench").rglob("events.out.tfevents*"))
    assert len(page["found"].results["lr"]) == 30
    assert page["data"].batch_size == 4  # 2, doubled in the second trial

    best = torch.load(page["best"].best_model_path, weights_only=True)["state_dict"]
    again = page["again"].state_dict()
    assert all(torch.equal(best[name], value) for name, value in again.items())
    assert set(best) == set(again)


def _datasets(data):
    return data.training, data.validation, data.test
