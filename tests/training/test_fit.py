from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pcrnet.cohort.outcome import Outcome
from pcrnet.config.model import ModelConfig, rival_config
from pcrnet.errors import NotFiniteError, RunError
from pcrnet.models.kinds import read_model
from pcrnet.models.monai_rival import MonaiConfig
from pcrnet.storage import read_json
from pcrnet.training import fit
from pcrnet.training.events import EpochReport, FitTimed, Remark
from pcrnet.training.fit import (
    DONE_FILE,
    MODEL_FOLDER,
    FitJob,
    epochs_of_fit,
    is_finished,
    read_logits,
    run_fit,
)
from pcrnet.training.lightning import callbacks, module
from pcrnet.training.plan import FitPlan

PLAN = FitPlan((0, 1))
WEIGHTS = "model/network-0.safetensors"
MakeJob = Callable[..., FitJob]
pytestmark = pytest.mark.usefixtures("single_thread")


class PowerCutError(Exception):
    """Ends a fit at a moment of the test's choosing."""


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume point after every epoch; by default short fits write none."""
    monkeypatch.setattr(callbacks.ResumePoint.__init__, "__defaults__", (0.0,))


def weights(job: FitJob, plan: FitPlan = PLAN) -> dict[str, torch.Tensor]:
    return load_file(job.directory / plan.name / WEIGHTS)


def assert_same_fit(job: FitJob, other: FitJob) -> None:
    for name, value in weights(job).items():
        assert torch.equal(value, weights(other)[name]), name
    for file in (
        "logits.csv",
        "network/history.csv",
        "model/network.json",
        "model/start/ridge.json",
    ):
        found, expected = ((of.directory / PLAN.name / file).read_bytes() for of in (job, other))
        assert found == expected, file


def all_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def checkpoint(job: FitJob) -> Path:
    (found,) = (job.directory / PLAN.name).glob("*/resume.*.ckpt")
    return found


Told = EpochReport | FitTimed | Remark


def but_no_times(told: list[Any]) -> Callable[[Told], None]:
    """Adds to ``told`` all but how long it took, which is another thing to test."""

    def listen(event: Told) -> None:
        if not isinstance(event, FitTimed):
            told.append(event)

    return listen


def cut_in_epoch(epoch: int) -> Callable[[Told], None]:
    """Ends the fit when ``epoch`` has been computed, but before its resume point is written."""

    def listen(report: Told) -> None:
        if isinstance(report, EpochReport) and report.epoch == epoch:
            raise PowerCutError

    return listen


def test_a_fit_leaves_its_model_history_logits_and_a_seal_of_what_counts(make_job: MakeJob) -> None:
    job = make_job()
    assert run_fit(PLAN, job)
    directory = job.directory / PLAN.name
    sealed = {
        WEIGHTS,
        "model/network.json",
        "model/start/ridge.json",
        "model/start/ridge.safetensors",
        "logits.csv",
    }
    files = {path.relative_to(directory).as_posix() for path in all_files(directory)}
    assert files == sealed | {"network/history.csv", "done.json"}
    assert set(read_json(directory / DONE_FILE)["files"]) == sealed
    assert is_finished(directory)
    assert len((directory / "network/history.csv").read_text().splitlines()) == 1 + 2


def test_logits_are_those_of_the_written_network_on_the_patients_left_out(
    make_job: MakeJob,
) -> None:
    job = make_job()
    run_fit(PLAN, job)
    found = read_logits(job.directory / PLAN.name)
    left_out = [item for item in job.patients if job.splits.fold_of[item.patient_id] in (0, 1)]
    assert set(found) == {patient.patient_id for patient in left_out}
    experiment = job.experiment
    folder = job.directory / PLAN.name / MODEL_FOLDER
    model = read_model(folder, experiment.model, experiment.data, experiment.imaging)
    left_out.sort(key=lambda patient: patient.patient_id)
    expected = model.logits(left_out, job.cache())
    np.testing.assert_array_equal(
        np.stack([found[patient.patient_id] for patient in left_out]), expected
    )


def test_a_finished_fit_is_not_trained_twice(make_job: MakeJob) -> None:
    job = make_job()
    run_fit(PLAN, job)
    seal = (job.directory / PLAN.name / DONE_FILE).stat()
    told: list[EpochReport] = []
    assert not run_fit(PLAN, job, listen=but_no_times(told))
    assert told == []
    assert (job.directory / PLAN.name / DONE_FILE).stat() == seal


def test_a_fit_repeats_bit_for_bit(make_job: MakeJob) -> None:
    first, second = make_job(folder="first"), make_job(folder="second")
    run_fit(PLAN, first)
    torch.rand(17)  # what ran before must not matter
    run_fit(PLAN, second)
    assert_same_fit(first, second)


def test_neither_labels_nor_scans_of_patients_left_out_enter_a_fit(make_job: MakeJob) -> None:
    job = make_job()
    run_fit(PLAN, job)
    flipped = tuple(
        replace(item, outcome=Outcome(yT0=False, yN0=True, yT0yN0=False))
        if job.splits.fold_of[item.patient_id] in PLAN.left_out
        else item
        for item in job.patients
    )
    assert not run_fit(PLAN, replace(job, patients=flipped))  # still the same finished fit
    fresh = replace(job, patients=flipped, directory=job.directory.parent / "flipped")
    run_fit(PLAN, fresh)
    assert_same_fit(job, fresh)


def test_a_finished_fit_of_other_code_is_refused(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run that was continued after an update would judge a mixture that nobody ships."""
    job = make_job("training.max_epochs=1")
    run_fit(PLAN, job)
    assert not run_fit(PLAN, job)
    monkeypatch.setattr(fit, "code_digest", lambda: "another version")
    with pytest.raises(RunError, match="the code of pcrnet have changed since"):
        run_fit(PLAN, job)


