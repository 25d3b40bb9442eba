"""Where in each scan the prediction rests: a block is made like near tissue, and all is done again.

A block of one registered scan is replaced by the patient's own level of near tissue in that scan.
Then everything that the model uses is measured anew where the lesion was found before, the model
and its calibrator answer again, and the block's worth is what its content had added to the
log-odds. Blocks that matter are divided. A scan that is absent has no blocks.

Shapes: (x, y, z) voxels of the fine grid around the lesion.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pcrnet.applicability.scrutiny import OneTensor
from pcrnet.cohort.outcome import Head
from pcrnet.cohort.table import Patient
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.decision.calibrators import Calibrator
from pcrnet.explain.remembered import remembered_encodings
from pcrnet.explain.target import log_odds
from pcrnet.imaging.grid import Grid
from pcrnet.imaging.intensity import visit_scalings
from pcrnet.imaging.patient_scans import PatientScans
from pcrnet.imaging.quantify.measure import Survey, measure_survey
from pcrnet.imaging.quantify.place import Place, Region, voxel_centres_mm
from pcrnet.imaging.quantify.sampled import Sampled, near_level
from pcrnet.imaging.quantify.specs import Channels
from pcrnet.imaging.quantify.visit import VisitFields, fields_of, measure_visit
from pcrnet.imaging.tensors.preprocess import PatientTensor
from pcrnet.models.contract import FittedModel

FloatMap = NDArray[np.float32]
Mask = NDArray[np.bool_]

BLOCK_MM = 20.0
_ASKED_MM = 8.0  # around the lesion; what lies farther counts as background, by its median
_DIVIDED = 6  # of the blocks of a scan, the ones that matter most
_SPOT_MM = 24.0


@dataclass(frozen=True, eq=False)
class BlockQuestion:
    """All that is needed to ask what a block is worth.

    Attributes:
        model: The bundle's.
        calibrator: The bundle's.
        head: Whose log-odds are explained.
        patient: Who is predicted.
        tensor: What the model was shown.
        scans: The scans as they came.
        survey: The same where they are measured.
        data: Timepoints and channels.
        imaging: Grid and intensity rules.
    """

    model: FittedModel
    calibrator: Calibrator
    head: Head
    patient: Patient
    tensor: PatientTensor
    scans: PatientScans
    survey: Survey
    data: DataConfig
    imaging: ImagingConfig

    def answer(self, tensor: PatientTensor) -> float:
        """Log-odds of the head, were the model shown this tensor."""
        logits = self.model.logits([self.patient], OneTensor(tensor))
        return float(log_odds(self.calibrator, logits, self.head)[0])


@dataclass(frozen=True, eq=False)
class OcclusionMap:
    """What the content of one scan adds, place by place.

    Attributes:
        timepoint: Of the scan.
        channel: Of the scan.
        density: Log-odds per millilitre (x, y, z) on the fine grid; 0 where nothing was asked.
        spots: Boxes beyond the fine grid, in millimetres of the first visit, with the log-odds per
            millilitre of each: where hot spots lay.
        grid: The fine grid, in millimetres of the first visit.
    """

    timepoint: str
    channel: str
    density: FloatMap
    spots: tuple[tuple[NDArray[np.float64], NDArray[np.float64], float], ...]
    grid: Grid

    @property
    def strongest(self) -> float:
        """The greatest log-odds per millilitre, whatever its sign."""
        return max([float(np.abs(self.density).max()), *(abs(worth) for *_, worth in self.spots)])


def occlusion_maps(
    question: BlockQuestion,
    *,
    block_mm: float = BLOCK_MM,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[OcclusionMap]:
    """One map for each scan that is measured; none without a lesion.

    Args:
        question: Model, patient and scans.
        block_mm: Edge of the first blocks; those that matter most are divided into eight.
        progress: Told after each scan.
    """
    survey = question.survey
    if survey.place is None or survey.region is None:
        return []
    places = [(t, c) for t, visit in survey.visits.items() for c in visit.lesion]
    maps = []
    with remembered_encodings(question.model):
        occluder = _Occluder(question, survey.place, survey.region)
        for done, (timepoint, channel) in enumerate(places, start=1):
            maps.append(occluder.map_of(timepoint, channel, block_mm))
            progress(done, len(places))
    return maps


@dataclass(frozen=True, eq=False)
class _Block:
    """A box of one scan, from ``low`` to ``high`` (3,) in millimetres, and what fills it."""

    timepoint: str
    channel: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float


class _Occluder:
    """Asks for one block after the other; what a block cannot change is measured once."""

    def __init__(self, question: BlockQuestion, place: Place, region: Region) -> None:
        self._question = question
        self._place = place
        self._region = region
        self._channels = Channels.of(question.data, question.imaging)
        self._found = {
            t: measure_visit(visit, place, self._channels)
            for t, visit in question.survey.visits.items()
        }
        self._before = question.answer(question.tensor)
        self._looks = question.model.needs()

    def map_of(self, timepoint: str, channel: str, block_mm: float) -> OcclusionMap:
        place = self._place
        scan = self._question.survey.visits[timepoint].lesion[channel]
        density = np.zeros(scan.values.shape, dtype=np.float32)
        level = near_level(scan, place)
        spots: list[tuple[NDArray[np.float64], NDArray[np.float64], float]] = []
        if np.isfinite(level):
            asked = place.outside_mm <= _ASKED_MM
            worth = {
                box: self._worth(timepoint, channel, box, level)
                for box in _boxes(scan.values.shape, block_mm / place.spacing_mm, asked)
            }
            for box in sorted(worth, key=lambda box: -abs(worth[box]))[:_DIVIDED]:
                if worth[box] == 0.0:
                    continue
                for inner in _halves(box, asked):
                    worth[inner] = self._worth(timepoint, channel, inner, level)
            for box, value in worth.items():  # the parts come after the whole, and replace it
                density[_slices(box)] = value / (_size(box) * place.voxel_ml)
            spots = list(self._spots(timepoint, channel, level))
        return OcclusionMap(timepoint, channel, density, tuple(spots), place.grid)

    def _worth(self, timepoint: str, channel: str, box: _Box, level: float) -> float:
        low, high = _corners_mm(box, self._place.grid)
        return self._worth_of(_Block(timepoint, channel, low, high, level))

    def _spots(
        self, timepoint: str, channel: str, level: float
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
        """Hot spots beyond the fine grid, which count as nodes."""
        found = self._question.survey.visits[timepoint].spots.get(channel)
        if found is None:
            return
        for i, j, k in found.peaks:
            centre = self._region.points_mm[:, i, j, k]
            low, high = centre - _SPOT_MM / 2, centre + _SPOT_MM / 2
            worth = self._worth_of(_Block(timepoint, channel, low, high, level))
            yield low, high, worth / (_SPOT_MM**3 / 1000.0)

    def _worth_of(self, block: _Block) -> float:
        question = self._question
        tensor = question.tensor
        if self._looks.quantities:
            tensor = replace(
                tensor,
                quantities=replace(
                    tensor.quantities,
                    values={
                        **tensor.quantities.values,
                        **self._measured(block),
                    },
                ),
            )
        if self._looks.scans:
            image = self._image(block)
            tensor = replace(tensor, image=image)
        return self._before - question.answer(tensor)

    def _measured(self, block: _Block) -> dict[str, float]:
        question, survey = self._question, self._question.survey
        timepoint, channel = block.timepoint, block.channel
        visit = survey.visits[timepoint]
        lesion = {**visit.lesion}
        lesion[channel] = _filled(lesion[channel], self._place.points_mm, block)
        around = {**visit.around}
        if channel in around:
            around[channel] = _filled(around[channel], self._region.points_mm, block)
        fields = fields_of(lesion, around, self._place, self._region, self._channels)
        visits: Mapping[str, VisitFields] = {**survey.visits, timepoint: fields}
        known = {t: found for t, found in self._found.items() if t != timepoint}
        changed = replace(survey, visits=visits)
        return measure_survey(changed, question.data, question.imaging, known)

    def _image(self, block: _Block) -> NDArray[np.float16]:
        question = self._question
        data, imaging = question.data, question.imaging
        kinds = {name: imaging.channel_kind(name) for name in data.channels}
        timepoint, channel = block.timepoint, block.channel
        scaling = visit_scalings(question.scans.volumes[timepoint], kinds)[channel]
        shown = (block.level - scaling.offset) / scaling.scale
        grid = Grid.centred(question.tensor.centre_mm, imaging.spacing_mm, imaging.size)
        inside = _within(voxel_centres_mm(grid), block)
        image = np.array(question.tensor.image)
        image[data.timepoints.index(timepoint), data.channels.index(channel)][inside] = shown
        return image


_Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def _filled(scan: Sampled, points_mm: NDArray[np.float64], block: _Block) -> Sampled:
    inside = _within(points_mm, block) & scan.covered
    values = np.where(inside, block.level, scan.values)
    return Sampled(values, scan.covered, scan.tissue | inside)


def _within(points_mm: NDArray[np.float64], block: _Block) -> Mask:
    bounds = (block.low.reshape(3, 1, 1, 1), block.high.reshape(3, 1, 1, 1))
    return np.asarray(((points_mm >= bounds[0]) & (points_mm < bounds[1])).all(axis=0))


def _boxes(shape: tuple[int, ...], edge: float, asked: Mask) -> Iterator[_Box]:
    cuts = [_cuts(0, size, max(1, round(size / edge))) for size in shape]
    for x in cuts[0]:
        for y in cuts[1]:
            for z in cuts[2]:
                if asked[_slices((x, y, z))].any():
                    yield (x, y, z)


def _halves(box: _Box, asked: Mask) -> Iterator[_Box]:
    parts = [_cuts(start, stop, 2 if stop - start > 1 else 1) for start, stop in box]
    for x in parts[0]:
        for y in parts[1]:
            for z in parts[2]:
                if asked[_slices((x, y, z))].any():
                    yield (x, y, z)


def _cuts(start: int, stop: int, parts: int) -> list[tuple[int, int]]:
    edges = np.linspace(start, stop, parts + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges) if b > a]


def _slices(box: _Box) -> tuple[slice, slice, slice]:
    (a, b), (c, d), (e, f) = box
    return slice(a, b), slice(c, d), slice(e, f)


def _size(box: _Box) -> int:
    return int(np.prod([stop - start for start, stop in box]))


def _corners_mm(box: _Box, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Half a voxel beyond the outermost centres."""
    spacing, origin = np.diag(grid.affine)[:3], grid.affine[:3, 3]
    start, stop = (np.array([edge[end] for edge in box]) for end in (0, 1))
    return origin + (start - 0.5) * spacing, origin + (stop - 0.5) * spacing
