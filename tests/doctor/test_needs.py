"""What a run needs: shapes of the real, sums that can be done by hand, refusals in words."""

from __future__ import annotations

import dataclasses

import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.doctor import needs as needs_module
from pcrnet.doctor.imagined import imagine
from pcrnet.doctor.needs import foresee
from pcrnet.errors import ProblemListError
from pcrnet.models.kinds import KINDS
from pcrnet.run.directory import RunDirectory
from pcrnet.run.preparation import prepare
from pcrnet.training.demands.memory import MemoryNeed, estimate_memory
from pcrnet.training.demands.rehearsal import rehearse
from pcrnet.training.events import Remark


def test_what_is_imagined_has_the_shapes_of_the_real(tiny_trial, tmp_path):
    experiment = tiny_trial.experiment(tmp_path, "data.covariates=[age]")
    run = RunDirectory(experiment.run.directory)
    with run.opened(experiment):
        job, *_ = prepare(experiment, run, lambda event: None)
    network, batch = rehearse(job, 3)
    imagined, fancied = imagine(experiment, 1, 3)
    for real, fancy in zip(batch, fancied, strict=True):
        assert (real.shape, real.dtype) == (fancy.shape, fancy.dtype)
    assert {name: value.shape for name, value in network.state_dict().items()} == {
        name: value.shape for name, value in imagined.state_dict().items()
    }
    found = foresee(experiment, len(job.patients), 1)
    assert found.memory == estimate_memory(job)


def test_the_head_of_a_run_says_it_before_an_image_is_read(tiny_trial, tmp_path):
    experiment = tiny_trial.experiment(tmp_path)
    run = RunDirectory(experiment.run.directory)
    said = []
    with run.opened(experiment):
        prepare(experiment, run, said.append)
    lines = [event.text for event in said if isinstance(event, Remark)]
    for word in (
        "device: CPU",
        "cores granted",
        "memory: a fit needs",
        "disk: ",
        "fits: 7 fits of",
    ):
        assert any(word in line for line in lines), word


def test_fits_are_counted_as_they_are_made():
    """K(K−1)/2 + K judged ones and one that ships; each repeat and rival the judged ones again."""
    settings = ["evaluation.folds=4", "evaluation.repeats=3", "training.accelerator=cpu"]
    found = foresee(load_experiment([*settings, "model.kind=clinical"]), 80, 5)
    assert found.fits == 10 + 1 + 2 * 10 + 10  # the quantitative rival; the clinical is itself
    assert found.planned == "11 fits, 2 × 10 more in repeats, 1 × 10 of rivals"
    assert found.memory is None
    assert found.step_s is None
    both = foresee(load_experiment([*settings, "imaging.size=[8,8,8]"]), 80, 5)
    assert both.fits == 10 + 1 + 2 * 10 + 2 * 10
    alone = foresee(load_experiment([*settings, "imaging.size=[8,8,8]"]), 80, 0)
    assert alone.fits == 10 + 1 + 2 * 10 + 10  # the clinical rival is left out without covariates
    assert alone.planned.endswith("1 × 10 of rivals")
    assert both.planned.startswith("11 fits of up to 3 networks, up to 8 epochs each, 2 × 10 more")


@pytest.mark.parametrize(
    ("lightnings", "word"),
    [("32-true", "float32"), ("bf16-mixed", "bf16"), ("64-true", "float64")],
)
def test_every_precision_that_may_be_trained_in_has_a_word(lightnings, word, monkeypatch):
    monkeypatch.setattr(needs_module, "time_step", lambda *given: _Step(0.5))
    settings = ["imaging.size=[8,8,8]", "training.accelerator=cpu", "training.parallel_fits=1"]
    chosen = f"training.trainer.precision={lightnings}"
    found = foresee(load_experiment([*settings, chosen]), 80, 5)
    assert found.precision == word
    assert f", {word}" in found.lines()[0]


def test_twice_the_epochs_take_twice_the_time(monkeypatch):
    monkeypatch.setattr(
        needs_module,
        "time_step",
        lambda *given: _Step(0.5),
    )

    def seconds(*settings):
        base = ["imaging.size=[8,8,8]", "training.accelerator=cpu", "training.parallel_fits=1"]
        return foresee(load_experiment([*base, *settings]), 80, 5).seconds

    once, twice = seconds("training.max_epochs=10"), seconds("training.max_epochs=20")
    rest = 2 * once - twice
    assert 0 < rest < once / 2
    assert seconds("training.max_epochs=10", "training.max_steps=1") < once / 3


@dataclasses.dataclass
class _Step:
    seconds: float


def plenty(**less):
    """Of a small experiment on a machine that has enough of everything but ``less``."""
    experiment = load_experiment(["model.kind=clinical"])
    found = dataclasses.replace(
        foresee(experiment, 80, 5),
        memory=MemoryNeed(fit=10**9, cohort=10**8, gpu=10**9),
        memory_free=10**10, gpu_free=10**10, tensors=10**9, tensors_there=0, run=10**8,
        disk_free=10**10, cache_free=10**10,
    )  # fmt: skip
    return dataclasses.replace(found, **less)


@pytest.mark.parametrize(
    ("less", "field", "words"),
    [
        ({"memory_free": 7 * 10**8}, "training.batch_size", "one fit needs about 1.0 GB of memory"),
        ({"gpu_free": 7 * 10**8}, "training.batch_size", "on the GPU, and 700 MB are free"),
        ({"cache_free": 10**8}, "data.cache", "preprocessed images need up to 1.0 GB"),
        ({"disk_free": 10**7}, "run.root", "the run writes about 100 MB"),
    ],
)
def test_what_cannot_fit_is_refused_by_name(less, field, words):
    with pytest.raises(ProblemListError, match=words) as caught:
        plenty(**less).require_room()
    assert [problem.field for problem in caught.value.problems] == [field]
    assert all(problem.remedy for problem in caught.value.problems)


def test_what_fits_or_nearly_does_is_not_refused():
    plenty().require_room()
    plenty(memory_free=9 * 10**8, gpu_free=9 * 10**8).require_room()  # within the estimate's error
    plenty(cache_free=10**8, tensors_there=95 * 10**7).require_room()
    plenty(memory_free=None).require_room()


def test_images_that_no_machine_holds_are_refused_before_one_is_made():
    settings = ["imaging.size=[100000,100000,100000]", "training.accelerator=cpu"]
    with pytest.raises(ProblemListError) as caught:
        foresee(load_experiment(settings), 80, 5)
    (problem,) = caught.value.problems
    assert problem.field == "imaging.size"
    assert "the images of one fit alone need" in problem.problem


def test_no_time_is_told_of_a_network_that_was_not_timed():
    found = foresee(load_experiment(["imaging.size=[8,8,8]", "training.accelerator=cpu"]), 80, 5)
    assert "in all" in found.lines()[-1]
    assert "in all" not in dataclasses.replace(found, step_s=None).lines()[-1]


def test_every_kind_of_model_is_foreseen():
    for kind in KINDS:
        found = foresee(
            load_experiment([
                f"model.kind={kind}", "imaging.size=[32,32,32]", "training.accelerator=cpu",
                "training.batch_size=1",
            ]), 20, 0,
        )  # fmt: skip
        assert found.lines()
        assert (found.memory is None) == (not KINDS[kind].trains)
