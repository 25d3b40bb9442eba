from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pcrnet.config.imaging import NoAlignment, RigidAlignment
from pcrnet.errors import ConfigError, RegistrationError
from pcrnet.imaging.registration.visits import align_visits, common_channel, require_engine
from pcrnet.imaging.volume import Volume


def _volume(shift_mm=(0.0, 0.0, 0.0), *, seed=0, unit="arbitrary") -> Volume:
    """A textured ellipsoid."""
    rng = np.random.default_rng(seed)
    shape = (40, 36, 30)
    x, y, z = (np.linspace(-1.1, 1.1, n) for n in shape)
    inside = x[:, None, None] ** 2 + y[:, None] ** 2 + z**2 < 1
    texture = gaussian_filter(rng.normal(size=shape), 1.5)
    values = np.where(inside, 1 + 0.3 * texture / texture.std(), 0.0).clip(0)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = np.array([-80.0, -70.0, -60.0]) + shift_mm
    return Volume(values.astype(np.float32), affine, unit)


def test_without_alignment_nothing_is_moved():
    visits = {"baseline": {"t2": _volume()}, "interim": {"t2": _volume((9, 0, 0))}}
    assert align_visits(visits, NoAlignment()) == {}


def test_each_later_visit_is_brought_onto_the_first():
    shifts = {"baseline": (0, 0, 0), "interim": (9, -4, 3), "presurgical": (-6, 8, 2)}
    visits = {timepoint: {"t2": _volume(shift)} for timepoint, shift in shifts.items()}
    found = align_visits(visits, RigidAlignment(on_failure="refuse"))
    assert list(found) == ["interim", "presurgical"]
    for timepoint, alignment in found.items():
        np.testing.assert_allclose(alignment.transform[:3, 3], shifts[timepoint], atol=0.5)


def test_the_channel_that_registers_best_is_chosen():
    anatomy, pet, adc = (_volume(unit=unit) for unit in ("arbitrary", "SUVbw", "1e-3 mm2/s"))
    assert common_channel({"adc": adc, "pet": pet, "t2": anatomy}, {"t2": anatomy}) == "t2"
    assert (
        common_channel({"adc": adc, "pet": pet, "t2": anatomy}, {"adc": adc, "pet": pet}) == "pet"
    )
    assert common_channel({"pet": pet}, {"t2": anatomy}) is None


def test_a_visit_with_nothing_in_common_names_its_timepoint():
    visits = {"baseline": {"pet": _volume(unit="SUVbw")}, "interim": {"t2": _volume()}}
    with pytest.raises(RegistrationError, match="no channel in common with baseline") as caught:
        align_visits(visits, RigidAlignment(on_failure="refuse"))
    assert caught.value.field == "interim"


def test_visits_that_share_nothing_but_adc_are_refused_with_the_reason():
    adc = _volume(unit="1e-3 mm2/s")
    visits = {"baseline": {"t2": _volume(), "adc": adc}, "interim": {"adc": adc}}
    with pytest.raises(RegistrationError, match="only ADC is common with baseline") as caught:
        align_visits(visits, RigidAlignment(on_failure="refuse"))
    assert caught.value.field == "interim.adc"
    assert align_visits(visits, NoAlignment()) == {}


@pytest.mark.parametrize("alignment", [NoAlignment(), RigidAlignment(on_failure="refuse")])
def test_an_engine_that_is_not_asked_for_need_not_be_installed(alignment, monkeypatch):
    monkeypatch.setitem(sys.modules, "picsl_greedy", None)
    require_engine(alignment)
    with pytest.raises(ConfigError, match="not installed"):
        require_engine(RigidAlignment(on_failure="refuse", engine="greedy"))


def test_a_refused_registration_names_its_column():
    visits = {"baseline": {"t2": _volume()}, "interim": {"t2": _volume(seed=5)}}
    with pytest.raises(RegistrationError, match="does not match the first") as caught:
        align_visits(visits, RigidAlignment(on_failure="refuse"))
    assert caught.value.field == "interim.t2"


@pytest.mark.parametrize("postures", [("prone", "supine"), ("supine", "prone")])
def test_a_visit_known_to_be_prone_is_not_registered_to_a_supine_one(postures):
    first, later = (dataclasses.replace(_volume(), posture=posture) for posture in postures)
    visits = {"baseline": {"t2": first}, "interim": {"t2": later}}
    with pytest.raises(RegistrationError, match=f"lay {postures[1]} in this visit") as caught:
        align_visits(visits, RigidAlignment(on_failure="refuse"))
    assert caught.value.field == "interim.t2"
    assert align_visits(visits, RigidAlignment(on_failure="refuse", allow_prone_supine=True))


@pytest.mark.parametrize("postures", [("prone", "prone"), ("prone", None), (None, None)])
def test_equal_and_unknown_postures_are_left_to_the_images(postures):
    first, later = (dataclasses.replace(_volume(), posture=posture) for posture in postures)
    visits = {"baseline": {"t2": first}, "interim": {"t2": later}}
    assert list(align_visits(visits, RigidAlignment(on_failure="refuse"))) == ["interim"]


@pytest.mark.parametrize("unit", ["SUL", "SUVbsa"])
def test_pet_of_every_norm_registers(unit):
    visits = {
        visit: {"pet": _volume(shift, unit=unit)}
        for visit, shift in {"baseline": (0, 0, 0), "interim": (9, -4, 3)}.items()
    }
    found = align_visits(visits, RigidAlignment(on_failure="refuse"))["interim"]
    np.testing.assert_allclose(found.transform[:3, 3], (9, -4, 3), atol=0.5)


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        ({"pet": _volume(unit="SUVbw")}, "no channel in common"),
        ({"t2": dataclasses.replace(_volume(), posture="prone")}, "lay prone"),
        ({"t2": _volume((60, 0, 0))}, "60 mm from the first"),
    ],
)
def test_a_visit_that_would_be_refused_can_be_kept_as_it_came_with_the_reason(later, problem):
    first = {"t2": dataclasses.replace(_volume(), posture="supine")}
    kept = RigidAlignment(on_failure="keep", max_shift_mm=40.0)
    found = align_visits({"baseline": first, "interim": later}, kept)["interim"]
    assert not found.accepted
    assert problem in found.problem
    np.testing.assert_array_equal(found.transform, np.eye(4))
    with pytest.raises(RegistrationError):
        align_visits(
            {"baseline": first, "interim": later},
            RigidAlignment(on_failure="refuse", max_shift_mm=40.0),
        )
