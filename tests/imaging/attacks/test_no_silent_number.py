"""Whatever single tag a PET lacks, or holds nonsense in, its SUV is the same or it is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from pcrnet.errors import PcrnetError
from pcrnet.imaging.reader import read_scan

pytestmark = pytest.mark.slow
MakeSlice = Callable[..., Dataset]
SaveSeries = Callable[..., Path]

KINDS: dict[str, dict[str, Any]] = {
    "start": {},
    "injection": {"DecayCorrection": "ADMIN"},
    "undecayed": {"DecayCorrection": "NONE"},
    "made anew": {"SeriesTime": "150000"},
    "lean": {"Units": "GML", "SUVType": "LBMJAMES128"},
    "surface": {"Units": "CM2ML", "SUVType": "BSA"},
}
MEANT = {
    ("lean", "SUVType"): "g/mL without a type is SUVbw by the standard",
}
"""Tags whose absence gives another number, and why that is no mistake."""


def places(header: Dataset, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every element of a data set, into sequences."""
    for element in header:
        if element.keyword != "PixelData":
            yield (*path, element.keyword)
        if element.VR == "SQ":
            for n, item in enumerate(element.value):
                yield from places(item, (*path, element.keyword, n))


def follow(header: Dataset, path: tuple[Any, ...]) -> Dataset:
    for step in path[:-1]:
        header = header[step].value if isinstance(step, str) else header[step]
    return header


def suv_or_refusal(folder: Path) -> np.ndarray | None:
    try:
        return read_scan(folder, "pet").volume.array
    except PcrnetError:
        return None


@pytest.fixture
def slices_of(make_slice: MakeSlice, make_enhanced: MakeSlice) -> Callable[[str], list[Dataset]]:
    def build(kind: str) -> list[Dataset]:
        if kind.startswith("enhanced"):
            return [make_enhanced(build(kind.removeprefix("enhanced ")))]
        scale = 0.02 if KINDS[kind].get("Units") else 20.0
        return [
            make_slice(k, "PT", RescaleSlope=scale, RescaleIntercept=0.0, **KINDS[kind])
            for k in range(3)
        ]

    return build


@pytest.mark.parametrize("kind", [*KINDS, "enhanced start", "enhanced undecayed"])
def test_a_missing_tag_changes_no_number(
    slices_of: Callable[[str], list[Dataset]], save_series: SaveSeries, kind: str
) -> None:
    slices = slices_of(kind)
    whole = suv_or_refusal(save_series(slices, "whole"))
    assert whole is not None
    refused = set()
    for number, path in enumerate(places(slices[0])):
        without = deepcopy(slices)
        for header in without:
            del follow(header, path)[path[-1]]
        found = suv_or_refusal(save_series(without, f"{number}"))
        if found is None:
            refused.add(path[-1])
        elif (kind, path[-1]) not in MEANT:
            assert np.allclose(found, whole, rtol=1e-6), path
    needed = {"RealWorldValueSlope", "AttenuationCorrected", "DecayCorrected"}
    assert (needed if kind.startswith("enhanced") else {"Units", "RescaleSlope"}) <= refused


@pytest.mark.parametrize("nonsense", ["", "NONSENSE", "-1"])
def test_nonsense_in_a_tag_changes_no_number(
    slices_of: Callable[[str], list[Dataset]], save_series: SaveSeries, nonsense: str
) -> None:
    slices = slices_of("start")
    whole = suv_or_refusal(save_series(slices, "whole"))
    for number, path in enumerate(places(slices[0])):
        spoilt = deepcopy(slices)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for header in spoilt:
                holder = follow(header, path)
                del holder[path[-1]]
                holder.add_new(path[-1], "LO", nonsense)
            folder = save_series(spoilt, f"{number}")
        found = suv_or_refusal(folder)
        if found is not None and path[-1] != "RescaleIntercept":  # where -1 is none
            assert np.allclose(found, whole, rtol=1e-6), path
