from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pcrnet.config.experiment import Experiment
from pcrnet.config.layers import load_experiment
from pcrnet.config.training import TrackingConfig
from pcrnet.errors import ConfigError
from pcrnet.training import tracking as module
from pcrnet.training.events import (
    EpochReport,
    FitFinished,
    FitsPlanned,
    Measured,
    Progressed,
    Remark,
    RunEvent,
    StageStarted,
)
from pcrnet.training.trackers.wandb_sink import WandbSink
from pcrnet.training.tracking import Tracker, public_config, tracking, tracking_mode


class Recorder:
    """Stands in for a wandb run and keeps what it is sent."""

    def __init__(self) -> None:
        self.logged: list[dict[str, float]] = []
        self.axes: dict[str, str] = {}
        self.summary: dict[str, float] = {}

    def log(self, values: dict[str, float]) -> None:
        self.logged.append(values)

    def define_metric(self, name: str, step_metric: str) -> None:
        self.axes[name] = step_metric


def test_losses_are_logged_and_nothing_that_could_name_a_file() -> None:
    run = Recorder()
    tracker = Tracker([WandbSink(run, "tiny")])
    for event in (
        StageStarted("Training"),
        Remark("simulated cohort: /home/jane/trial/cohort.csv"),
        Progressed(1, 20),
        FitsPlanned(("without-0", "without-1"), 1, 15),
        EpochReport("without-0", 2, 15, 0.69, {"samples_per_second": 12.5}),
        Measured("without-0", 7, {"lr-AdamW": 0.001}),
        FitFinished("without-0", trained=True),
    ):
        tracker(event)
    assert run.logged == [
        {
            "fold-0/without-0/epoch": 2,
            "fold-0/without-0/loss": 0.69,
            "fold-0/without-0/samples_per_second": 12.5,
        },
        {"fold-0/without-0/step": 7, "fold-0/without-0/lr-AdamW": 0.001},
    ]
    assert run.axes == {
        "fold-0/without-0/*": "fold-0/without-0/epoch",
        "fold-1/without-1/*": "fold-1/without-1/epoch",
    }


def test_metrics_stand_where_sweeps_look_and_undefined_ones_are_left_out() -> None:
    run = Recorder()
    estimate = {"value": 0.71, "low": 0.6, "high": 0.8, "n": 90, "method": "DeLong"}
    undefined = {"value": None, "low": None, "high": None, "n": 0, "reason": "one class"}
    Tracker([WandbSink(run, "tiny")]).summarise({"yT0yN0": {"auc": estimate, "ppv": undefined}})
    assert run.summary == {"yT0yN0/auc": 0.71}


def test_a_tracker_without_loggers_takes_everything_and_does_nothing() -> None:
    tracker = Tracker()
    tracker(EpochReport("without-0", 1, 2, 0.5))
    tracker.summarise({"yT0": {"auc": {"value": 0.5}}})


@pytest.fixture
def logged_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return monkeypatch


def test_auto_is_offline_where_nobody_is_logged_in(logged_out: pytest.MonkeyPatch) -> None:
    assert tracking_mode(TrackingConfig()) == "offline"


def test_auto_is_online_with_a_key_in_the_environment(logged_out: pytest.MonkeyPatch) -> None:
    logged_out.setenv("WANDB_API_KEY", "0" * 40)
    assert tracking_mode(TrackingConfig()) == "online"