def test_a_finished_fit_of_another_precision_is_refused(make_job: MakeJob) -> None:
    """What "auto" means differs between machines: a run never judges a mixture."""
    job = make_job("training.max_epochs=1")
    run_fit(PLAN, replace(job, precision="32"))
    with pytest.raises(RunError, match=r"the precision .* \(it was 32-true\)"):
        run_fit(PLAN, replace(job, precision="bf16"))


@pytest.mark.parametrize("change", ["outcome", "covariate", "scan"])
def test_a_finished_fit_of_other_training_data_is_refused(make_job: MakeJob, change: str) -> None:
    job = make_job("training.max_epochs=1")
    run_fit(PLAN, job)
    index, patient = next(
        (index, item)
        for index, item in enumerate(job.patients)
        if job.splits.fold_of[item.patient_id] == 2 and item.outcome.yT0
    )
    match change:
        case "outcome":
            other = replace(patient, outcome=Outcome(yT0=False, yT0yN0=False))
        case "covariate":
            other = replace(patient, covariates={**patient.covariates, "age": "99"})
        case _:
            baseline = patient.visits["baseline"]
            fewer = {name: path for name, path in baseline.scans.items() if name != "t2"}
            visits = {**patient.visits, "baseline": replace(baseline, scans=fewer)}
            other = replace(patient, visits=visits)
    patients = (*job.patients[:index], other, *job.patients[index + 1 :])
    with pytest.raises(RunError, match="have changed since"):
        run_fit(PLAN, replace(job, patients=patients))


def test_a_finished_fit_of_other_settings_is_refused(make_job: MakeJob) -> None:
    run_fit(PLAN, make_job("training.max_epochs=1"))
    with pytest.raises(RunError, match=r"run\.name"):
        run_fit(PLAN, make_job("training.max_epochs=1", "training.learning_rate=0.02"))


@pytest.mark.parametrize("file", [WEIGHTS, "logits.csv", "model/start/ridge.json"])
def test_a_finished_fit_that_was_damaged_is_trained_again(make_job: MakeJob, file: str) -> None:
    job, sound = make_job("training.max_epochs=1"), make_job("training.max_epochs=1", folder="ok")
    run_fit(PLAN, job)
    run_fit(PLAN, sound)
    path = job.directory / PLAN.name / file
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert not is_finished(job.directory / PLAN.name)
    assert run_fit(PLAN, job)
    assert_same_fit(job, sound)


