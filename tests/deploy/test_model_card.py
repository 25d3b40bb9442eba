from __future__ import annotations

import pytest

from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.manifest import Manifest
from pcrnet.deploy.model_card import model_card


@pytest.fixture(scope="module")
def manifest(finished_run) -> Manifest:
    return Bundle.read(finished_run.bundle).manifest


def test_the_shipped_card_is_that_of_the_manifest(finished_run, manifest: Manifest) -> None:
    assert (finished_run.bundle / "model_card.md").read_text() == model_card(manifest)


def test_the_card_states_the_input_contract(manifest: Manifest) -> None:
    card = model_card(manifest)
    assert "Timepoints in order: baseline, interim." in card
    assert "Covariates: age, grade." in card
    assert "| pet | pet | SUVbw |" in card
    assert "| mri | adc | 1e-3 mm2/s |" in card
    assert "fewer than 2 is refused" in card
    assert "8 × 8 × 8 voxels of 12 × 12 × 12 mm" in card


def test_the_card_states_thresholds_and_which_side_is_a_response(manifest: Manifest) -> None:
    points = {"yT0": 0.61234, "yN0": None, "yT0yN0": 0.5}
    card = model_card(manifest.model_copy(update={"operating_points": points}))
    assert "| yT0 | 0.6123 |" in card
    assert "| yN0 | none |" in card
    assert "exceeds the threshold" in card


@pytest.mark.parametrize("simulated", [True, False])
def test_a_simulated_model_says_so_before_anything_else(
    manifest: Manifest, simulated: bool
) -> None:
    card = model_card(manifest.model_copy(update={"simulated": simulated}))
    assert ("must not be used on them" in card.split("## Input")[0]) is simulated


def test_the_card_claims_no_medical_use_and_names_the_definition(manifest: Manifest) -> None:
    card = model_card(manifest)
    assert "Not a medical device" in card
    assert "defined as ypT0)" in card
