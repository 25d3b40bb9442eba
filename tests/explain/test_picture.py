"""Pictures of what is known: bars that name their subjects, panels that name what is absent."""

from types import SimpleNamespace

import numpy as np
import pytest

from pcrnet.explain.contributions import Breakdown, Contribution
from pcrnet.explain.occlusion import OcclusionMap
from pcrnet.explain.picture import maps_picture, subjects_picture

_PNG = b"\x89PNG"


def _breakdown(values):
    terms = tuple(
        Contribution(f"q{i}", subject, 1.0, 1.0, value, value / 2, True)
        for i, (subject, value) in enumerate(values)
    )
    return Breakdown(np.zeros(3), np.zeros(3), terms, np.array([0.1, 0.2, 0.3]))


@pytest.mark.parametrize("values", [[("uptake", 0.4), ("change", -0.7)], [("uptake", 0.0)], []])
def test_bars_are_drawn_whatever_the_terms(values):
    assert subjects_picture(SimpleNamespace(breakdown=_breakdown(values))).startswith(_PNG)


def test_maps_are_drawn_also_where_they_are_nothing(case):
    grid = case.survey.place.grid
    maps = tuple(
        OcclusionMap(t, c, np.full(grid.shape, worth, np.float32), (), grid)
        for t, c, worth in (("a", "pet", 0.1), ("a", "t2", 0.0), ("b", "pet", 0.0))
    )
    shown = SimpleNamespace(occlusion=maps, survey=case.survey, head="yT0")
    assert maps_picture(shown).startswith(_PNG)
    assert maps_picture(SimpleNamespace(occlusion=(), survey=case.survey, head="yT0")) is None
