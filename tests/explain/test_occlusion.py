"""A planted signal is found where it was planted; absent scans and unused ones show nothing."""

import numpy as np
import pytest

from pcrnet.explain.occlusion import occlusion_maps
from pcrnet.imaging.quantify.place import voxel_centres_mm

UPTAKE = {"a.pet.suvpeak_ln_suv": 1.0}


@pytest.fixture(scope="module")
def maps(ask, case):
    return {(m.timepoint, m.channel): m for m in occlusion_maps(ask(case.model(UPTAKE)))}


def test_the_planted_lesion_holds_the_maximum(maps, case):
    found = maps["a", "pet"]
    place = np.unravel_index(found.density.argmax(), found.density.shape)
    peak = voxel_centres_mm(found.grid)[(slice(None), *place)]
    assert np.linalg.norm(peak - case.lesion_mm) < 12.0  # the radius of the ball
    assert found.density.max() > 0
    assert found.strongest == max(one.strongest for one in maps.values())


def test_scans_that_the_model_does_not_use_are_exactly_nothing(maps):
    assert not maps["a", "t2"].density.any()
    assert not maps["b", "pet"].density.any()


def test_an_absent_scan_has_no_map(maps):
    assert ("b", "t2") not in maps
    assert set(maps) == {("a", "pet"), ("a", "t2"), ("a", "adc"), ("b", "pet"), ("b", "adc")}


def test_the_other_sign_turns_the_map_over(maps, ask, case):
    opposite = occlusion_maps(ask(case.model({"a.pet.suvpeak_ln_suv": -1.0})))
    (found,) = [m for m in opposite if (m.timepoint, m.channel) == ("a", "pet")]
    assert found.density == pytest.approx(-maps["a", "pet"].density, abs=1e-6)


def test_another_model_has_another_map(maps, ask, case):
    generator = np.random.default_rng(0)
    names = [spec.name for spec in case.model({}).specs if spec.name.startswith("a.pet")]
    drawn = dict(zip(names, generator.normal(size=len(names)), strict=True))
    other = occlusion_maps(ask(case.model(drawn)))
    (found,) = [m for m in other if (m.timepoint, m.channel) == ("a", "pet")]
    same = np.corrcoef(found.density.ravel(), maps["a", "pet"].density.ravel())[0, 1]
    assert same < 0.8


def test_without_a_lesion_there_is_nothing_to_map(ask, case):
    question = case.replace(
        ask(case.model(UPTAKE)), survey=case.replace(case.survey, place=None, region=None)
    )
    assert occlusion_maps(question) == []
