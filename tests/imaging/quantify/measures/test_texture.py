"""Textures against published values: the IBSI digital phantom and pyradiomics' baseline."""

import ast
import csv

import numpy as np
import pytest

from pcrnet.imaging.quantify.measures.texture import cooccurrence, fixed_bin_number, measure_texture

_0 = 0
# The digital phantom of the IBSI reference manual, slice by slice; 0 is outside its mask.
_PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [_0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, _0, _0], [1, 1, 1, 1, 1], [1, 1, _0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, _0, _0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ]
).transpose(2, 1, 0)


def test_the_ibsi_phantom_has_the_consensus_values():
    """3D, averaged over directions (IBSI reference manual, section 3.6)."""
    found = cooccurrence(_PHANTOM)
    assert found["joint_entropy"] == pytest.approx(2.40, abs=0.005)
    assert found["contrast"] == pytest.approx(5.32, abs=0.005)
    assert found["correlation"] == pytest.approx(0.157, abs=0.0005)
    assert found["inverse_difference"] == pytest.approx(0.677, abs=0.0005)
    assert found["angular_second_moment"] == pytest.approx(0.303, abs=0.0005)


@pytest.mark.parametrize("case", ["breast1", "breast1_FBN"])
def test_a_real_breast_lesion_has_pyradiomics_values(test_data, case):
    import SimpleITK

    folder = test_data / "pyradiomics_breast1"
    with (folder / "baseline_glcm.csv").open() as file:
        expected = {row["featureName"]: row[case] for row in csv.DictReader(file)}
    settings = ast.literal_eval(expected["diagnostics_Configuration_Settings"])
    image, label = (
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / f"breast1_{name}.nrrd")))
        for name in ("image", "label")
    )
    mask = label == 1
    if settings.get("binCount"):
        levels = fixed_bin_number(image.astype(np.float64), mask, settings["binCount"])
    else:
        # Fixed bin width: pyradiomics lays the edges on multiples of the width.
        bins = image // settings["binWidth"]
        levels = np.where(mask, bins - bins[mask].min() + 1, 0).astype(np.int64)
    found = cooccurrence(levels)
    for ours, theirs in (
        ("joint_entropy", "JointEntropy"),
        ("contrast", "Contrast"),
        ("correlation", "Correlation"),
        ("inverse_difference", "Id"),
        ("angular_second_moment", "JointEnergy"),
    ):
        assert found[ours] == pytest.approx(float(expected[f"original_glcm_{theirs}"]), rel=1e-6)


def test_textures_do_not_change_with_gain_offset_or_mirroring():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(9, 8, 7))
    mask = rng.random(values.shape) < 0.8
    found = measure_texture(values, mask)
    assert measure_texture(7.0 * values + 2.0, mask) == pytest.approx(found)
    assert measure_texture(values[::-1], mask[::-1]) == pytest.approx(found)
    assert np.isnan(list(measure_texture(values, np.zeros_like(mask)).values())).all()
