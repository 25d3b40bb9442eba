"""Made-up patients on whom graph and bundle must agree: every pattern of absence that is admitted.

Shapes: T timepoints, C channels, X Y Z voxels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcrnet.cohort.outcome import Outcome
from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ChannelKind, ImagingConfig
from pcrnet.data.clinical import ClinicalEncoding, NumericEncoding
from pcrnet.deploy.export.spec import GraphSpec, encoding_of
from pcrnet.imaging.quantify.record import Quantities, QuantityFlags
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.rivals.tabular import TabularModel

Presence = NDArray[np.bool_]

_EACH = 5
_SPLITS = ((5,), (1, 4), (2, 3), (1, 1, 3))
_UNKNOWN = 0.15
_JUNK = 6e4


@dataclass(frozen=True, eq=False)
class Case:
    """A few patients who go through a model together.

    Attributes:
        name: What is absent of them.
        patients: With covariates and nothing else.
        tensors: Their scans, days and quantities.
    """

    name: str
    patients: tuple[Patient, ...]
    tensors: tuple[PatientTensor, ...]


def presence_patterns(data: DataConfig) -> dict[str, Presence]:
    """Every pattern (T, C) that must be tried: name to scans that are there.

    All scans; each scan absent in turn; each visit alone; each channel alone; a single scan. Those
    with fewer scans than the minimum are left out.
    """
    shape = (len(data.timepoints), len(data.channels))
    whole = np.ones(shape, dtype=bool)
    patterns = {"all scans": whole}
    for row, timepoint in enumerate(data.timepoints):
        for column, channel in enumerate(data.channels):
            patterns[f"without {timepoint}.{channel}"] = whole & ~_one(shape, row, column)
    for row, timepoint in enumerate(data.timepoints):
        patterns[f"{timepoint} alone"] = _rows(shape, row)
    for column, channel in enumerate(data.channels):
        patterns[f"{channel} alone"] = _rows(shape[::-1], column).T
    patterns[f"{data.timepoints[0]}.{data.channels[0]} alone"] = _one(shape, 0, 0)
    return {name: there for name, there in patterns.items() if there.sum() >= data.minimum_scans}


def made_up_cases(spec: GraphSpec, start: object, seed: int = 20240) -> Iterator[Case]:
    """Patients of every pattern, in batches of one to five, then such with any scans whatever.

    Args:
        spec: What the graph is given.
        start: The start of the model: quantities are drawn as it has met them.
        seed: Of the patients.
    """
    maker = _Maker(spec, start, np.random.default_rng(seed))
    for index, (name, there) in enumerate(presence_patterns(spec.data).items()):
        for size in _SPLITS[index % len(_SPLITS)]:
            yield maker.case(name, [there] * size)
    for size in range(1, _EACH + 1):
        yield maker.case(f"any scans, batch of {size}", [maker.some() for _ in range(size)])


@dataclass(frozen=True, eq=False)
class _Maker:
    spec: GraphSpec
    start: object
    generator: np.random.Generator

    def case(self, name: str, patterns: Sequence[Presence]) -> Case:
        return Case(
            name,
            tuple(self._patient() for _ in patterns),
            tuple(self._tensor(there) for there in patterns),
        )

    def some(self) -> Presence:
        """Scans (T, C), at random but no fewer than the minimum."""
        data = self.spec.data
        there = self.generator.random((len(data.timepoints), len(data.channels))) < 0.6
        order = self.generator.permutation(there.size)
        flat = there.ravel()
        flat[order[: data.minimum_scans]] = True
        return flat.reshape(there.shape)

    def _patient(self) -> Patient:
        encodings = [encoding_of(self.spec.start_encoding), *map(encoding_of, self.spec.encodings)]
        return Patient("made-up", 0, None, {}, Outcome(), self._covariates(encodings))

    def _covariates(self, encodings: Sequence[ClinicalEncoding]) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for encoding in encodings:
            for covariate in encoding.covariates:
                if self.generator.random() < _UNKNOWN:
                    found.setdefault(covariate.name, None)
                elif isinstance(covariate, NumericEncoding):
                    value = self.generator.normal(covariate.mean, covariate.deviation)
                    found.setdefault(covariate.name, repr(float(value)))
                else:
                    words = [*covariate.categories, "none of them"]
                    found.setdefault(covariate.name, str(self.generator.choice(words)))
        return found

    def _tensor(self, there: Presence) -> PatientTensor:
        data, imaging = self.spec.data, self.spec.imaging
        days = np.cumsum(self.generator.uniform(1.0, 60.0, len(data.timepoints))) - 30.0
        days[self.generator.random(len(days)) < _UNKNOWN] = math.nan
        if self.spec.encodings:
            image = self._image(there, data, imaging)
        else:
            image = np.zeros((*there.shape, 1, 1, 1), np.float16)
        return PatientTensor(
            image=image,
            present=there.copy(),
            days=days.astype(np.float32),
            centre_mm=np.zeros(3),
            crop="body",
            quantities=Quantities(
                self._quantities(days), QuantityFlags("none", None, math.nan, {}, ())
            ),
        )

    def _image(
        self, there: Presence, data: DataConfig, imaging: ImagingConfig
    ) -> NDArray[np.float16]:
        image = np.empty((*there.shape, *imaging.size), dtype=np.float16)
        for column, channel in enumerate(data.channels):
            kind = imaging.channel_kind(channel)
            for row in range(len(there)):
                # What is absent may hold anything.
                image[row, column] = (
                    _voxels(kind, imaging.size, self.generator)
                    if there[row, column]
                    else self.generator.choice([0.0, _JUNK, math.nan])
                )
        return image

    def _quantities(self, days: NDArray[np.float64]) -> dict[str, float]:
        if not isinstance(self.start, TabularModel):
            return {}
        values: dict[str, float] = {}
        standard = self.start.standardisation
        for index, spec in enumerate(self.start.specs):
            spread = float(standard.spread[index])
            # One in five lies beyond what the model believes.
            scale = self.generator.choice([1.0, 1.0, 1.0, 1.0, 8.0])
            value = self.generator.normal(
                float(standard.centre[index]), scale * spread if math.isfinite(spread) else 1.0
            )
            values[spec.name] = math.nan if self.generator.random() < _UNKNOWN else float(value)
        # Days are measured with the visits; a quantity of an absent scan may hold anything.
        for timepoint, day in zip(self.spec.data.timepoints, days, strict=True):
            values[f"{timepoint}.days"] = float(day)
        return values


def _voxels(
    kind: ChannelKind, size: tuple[int, int, int], generator: np.random.Generator
) -> NDArray[np.float64]:
    level = generator.uniform(0.5, 2.0)
    if kind == "zscore":
        return level * generator.normal(size=size)
    if kind == "adc":
        return generator.uniform(0.0, 3.0, size)
    return level * generator.gamma(1.5, 1.0, size)


def _one(shape: tuple[int, ...], row: int, column: int) -> Presence:
    there = np.zeros(shape, dtype=bool)
    there[row, column] = True
    return there


def _rows(shape: tuple[int, ...], row: int) -> Presence:
    there = np.zeros(shape, dtype=bool)
    there[row] = True
    return there
