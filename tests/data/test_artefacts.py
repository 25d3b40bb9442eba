"""Artefacts against TorchIO, MONAI and scipy; and what must not change."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from pcrnet.config.augmentation import AugmentationConfig
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.data.artefacts import (
    ChannelPhysics,
    any_artefact,
    apply_artefacts,
    draw_artefacts,
    sensitivity,
)

_SIZE = (9, 11, 7)
_IMAGING = ImagingConfig(
    size=_SIZE, spacing_mm=(4.0, 3.0, 5.0), channels={"ser": "ratio", "b": "adc"}
)
_DATA = DataConfig(
    timepoints=("baseline", "interim"),
    branches={"pet": ("pet",), "mri": ("dce_pre", "dce_early", "t2", "adc", "ser")},
)
_PET, _PRE, _EARLY, _T2, _ADC, _SER = range(6)
_PHYSICS = ChannelPhysics.of(_DATA, _IMAGING)
_ALL = AugmentationConfig(
    gamma=0.5,
    bias_field=0.4,
    artefact_probability=0.7,
    blur_mm=4.0,
    coarsening=2.0,
    gibbs=0.4,
    ghosting=0.5,
)
_FIELDS = ("gamma", "bias_field", "blur_mm", "coarsening", "gibbs", "ghosting")


def _image(batch=1, size=_SIZE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 2, 6, *size, generator=generator) + 0.5


def _still(batch=1):
    return draw_artefacts(AugmentationConfig(), range(batch), 2, 6, 2)


def _apply(image, parameters, imaging=_IMAGING):
    return apply_artefacts(image, parameters, imaging, _PHYSICS)


def _with(name, value, place=(0, 0, 1), **others):
    parameters = _still()
    getattr(parameters, name)[place] = value
    for other, number in others.items():
        getattr(parameters, other)[place] = number
    return parameters


def test_nothing_is_drawn_by_default_and_nothing_changes():
    assert not any_artefact(AugmentationConfig())
    image = _image()
    assert torch.equal(_apply(image, _still()), image)


@pytest.mark.parametrize("name", _FIELDS)
def test_each_strength_alone_is_something_to_draw(name):
    assert any_artefact(AugmentationConfig(**{name: 1.5 if name == "coarsening" else 0.5}))


def test_contrast_is_torchios_gamma_between_the_darkest_and_the_brightest():
    import torchio

    image, log_gamma = _image(), 0.3
    changed = _apply(image, _with("log_gamma", log_gamma, (0, 1, _T2)))
    own = image[0, 1, _T2]
    unit = (own - own.min()) / (own.max() - own.min())
    subject = torchio.Subject(t2=torchio.ScalarImage(tensor=unit[None]))
    expected = torchio.Gamma(float(np.exp(log_gamma)))(subject)["t2"].data[0]
    expected = expected * (own.max() - own.min()) + own.min()
    torch.testing.assert_close(changed[0, 1, _T2], expected, atol=1e-5, rtol=1e-5)


def test_the_field_of_sensitivity_is_torchios():
    from torchio.transforms import BiasField

    for size in ((8, 10, 6), (16, 4, 12)):  # TorchIO's grid wants even sizes
        generator = torch.Generator().manual_seed(1)
        coefficients = torch.rand(20, generator=generator) - 0.5
        expected = BiasField.generate_bias_field(np.zeros((1, *size)), 3, coefficients.tolist())
        np.testing.assert_allclose(sensitivity(coefficients, size).numpy(), expected, rtol=2e-5)


def test_a_field_reaches_the_signals_of_a_visit_alike_and_enhancement_survives():
    image = _image()
    parameters = _still()
    parameters.bias[0, 0] = 0.2 * torch.randn(20, generator=torch.Generator().manual_seed(2))
    changed = _apply(image, parameters)
    for channel in (_PET, _ADC, _SER):
        assert torch.equal(changed[:, :, channel], image[:, :, channel])
    assert torch.equal(changed[0, 1], image[0, 1])
    before, after = (
        (one[0, 0, _EARLY] - one[0, 0, _PRE]) / one[0, 0, _PRE] for one in (image, changed)
    )
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert (changed[0, 0, _PRE] / image[0, 0, _PRE]).std() > 0.05
    ratio = changed[0, 0, _PRE] / image[0, 0, _PRE]
    dark = image[0, 0, _T2].min()
    torch.testing.assert_close(
        changed[0, 0, _T2], dark + (image[0, 0, _T2] - dark) * ratio, atol=1e-4, rtol=1e-4
    )


def test_ringing_is_monais_gibbs_noise():
    from monai.transforms import GibbsNoise

    image = _image()  # of odd sizes: for even ones MONAI's circle lies beside the middle
    changed = _apply(image, _with("gibbs", 0.4))
    for channel in (_PRE, _T2):
        expected = torch.as_tensor(GibbsNoise(0.4)(image[0, 0, channel][None]))[0]
        torch.testing.assert_close(changed[0, 0, channel], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("ghosts", [2, 4])
def test_ghosts_are_torchios(axis, ghosts):
    import torchio

    image = _image()
    changed = _apply(image, _with("ghosting", 0.6, ghosts=ghosts, axis=axis))
    subject = torchio.Subject(t2=torchio.ScalarImage(tensor=image[0, 0, _T2][None]))
    transform = torchio.Ghosting(num_ghosts=ghosts, axis=axis, intensity=0.6, restore=None)
    expected = transform(subject)["t2"].data[0]
    torch.testing.assert_close(changed[0, 0, _T2], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(changed[0, 0, _T2].mean(), image[0, 0, _T2].mean())


@pytest.mark.parametrize("effect", ["gibbs", "ghosting"])
@pytest.mark.parametrize("branch", [0, 1])
def test_k_space_is_the_business_of_mr_signals_of_the_branch(effect, branch):
    image = _image()
    changed = _apply(image, _with(effect, 0.5, (0, 0, branch), ghosts=2))
    touched = {
        channel
        for channel in range(6)
        if not torch.equal(changed[0, 0, channel], image[0, 0, channel])
    }
    assert touched == (set() if branch == 0 else {_PRE, _EARLY, _T2})
    assert torch.equal(changed[0, 1], image[0, 1])


def test_blur_is_scipys_in_millimetres():
    image, blur_mm = _image(), 4.0
    changed = _apply(image, _with("blur_mm", blur_mm))
    deviations = [blur_mm / mm for mm in _IMAGING.spacing_mm]
    for channel in (_T2, _ADC, _SER):
        own = image[0, 0, channel].double().numpy()
        expected = ndimage.gaussian_filter(own, deviations, mode="nearest")
        np.testing.assert_allclose(changed[0, 0, channel].numpy(), expected, atol=1e-5)
    assert torch.equal(changed[0, 0, _PET], image[0, 0, _PET])  # of another branch


def test_voxels_twice_as_coarse_hold_the_means_of_blocks():
    imaging = ImagingConfig(size=(8, 8, 8), channels=_IMAGING.channels)
    image = _image(size=(8, 8, 8))
    blocks = image[0, 0, _T2].reshape(4, 2, 4, 2, 4, 2).mean(dim=(1, 3, 5))
    changed = _apply(image, _with("coarsening", 2.0), imaging)[0, 0, _T2]
    expected = ndimage.zoom(blocks.numpy(), 2, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(changed.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("effect", ["blur_mm", "coarsening"])
def test_an_even_uptake_keeps_its_value(effect):
    image = torch.full((1, 2, 6, *_SIZE), 7.5)
    changed = _apply(image, _with(effect, 2.0, (0, 0, 0)))
    torch.testing.assert_close(changed, image, atol=1e-5, rtol=0)


def test_what_is_drawn_follows_from_the_patients_seed_alone():
    together = draw_artefacts(_ALL, [11, 12, 13], 2, 6, 2)
    for row, seed in enumerate([11, 12, 13]):
        for one, other in zip(draw_artefacts(_ALL, [seed], 2, 6, 2), together, strict=True):
            assert torch.equal(one[0], other[row])


def test_strengths_stay_within_their_bounds_and_come_as_often_as_asked():
    drawn = draw_artefacts(_ALL, range(300), 2, 6, 2)
    assert drawn.log_gamma.abs().max() <= 0.5
    assert drawn.bias.abs().max() <= 0.4
    assert drawn.blur_mm.max() <= 4.0
    assert 1.0 <= drawn.coarsening.min() <= drawn.coarsening.max() <= 2.0
    assert set(drawn.axis.unique().tolist()) == {0, 1, 2}
    assert set(drawn.ghosts.unique().tolist()) == {2, 3, 4, 5}
    for values in (drawn.blur_mm > 0, drawn.gibbs > 0, drawn.ghosting > 0, drawn.coarsening > 1):
        assert abs(values.double().mean() - 0.7) < 4 * np.sqrt(0.21 / values.numel())


@pytest.mark.parametrize("name", _FIELDS)
def test_changing_one_strength_changes_nothing_else(name):
    none = 1.0 if name == "coarsening" else 0.0
    before = draw_artefacts(_ALL, range(8), 2, 6, 2)
    after = draw_artefacts(_ALL.model_copy(update={name: none}), range(8), 2, 6, 2)
    changed = {
        field
        for field, one, other in zip(before._fields, before, after, strict=True)
        if not torch.equal(one, other)
    }
    assert changed == {{"gamma": "log_gamma", "bias_field": "bias"}.get(name, name)}


def test_a_patient_is_changed_alike_in_any_company():
    image = _image(batch=3)
    together = _apply(image, draw_artefacts(_ALL, [1, 2, 3], 2, 6, 2))
    alone = _apply(image[1:2], draw_artefacts(_ALL, [2], 2, 6, 2))
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-5)


def test_nothing_given_is_changed_in_place():
    image = _image(batch=2)
    before = image.clone()
    assert torch.isfinite(_apply(image, draw_artefacts(_ALL, [5, 6], 2, 6, 2))).all()
    assert torch.equal(image, before)