FIXED = ("training.max_epochs=4",)
PLAIN = ("training.max_epochs=4", "training.average_decay=0")
EARLY = (
    "training.max_epochs=8",
    "training.stopping={kind: early, fraction: 0.5, patience: 2}",
    "training.learning_rate=0.1",
    "training.average_decay=0.5",
)


@pytest.mark.usefixtures("every_epoch")
@pytest.mark.parametrize("cuts", [(2,), (4,), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("settings", [FIXED, PLAIN], ids=["averaged", "plain"])
def test_a_resumed_fit_ends_with_the_same_bits(
    make_job: MakeJob, settings: tuple[str, ...], cuts: tuple[int, ...]
) -> None:
    whole, resumed = make_job(*settings, folder="whole"), make_job(*settings, folder="resumed")
    run_fit(PLAN, whole)
    for epoch in cuts:
        with pytest.raises(PowerCutError):
            run_fit(PLAN, resumed, listen=cut_in_epoch(epoch))
        assert checkpoint(resumed).is_file()
    told: list[EpochReport] = []
    assert run_fit(PLAN, resumed, listen=but_no_times(told))
    assert [report.epoch for report in told] == list(range(cuts[-1], 5))
    assert_same_fit(whole, resumed)


@pytest.mark.usefixtures("every_epoch")
def test_a_resumed_fit_with_early_stopping_ends_with_the_same_bits(make_job: MakeJob) -> None:
    whole = make_job(*EARLY, folder="whole")
    epochs: list[EpochReport] = []
    run_fit(FitPlan((0,)), whole, listen=but_no_times(epochs))
    assert len(epochs) < 8, "the example must stop early to show anything"
    for cut in range(2, len(epochs) + 1):
        resumed = make_job(*EARLY, folder=f"resumed-{cut}")
        with pytest.raises(PowerCutError):
            run_fit(FitPlan((0,)), resumed, listen=cut_in_epoch(cut))
        run_fit(FitPlan((0,)), resumed)
        for name, value in weights(resumed, FitPlan((0,))).items():
            assert torch.equal(value, weights(whole, FitPlan((0,)))[name]), (cut, name)


@pytest.mark.usefixtures("every_epoch")
@pytest.mark.parametrize("settings", [FIXED, EARLY], ids=["fixed", "early"])
def test_a_fit_cut_after_its_last_epoch_trains_no_further(
    make_job: MakeJob, settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, resumed = make_job(*settings, folder="whole"), make_job(*settings, folder="resumed")
    plan = FitPlan((0,))
    run_fit(plan, whole)

    def cut(history: callbacks.History, path: Path) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.History, "write", cut)
        with pytest.raises(PowerCutError):
            run_fit(plan, resumed)
    told: list[EpochReport] = []
    run_fit(plan, resumed, listen=but_no_times(told))
    assert told == []
    for name, value in weights(whole, plan).items():
        assert torch.equal(value, weights(resumed, plan)[name]), name


@pytest.mark.usefixtures("every_epoch")
def test_a_damaged_checkpoint_is_ignored(make_job: MakeJob) -> None:
    whole, cut = make_job(folder="whole"), make_job(folder="cut")
    run_fit(PLAN, whole)
    with pytest.raises(PowerCutError):
        run_fit(PLAN, cut, listen=cut_in_epoch(2))
    data = bytearray(checkpoint(cut).read_bytes())
    data[len(data) // 2] ^= 1
    checkpoint(cut).write_bytes(data)
    told: list[EpochReport | Remark] = []
    run_fit(PLAN, cut, listen=but_no_times(told))
    assert told[0] == Remark("without-0-1, network starts afresh: its resume point is damaged")
    assert [event.epoch for event in told if isinstance(event, EpochReport)] == [1, 2]
    assert_same_fit(whole, cut)


@pytest.mark.usefixtures("every_epoch")
def test_a_checkpoint_of_other_data_is_left_aside_and_that_is_said(make_job: MakeJob) -> None:
    """Epochs of the old and of the new data never mix in one fit."""
    cut = make_job(folder="cut")
    with pytest.raises(PowerCutError):
        run_fit(PLAN, cut, listen=cut_in_epoch(2))
    learned = [item for item in cut.patients if cut.splits.fold_of[item.patient_id] == 2]
    older = replace(learned[0], covariates={**learned[0].covariates, "age": "99"})
    patients = tuple(older if item == learned[0] else item for item in cut.patients)
    changed = replace(cut, patients=patients)
    told: list[EpochReport | Remark] = []
    run_fit(PLAN, changed, listen=but_no_times(told))
    assert isinstance(told[0], Remark)
    assert "starts afresh: its resume point is of other scans, outcomes, covariates" in told[0].text
    fresh = replace(changed, directory=cut.directory.parent / "fresh")
    run_fit(PLAN, fresh)
    assert_same_fit(changed, fresh)


def test_a_planted_checkpoint_and_variables_of_a_cluster_change_nothing(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Lightning would begin from the file, take two tasks for one fit, or train one epoch."""
    plain, under_slurm = make_job(folder="plain"), make_job(folder="slurm")
    run_fit(PLAN, plain)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for place in (tmp_path / "work", under_slurm.directory / PLAN.name / "network"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "hpc_ckpt_7.ckpt").write_bytes(b"weights that have seen everyone")
    cluster = {
        "SLURM_JOB_ID": "11",
        "SLURM_JOB_NAME": "train",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": "1",
        "SLURM_LOCALID": "1",
        "SLURM_NODEID": "0",
        "WORLD_SIZE": "2",
        "RANK": "1",
        "LOCAL_RANK": "1",
        "PL_TRAINER_FAST_DEV_RUN": "1",
        "PL_TRAINER_MAX_EPOCHS": "1",
        "PL_TRAINER_LIMIT_TRAIN_BATCHES": "1",
    }
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    told: list[EpochReport | Remark] = []
    run_fit(PLAN, under_slurm, listen=but_no_times(told))
    assert len(told) == 2
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["hpc_ckpt_7.ckpt"]
    assert_same_fit(plain, under_slurm)


def test_a_fit_that_leaves_the_finite_numbers_stops_and_writes_nothing(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    loss = module.joint_negative_log_likelihood

    def broken(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        return loss(logits * float("nan"), allowed)

    monkeypatch.setattr(module, "joint_negative_log_likelihood", broken)
    with pytest.raises(
        NotFiniteError, match=r"fit without-0-1, network, epoch 1: the gradient of head\."
    ):
        run_fit(PLAN, job)
    assert not all_files(job.directory / PLAN.name)


@pytest.mark.parametrize("damage", ["", "[" * 100_000, "{}", '{"fingerprint": 1, "files": 2}'])
def test_a_seal_that_cannot_be_read_is_none(make_job: MakeJob, damage: str) -> None:
    job = make_job("training.max_epochs=1")
    run_fit(PLAN, job)
    (job.directory / PLAN.name / DONE_FILE).write_text(damage)
    assert not is_finished(job.directory / PLAN.name)


def test_early_stopping_ships_the_weights_of_its_best_epoch(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The averaged weights that were validated, not those that training went on with."""
    seen: list[callbacks.BestWeights] = []
    validated: list[dict[str, torch.Tensor]] = []
    original = callbacks.BestWeights.on_validation_epoch_end

    def spy(best: callbacks.BestWeights, trainer: object, module: torch.nn.Module) -> None:
        original(best, trainer, module)
        seen.append(best)
        validated.append({name: value.clone() for name, value in module.state_dict().items()})

    monkeypatch.setattr(callbacks.BestWeights, "on_validation_epoch_end", spy)
    job = make_job(*EARLY)
    plan = FitPlan((0,))
    run_fit(plan, job)
    rows = (job.directory / plan.name / "network/history.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[2]) for row in rows]
    best = losses.index(min(losses))
    assert seen[-1].best_epoch == best
    for name, value in weights(job, plan).items():
        assert torch.equal(value, validated[best][f"network.{name}"]), name


def test_early_stopping_is_refused_where_nobody_can_be_spared(make_job: MakeJob) -> None:
    job = make_job("training.stopping={kind: early, fraction: 0.1}")
    with pytest.raises(RunError, match=r"training\.stopping") as caught:
        run_fit(PLAN, job)
    assert "kind=fixed" in caught.value.remedy


def test_ctrl_c_during_a_fit_stays_a_keyboard_interrupt(make_job: MakeJob) -> None:
    import signal

    def press(report: EpochReport) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_fit(PLAN, make_job(), listen=press)
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_seal_names_how_many_patients_were_learned_from(make_job: MakeJob) -> None:
    job = make_job("training.max_epochs=1")
    run_fit(PLAN, job)
    done = read_json(job.directory / PLAN.name / DONE_FILE)
    assert done["training_patients"] == len(job.splits.members(2))


TWO = ("model.networks=2", "model.start=frequencies")


def test_a_network_that_is_finished_is_not_trained_again_when_its_fit_is_cut(
    make_job: MakeJob,
) -> None:
    """The second network is cut; the first is there, and both end as if nothing had happened."""
    whole, cut = make_job(*TWO, folder="whole"), make_job(*TWO, folder="cut")
    run_fit(PLAN, whole)
    with pytest.raises(PowerCutError):
        run_fit(PLAN, cut, listen=cut_in_epoch(3))
    kept = list((cut.directory / PLAN.name).glob("*/trained.*"))
    assert [path.parent.name for path in kept] == ["network-0"]
    told: list[EpochReport] = []
    run_fit(PLAN, cut, listen=but_no_times(told))
    assert [report.epoch for report in told] == [3, 4]
    assert {report.epochs for report in told} == {4}
    assert_same_files(whole, cut)


def test_a_finished_network_that_was_damaged_is_trained_again(make_job: MakeJob) -> None:
    whole, cut = make_job(*TWO, folder="whole"), make_job(*TWO, folder="cut")
    run_fit(PLAN, whole)
    with pytest.raises(PowerCutError):
        run_fit(PLAN, cut, listen=cut_in_epoch(3))
    (kept,) = (cut.directory / PLAN.name).glob("*/trained.*")
    data = bytearray(kept.read_bytes())
    data[-1] ^= 1
    kept.write_bytes(data)
    told: list[EpochReport] = []
    run_fit(PLAN, cut, listen=but_no_times(told))
    assert [report.epoch for report in told] == [1, 2, 3, 4]
    assert_same_files(whole, cut)


def test_a_fit_that_was_killed_just_after_its_seal_leaves_no_network_behind(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("training.max_epochs=1")
    with monkeypatch.context() as killed:
        killed.setattr(fit, "forget_trained", lambda directory: None)
        run_fit(PLAN, job)
    assert list(job.directory.rglob("trained.*"))
    assert not run_fit(PLAN, job)
    assert not list(job.directory.rglob("trained.*"))


def test_a_fit_that_had_more_networks_before_it_was_cut_keeps_none_of_them(
    make_job: MakeJob,
) -> None:
    """Without a seal the settings may change; what lies there of the old ones is not sealed."""
    before = make_job(*TWO)
    run_fit(PLAN, before)
    (before.directory / PLAN.name / DONE_FILE).unlink()
    job = make_job("model.start=frequencies")
    run_fit(PLAN, job)
    done = read_json(job.directory / PLAN.name / DONE_FILE)
    assert WEIGHTS in done["files"]
    assert "model/network-1.safetensors" not in done["files"]


@pytest.mark.parametrize("kind", ["quantitative", "clinical"])
def test_a_table_is_fitted_without_a_network(make_job: MakeJob, kind: str) -> None:
    job = of_kind(make_job(), rival_config(kind))
    told: list[EpochReport] = []
    assert run_fit(PLAN, job, listen=but_no_times(told))
    assert told == []
    assert epochs_of_fit(job.experiment) == 0
    assert not run_fit(PLAN, job)


def test_the_rival_of_monai_trains_on_a_small_crop_and_a_lone_last_patient(
    make_job: MakeJob,
) -> None:
    backbone = MonaiConfig(backbone="resnet10", features=4)
    learned = len(make_job().splits.members(2))
    job = of_kind(make_job("training.max_epochs=1", f"training.batch_size={learned - 1}"), backbone)
    assert run_fit(PLAN, job)
    assert np.isfinite([*read_logits(job.directory / PLAN.name).values()]).all()


def of_kind(job: FitJob, model: ModelConfig) -> FitJob:
    return replace(job, experiment=job.experiment.model_copy(update={"model": model}))


def assert_same_files(job: FitJob, other: FitJob) -> None:
    folders = [of.directory / PLAN.name for of in (job, other)]
    names = [{path.relative_to(folder) for path in all_files(folder)} for folder in folders]
    assert names[0] == names[1]
    for name in names[0]:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.fixture
def begun_elsewhere(make_job: MakeJob, tmp_path: Path) -> Path:
    """Weights of an encoder of the tiny trial's kind, as a bundle has them."""
    job = make_job("training.max_epochs=1", "training.average_decay=0", folder="elsewhere")
    run_fit(PLAN, job)
    return job.directory / PLAN.name / WEIGHTS


def test_what_is_frozen_stays_as_it_came_and_the_digest_is_kept(
    make_job: MakeJob, begun_elsewhere: Path
) -> None:
    job = make_job(
        "model.dropout=0",
        f"model.encoder.weights={begun_elsewhere}",
        "training.freeze_epochs=2",
        "training.layer_decay=0.5",
        "training.average_decay=0",
        "run.seed=9",
    )
    run_fit(PLAN, job)
    before, after = load_file(begun_elsewhere), weights(job)
    came = "encoders.1.body.stages.0.convolution.weight"
    assert torch.equal(before[came], after[came])
    assert not torch.equal(before["fusion.query"], after["fusion.query"])
    experiment = job.experiment
    folder = job.directory / PLAN.name / MODEL_FOLDER
    model = read_model(folder, experiment.model, experiment.data, experiment.imaging)
    told = model.describe()["pretrained"]["pet"]
    assert told["sha256"] == fit.weights_digests(experiment.model)[""]
    assert 0.9 < told["share"] <= 1.0
    assert str(begun_elsewhere) not in (folder / "network.json").read_text()

    thawed = make_job(
        f"model.encoder.weights={begun_elsewhere}", "training.freeze_epochs=1", folder="thawed"
    )
    run_fit(PLAN, thawed)
    assert not torch.equal(before[came], weights(thawed)[came])


def test_a_fit_is_named_by_the_content_of_its_weights_and_not_by_their_place(
    make_job: MakeJob, begun_elsewhere: Path, tmp_path: Path
) -> None:
    other = tmp_path / "moved.safetensors"
    other.write_bytes(begun_elsewhere.read_bytes())
    job = make_job(f"model.encoder.weights={begun_elsewhere}", "training.max_epochs=1")
    moved = make_job(f"model.encoder.weights={other}", "training.max_epochs=1")
    assert run_fit(PLAN, job)
    assert not run_fit(PLAN, moved)
    changed = load_file(other)
    changed["head.linear.bias"] += 1.0
    from safetensors.torch import save_file

    save_file(changed, other)
    with pytest.raises(RunError, match="is finished, but"):
        run_fit(PLAN, moved)


def test_double_precision_trains_and_ships_in_single(make_job: MakeJob) -> None:
    settings = ("model.dropout=0", "training.average_decay=0", "augmentation.enabled=false")
    single = make_job(*settings, folder="single")
    double = make_job(*settings, "training.trainer.precision=64-true", folder="double")
    assert replace(double, precision="32").training == double.training
    run_fit(PLAN, single)
    run_fit(PLAN, double)
    for name, value in weights(double).items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, weights(single)[name], atol=2e-3, rtol=0)


def test_a_settled_precision_overrules_lightnings_word(make_job: MakeJob) -> None:
    job = make_job("training.trainer.precision=bf16-mixed")
    assert replace(job, precision="32").training.trainer.precision is None
    assert replace(job, precision="32").training.precision == "32"
    assert job.training.trainer.precision == "bf16-mixed"
