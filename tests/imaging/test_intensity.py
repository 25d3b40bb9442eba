"""From physical values to network input."""

import numpy as np
import pytest

from pcrnet.errors import ImageError
from pcrnet.imaging.intensity import Scaling, visit_scalings
from pcrnet.imaging.volume import Volume

_KINDS = {
    **{"pet": "suv", "adc": "adc", "t2": "zscore"},
    **dict.fromkeys(("dce_pre", "dce_early", "dce_late"), "dce"),
}


def _body(level=100.0, spread=10.0, air=1.0):
    """A quarter of body in air."""
    rng = np.random.default_rng(0)
    array = rng.uniform(0, air, (20, 20, 20))
    array[:10, :10] = rng.normal(level, spread, (10, 10, 20))
    return Volume(array.astype(np.float32), np.eye(4), "arbitrary")


def _scaled(volumes, channel):
    array = volumes[channel].array
    return visit_scalings(volumes, _KINDS)[channel].apply(array, np.ones(array.shape, bool))


@pytest.mark.parametrize("channel", ["pet", "adc"])
def test_absolute_units_are_kept(channel):
    volume = _body(2.0, 0.3)
    np.testing.assert_array_equal(_scaled({channel: volume}, channel), volume.array)
    assert visit_scalings({channel: volume}, _KINDS)[channel].background == 0.0


def test_z_scores_are_those_of_the_body():
    inside = _scaled({"t2": _body(500.0, 60.0)}, "t2")[:10, :10]
    assert inside.mean() == pytest.approx(0.0, abs=1e-3)
    assert inside.std() == pytest.approx(1.0, abs=1e-3)


def test_the_background_of_z_scores_is_air():
    volume = _body(500.0, 60.0)
    scaling = visit_scalings({"t2": volume}, _KINDS)["t2"]
    assert scaling.background == pytest.approx(-500 / 60, rel=0.05)
    uncovered = scaling.apply(volume.array, np.zeros(volume.array.shape, bool))
    assert np.unique(uncovered).tolist() == [np.float32(scaling.background)]


@pytest.mark.parametrize("gain", [0.01, 1.0, 300.0])
def test_scanner_gain_changes_neither_z_scores_nor_enhancement(gain):
    def volumes(factor):
        phases = {"dce_pre": _body(100.0), "dce_early": _body(180.0), "t2": _body(40.0)}
        return {
            c: Volume(v.array * np.float32(factor), v.affine, v.unit) for c, v in phases.items()
        }

    for channel in ("dce_early", "t2"):
        np.testing.assert_allclose(
            _scaled(volumes(gain), channel), _scaled(volumes(1.0), channel), rtol=1e-4, atol=1e-4
        )


def test_phases_of_a_visit_share_the_scale_of_the_first():
    volumes = {"dce_early": _body(180.0, 1.0), "dce_pre": _body(100.0, 1.0)}
    scalings = visit_scalings(volumes, _KINDS)
    assert scalings["dce_early"] == scalings["dce_pre"]
    pre, early = (_scaled(volumes, c)[:10, :10] for c in ("dce_pre", "dce_early"))
    assert np.median(pre) == pytest.approx(1.0, rel=1e-3)
    assert np.median((early - pre) / pre) == pytest.approx(0.8, rel=1e-2)


def test_without_the_pre_contrast_phase_the_first_there_is_sets_the_scale():
    volumes = {"dce_early": _body(180.0, 1.0), "dce_late": _body(150.0, 1.0)}
    assert visit_scalings(volumes, _KINDS)["dce_late"].scale == pytest.approx(180.0, rel=0.01)


def test_bright_outliers_hardly_move_the_scale():
    volume = _body(100.0, 1.0)
    volume.array[3, 3, :] = 1e4
    assert visit_scalings({"dce_pre": volume}, _KINDS)["dce_pre"].scale == pytest.approx(
        100, rel=0.01
    )


@pytest.mark.parametrize("channel", ["t2", "dce_pre"])
def test_an_image_without_contrast_is_refused_naming_the_channel(channel):
    array = np.zeros((10, 10, 10), np.float32)
    array[0, 0, 0] = 1.0
    with pytest.raises(ImageError, match="no contrast") as caught:
        visit_scalings({channel: Volume(array, np.eye(4), "arbitrary")}, _KINDS)
    assert caught.value.field == channel


def test_a_body_without_texture_has_no_z_scores():
    with pytest.raises(ImageError, match="no contrast"):
        visit_scalings({"t2": _body(100.0, 0.0, air=0.0)}, _KINDS)


def test_scaling_is_linear():
    scaled = Scaling(offset=2.0, scale=4.0).apply(
        np.array([[[10.0]]], np.float32), np.array([[[True]]])
    )
    assert scaled.item() == 2.0
    assert scaled.dtype == np.float32


def test_hounsfield_units_keep_their_scale_and_padding_is_air():
    array = np.full((4, 4, 4), 60.0, np.float32)
    array[0], array[1] = -1000.0, -3024.0  # air, and what a scanner writes beyond its circle
    scaling = visit_scalings({"ct": Volume(array, np.eye(4), "HU")}, {"ct": "hu"})["ct"]
    scaled = scaling.apply(array, np.ones(array.shape, bool))
    np.testing.assert_allclose(scaled[:3, 0, 0], [-1.0, -1.0, 0.06], atol=1e-6)
    nowhere = scaling.apply(array, np.zeros(array.shape, bool))
    assert (nowhere == -1.0).all()


def test_a_body_in_a_ct_is_found_above_its_air():
    from pcrnet.imaging.intensity import above_air, body_threshold

    hounsfield = np.full((10, 10, 10), -1000.0, np.float32)
    hounsfield[:5] = 40.0
    above = above_air(hounsfield, "HU")
    assert ((above > body_threshold(above)) == (hounsfield > 0)).all()
    assert above_air(hounsfield, "arbitrary") is hounsfield
