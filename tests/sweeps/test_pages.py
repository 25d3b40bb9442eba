"""What the pages on sweeps and the doctor tell a reader to type works as it stands there.

Sweeps are listed instead of run: every engine is run by tests of its own.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pcrnet.cli import main
from pcrnet.storage import write_json
from pcrnet.sweeps.joining import begin
from pcrnet.sweeps.plan.settings import load_sweep

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("sweeps.md", "doctor.md")
COMMANDS = [
    (page, shlex.split(line, comments=True))
    for page in PAGES
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("pcrnet ")
]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the shipped configurations, and a finished sweep where the pages have one."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    layout = begin(load_sweep(Path("configs/sweeps/example.yaml")))
    write_json(layout.finished, {})
    return tmp_path


def test_the_pages_have_commands():
    assert {page for page, _ in COMMANDS} == set(PAGES)
    assert {command[1] for _, command in COMMANDS} == {"sweep", "work", "doctor"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [pytest.param(command, id=" ".join(command)) for _, command in COMMANDS]
)
def test_a_command_of_the_pages_works(command, workplace, capsys):
    arguments = command[1:]
    if arguments[0] == "sweep" and "--list" not in arguments:
        arguments.append("--list")
    assert main(arguments) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


def test_the_sweep_of_the_page_is_one(workplace):
    text = (ROOT / "docs" / "sweeps.md").read_text()
    (block,) = re.findall(r'```yaml title="my-sweep.yaml"\n(.*?)```', text, re.DOTALL)
    (workplace / "my-sweep.yaml").write_text(block)
    sweep = load_sweep(workplace / "my-sweep.yaml")
    assert sweep.config.pruning.enabled
    assert sweep.experiment.data.cohort == "/data/cohort.csv"
