"""Convolutions in bf16 agree with float32 on a sound machine, and an unsound one is noticed."""

from __future__ import annotations

import math

import pytest
import torch

from pcrnet.doctor import convolution
from pcrnet.doctor.convolution import check_convolutions, cudnn_version

CPU = torch.device("cpu")


def test_another_library_of_the_machine_gives_the_same(monkeypatch):
    """Where this machine's oneDNN is sound, what is compared is small but not nothing."""
    with torch.backends.mkldnn.flags(enabled=False):
        checks = check_convolutions(CPU)
    assert len(checks) == 8
    assert all(check.sound for check in checks)
    assert all(check.error > 0 for check in checks)


@pytest.mark.parametrize("part", ["output", "input gradient", "weight gradient"])
@pytest.mark.parametrize("damage", [lambda v: v * 1.2, lambda v: v * math.nan])
def test_a_part_that_is_wrong_is_named(monkeypatch, part, damage):
    computed = convolution._computed

    def broken(case, image, weight, device, dtype):
        found = computed(case, image, weight, device, torch.float32)
        if dtype == torch.bfloat16 and case.kernel == 5:
            found[part] = damage(found[part])
        return found

    monkeypatch.setattr(convolution, "_computed", broken)
    checks = check_convolutions(CPU)
    wrong = [check for check in checks if not check.sound]
    assert {check.part for check in wrong} == {part}
    assert {check.case.kernel for check in wrong} == {5}
    assert "depthwise" in wrong[0].case.title


def test_it_leaves_the_settings_and_the_generator_as_they_were():
    before, state = torch.backends.cudnn.allow_tf32, torch.get_rng_state()
    check_convolutions(CPU)
    assert torch.backends.cudnn.allow_tf32 == before
    assert torch.equal(torch.get_rng_state(), state)


def test_the_version_of_cudnn_is_written_as_its_makers_do(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    assert cudnn_version() == "9.10.2"
