"""Sweeps of wandb as the pages show them, by its own agent; only its server is stood in for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from pcrnet.config.layers import load_experiment

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```yaml[^\n]*\n(program: .*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = {
    page: yaml.safe_load(BLOCK.search((ROOT / page).read_text(encoding="utf-8"))[1])
    for page in ("README.md", "docs/sweeps.md")
}
SWEEP = SHOWN["README.md"]
TRIAL = {"training.learning_rate": {"value": 0.002}, "model.width": {"value": 32}}

AGENT = """
import json, sys, wandb
from wandb.apis.public import sweeps
from wandb.wandb_agent import Agent

sweep, *answers = json.loads(sys.stdin.read())
sweeps._sweep_with_runs = lambda api, name, specs: {"config": sweep}
sweeps._register_agent = lambda api, host, sweep_id: {"id": "agent"}
wandb.Api = lambda: None

def heartbeat(api, agent_id, metrics, running):
    return [] if running else [answers.pop(0)]

sweeps._agent_heartbeat = heartbeat
Agent.POLL_INTERVAL = 0.2
import queue
Agent(None, queue.Queue(), sweep_id="sweep").run()
"""


@pytest.mark.slow
def test_the_agent_runs_a_trial_of_the_readme_and_its_metric_is_logged(
    tiny_trial, tmp_path, one_thread
):
    quick = ["training.max_epochs=1", "evaluation.rivals=[]", "evaluation.variants=false"]
    rest = [*quick, "evaluation.bootstrap_draws=0", "tracking.wandb=auto"]
    file = tmp_path / "tiny.yaml"
    file.write_text(tiny_trial.experiment(tmp_path, *rest).to_yaml())
    command = [
        part.replace("python train.py", f"{sys.executable} {ROOT}/train.py {file}")
        for part in SWEEP["command"]
    ]
    assert command != SWEEP["command"]
    trial = {"type": "run", "run_id": "trial001", "program": SWEEP["program"], "args": TRIAL}
    asked = [yaml.safe_dump(SWEEP | {"command": command}), trial, {"type": "exit"}]
    done = subprocess.run(
        [sys.executable, "-c", AGENT],
        input=json.dumps(asked),
        cwd=tmp_path,
        env=one_thread | {"WANDB_MODE": "offline"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / "trial001"
    assert (run / "report" / "index.html").is_file(), done.stdout + done.stderr
    made = load_experiment([str(run / "config.yaml")])
    assert made.run.name == "trial001"
    assert (made.training.learning_rate, made.model.width) == (0.002, 32)
    (kept,) = (run / "wandb").glob("offline-run-*-trial001/*.wandb")
    assert SWEEP["metric"]["name"].encode() in kept.read_bytes()


@pytest.mark.parametrize("form", ["args", "args_no_hyphens", "args_no_equals"])
def test_every_form_in_which_wandb_writes_arguments_is_understood(form):
    trial = TRIAL | {
        "model.networks": {"value": 2},
        "evaluation.variants": {"value": False},
        "data.covariates": {"value": ["age", "grade"]},
    }
    made = load_experiment(create_sweep_command_args({"args": trial})[form])
    assert (made.training.learning_rate, made.model.width) == (0.002, 32)
    assert made.model.networks == 2
    assert made.evaluation.variants is False
    assert made.data.covariates == ("age", "grade")


@pytest.mark.parametrize("page", SHOWN)
def test_what_a_page_searches_are_settings(page):
    for key, searched in SHOWN[page]["parameters"].items():
        for value in searched.get("values") or (searched["min"], searched["max"]):
            load_experiment([f"{key}={value}"])
    assert "${args}" in SHOWN[page]["command"]