def test_auto_is_online_where_wandb_login_left_its_entry(
    logged_out: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password x\n")
    assert tracking_mode(TrackingConfig()) == "online"


def test_a_netrc_that_is_no_text_counts_as_logged_out(
    logged_out: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_bytes(b"\xff\xfe\xfa")
    assert tracking_mode(TrackingConfig()) == "offline"


@pytest.mark.parametrize("mode", ["online", "offline", "disabled"])
def test_the_environment_overrules_a_configuration_that_wants_wandb(
    mode: str, logged_out: pytest.MonkeyPatch
) -> None:
    logged_out.setenv("WANDB_MODE", mode)
    assert {
        tracking_mode(TrackingConfig(wandb=kind)) for kind in ("auto", "online", "offline")
    } == {mode}


@pytest.mark.parametrize("mode", ["online", "offline", "disabled"])
def test_no_environment_brings_back_what_the_configuration_has_disabled(
    mode: str, logged_out: pytest.MonkeyPatch
) -> None:
    logged_out.setenv("WANDB_MODE", mode)
    assert tracking_mode(TrackingConfig(wandb="disabled")) == "disabled"


def test_the_configuration_decides_otherwise(logged_out: pytest.MonkeyPatch) -> None:
    assert tracking_mode(TrackingConfig(wandb="disabled")) == "disabled"
    assert tracking_mode(TrackingConfig(wandb="online")) == "online"


def test_the_public_configuration_holds_neither_paths_nor_names_of_columns() -> None:
    experiment = load_experiment(
        [
            "run.root=/home/jane/runs",
            "data.cohort=/home/jane/cohort.csv",
            "data.cache=/home/jane/cache",
            "data.covariates=[jane_age]",
            "evaluation.protocol=/home/jane/protocol.yaml",
            "evaluation.answers=/home/jane/answers.yaml",
        ]
    )
    shown = public_config(experiment)
    assert "jane" not in str(shown)
    assert shown["data"]["covariates"] == 1
    assert shown["training"] == experiment.training.model_dump(mode="json")


class Sessions:
    """Stands in for the wandb module."""

    def __init__(self) -> None:
        self.exit_codes: list[int | None] = []
        self.options: dict[str, Any] = {}

    def init(self, **options: Any) -> Sessions:
        self.options = options
        return self

    def finish(self, exit_code: int | None = None) -> None:
        self.exit_codes.append(exit_code)

    Settings = staticmethod(dict)


@pytest.fixture
def wandb(logged_out: pytest.MonkeyPatch) -> Sessions:
    import sys

    sessions = Sessions()
    logged_out.setitem(sys.modules, "wandb", sessions)
    return sessions


def experiment_in(root: Path, mode: str) -> Experiment:
    return load_experiment([f"run.root={root}", "run.name=tiny", f"tracking.wandb={mode}"])


def test_a_run_is_closed_when_it_ends(wandb: Sessions, tmp_path: Path) -> None:
    with tracking(experiment_in(tmp_path, "offline")) as tracker:
        assert isinstance(tracker, Tracker)
        assert wandb.exit_codes == []
    assert wandb.exit_codes == [None]
    assert wandb.options["dir"] == tmp_path / "tiny"
    assert wandb.options["mode"] == "offline"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_run_that_fails_is_closed_as_failed(
    wandb: Sessions, tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), tracking(experiment_in(tmp_path, "offline")):
        raise error
    assert wandb.exit_codes == [1]


def test_a_logger_that_fails_in_mid_run_ends_nothing_and_says_so(
    wandb: Sessions, tmp_path: Path
) -> None:
    told: list[RunEvent] = []
    with tracking(experiment_in(tmp_path, "offline"), told.append) as tracker:
        tracker(EpochReport("without-0", 1, 2, 0.5))  # these sessions know no log
        tracker(EpochReport("without-0", 2, 2, 0.4))
    assert wandb.exit_codes == [None]
    texts = [event.text for event in told if isinstance(event, Remark)]
    assert texts[0].startswith("wandb does not take what it is told (AttributeError)")
    assert texts[1].startswith("wandb missed 2 of 3")


def test_a_logger_that_refuses_the_run_is_told_before_it(
    wandb: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**options: Any) -> Sessions:
        raise LookupError("no such team")

    monkeypatch.setattr(wandb, "init", refuse)
    with (
        pytest.raises(ConfigError, match=r"wandb does not take the run \(LookupError\)"),
        tracking(experiment_in(tmp_path, "offline")),
    ):
        pass


def test_wandb_is_not_even_imported_when_disabled(wandb: Sessions, tmp_path: Path) -> None:
    with tracking(experiment_in(tmp_path, "disabled")) as tracker:
        tracker(EpochReport("without-0", 1, 2, 0.5))
    assert wandb.options == {}
    assert "wandb" not in vars(module)
