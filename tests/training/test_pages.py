"""What the pages on augmentation and pretrained weights tell a reader to type trains a fit."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from pcrnet.training.fit import run_fit
from pcrnet.training.plan import FitPlan

_DOCS = Path(__file__).resolve().parents[2] / "docs"
_OWN = ("run.name=", "imaging.size=")  # the tiny trial has its own


def _commands(page: str) -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", (_DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(block.replace("\\\n", " ")) for block in blocks]


_COMMANDS = [
    pytest.param(command, id=f"{page.removesuffix('.md')}-{number}")
    for page in ("augmentation.md", "pretrained.md")
    for number, command in enumerate(_commands(page))
]


def test_the_pages_have_commands() -> None:
    assert len(_COMMANDS) == 5


@pytest.mark.slow
@pytest.mark.parametrize("command", _COMMANDS)
def test_a_command_of_a_page_trains(command, make_job, tmp_path, monkeypatch) -> None:
    from monai.networks.nets import resnet10

    assert command[:3] == ["python", "train.py", "configs/smoke.yaml"]
    overrides = [text for text in command[3:] if not text.startswith(_OWN)]
    assert len(overrides) < len(command) - 3
    monkeypatch.chdir(tmp_path)
    if "resnet_10.pth" in " ".join(command):
        (tmp_path / "weights").mkdir()
        state = resnet10(n_input_channels=1, feed_forward=False).state_dict()
        named = {f"module.{name}": value for name, value in state.items()}
        torch.save({"state_dict": named}, tmp_path / "weights/resnet_10.pth")
    job = make_job(*overrides, "training.max_steps=2")
    assert run_fit(FitPlan((0,)), job)
