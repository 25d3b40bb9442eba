"""Settings of the run, its patients and their outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pcrnet.config.section import (
    Distinct,
    Fraction,
    Name,
    NonNegativeInt,
    Positive,
    PositiveInt,
    RunName,
    Section,
)


class RunConfig(Section):
    """Where the run is written and what its random numbers start from."""

    name: RunName = "simulated"
    """Name of the run and of its folder."""
    root: str = "runs"
    """Folder of all runs."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Start of every random number: folds, weights, order of patients, augmentation."""

    @property
    def directory(self) -> Path:
        """The run directory, ``<root>/<name>``."""
        return Path(self.root) / self.name


class SimulationConfig(Section):
    """The in-silico trial that stands in where no cohort is given."""

    world: Literal["amount", "pattern"] = "amount"
    """What tells response: how much is left of the tumour, or where in its bed it lies."""
    patients: Annotated[int, Field(ge=10)] = 240
    """How many are simulated."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 2024
    """Another seed, another trial."""
    sites: PositiveInt = 3
    """Centres, each with a scanner of its own."""
    missing_scan_fraction: Fraction = 0.05
    """Chance that any one scan after the first PET was not acquired."""
    mri_spacing_mm: Positive = 2.5
    """In-plane voxel of the MRI; PET, slices and ADC follow from it as on real scanners."""


class DataConfig(Section):
    """Which patients, scans and covariates enter."""

    cohort: str | None = None
    """Path of ``cohort.csv``; null simulates a trial by ``data.simulation``."""
    simulation: SimulationConfig = SimulationConfig()
    timepoints: tuple[Name, ...] = ("baseline", "interim")
    """In order of time; the first is the reference for geometry."""
    branches: dict[Name, tuple[Name, ...]] = Field(
        default={"pet": ("pet",), "mri": ("dce_pre", "dce_early", "dce_late", "t2", "adc")}
    )
    """Branch to its channels. Each branch has an encoder of its own."""
    covariates: Distinct[str] | None = None
    """Columns of the cohort used as clinical covariates; null: those of the simulated trial, none
    of a real cohort."""
    minimum_scans: PositiveInt = 1
    """A patient with fewer scans than this is refused, in training and in prediction."""
    cache: str | None = None
    """Folder of the preprocessed tensors; null: ``<run.root>/cache``."""
    workers: NonNegativeInt = 0
    """Loader processes. The cohort is memory-mapped, so 0 is the fastest on most machines."""

    @property
    def channels(self) -> tuple[str, ...]:
        """All channels, branch by branch."""
        return tuple(channel for channels in self.branches.values() for channel in channels)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.timepoints or len(set(self.timepoints)) != len(self.timepoints):
            raise ValueError("timepoints must name at least one timepoint, each once")
        if not self.branches or not all(self.branches.values()):
            raise ValueError("branches must name at least one branch, each with a channel or more")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("a channel belongs to one branch only")
        if self.minimum_scans > len(self.timepoints) * len(self.channels):
            raise ValueError("minimum_scans exceeds timepoints × channels: nobody could enter")
        return self


class OutcomeConfig(Section):
    """How complete response of the breast is defined; the two definitions never mix."""

    definition: Literal["ypT0", "ypT0/is"] = "ypT0"
    """ypT0: in situ residue is residual disease; ypT0/is: it counts as response, as in I-SPY 2."""
