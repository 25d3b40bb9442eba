"""The trial's protocol: what is confirmed, against what, in which order. A YAML file, frozen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from pcrnet.cohort.outcome import Head
from pcrnet.config.plain_yaml import read_yaml
from pcrnet.config.section import Name, PositiveInt, Section
from pcrnet.errors import ConfigError
from pcrnet.run_layout import PREDICTIONS_FILE, VARIANT_KINDS

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class Accuracy(Section):
    """A pair of sensitivity and specificity for complete response."""

    sensitivity: Share
    specificity: Share


class PlannedAnalysis(Section):
    """Which scans the predictions rest on, and which table of the run holds them."""

    timepoints: tuple[Name, ...] = Field(min_length=1)
    table: str = Field(
        PREDICTIONS_FILE,
        pattern=rf"^({re.escape(PREDICTIONS_FILE)}|({'|'.join(VARIANT_KINDS)})/[\w.-]+\.csv)$",
    )


class SecondaryEndpoint(Section):
    """An outcome that is estimated with its interval and not tested."""

    head: Head
    analysis: Name


class CoprimaryEndpoint(Section):
    """Sensitivity and specificity of one outcome, both of which must exceed their null values."""

    head: Head
    analysis: Name
    nulls: Accuracy
    assumed: Accuracy
    """What the sample size was planned with."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (
            self.assumed.sensitivity <= self.nulls.sensitivity
            or self.assumed.specificity <= self.nulls.specificity
        ):
            raise ValueError("the assumed accuracy must lie above the null values")
        return self


class Protocol(Section):
    """The confirmatory analysis, fixed before the data are seen."""

    title: str = Field(min_length=1)
    registration: str | None = None
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.025
    """One-sided level of every test; intersection-union and fixed sequence need no split."""
    patients: PositiveInt
    """Planned number of patients."""
    response_rate: Share
    """Planned rate of complete response."""
    analyses: dict[Name, PlannedAnalysis] = Field(min_length=1)
    coprimary: tuple[CoprimaryEndpoint, ...] = Field(min_length=1)
    """In the order of testing: each is tested only when all before it were met."""
    secondary: tuple[SecondaryEndpoint, ...] = ()
    ledger: Annotated[Path, Field(strict=False)] | None = None
    """JSON file, relative to the protocol, of who opened the locked test set; null: none is
    locked."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = [(endpoint.head, endpoint.analysis) for endpoint in self.coprimary]
        named += [(endpoint.head, endpoint.analysis) for endpoint in self.secondary]
        for head, analysis in named:
            if analysis not in self.analyses:
                raise ValueError(
                    f"the endpoint on {head} names the analysis {analysis!r}, "
                    f"which is not among {', '.join(self.analyses)}"
                )
        return self


def read_protocol(path: Path) -> Protocol:
    """Read the trial's protocol.

    Raises:
        ConfigError: The file cannot be read, or does not describe a protocol.
    """
    values = read_yaml(path)
    try:
        protocol = Protocol.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(
            "- "
            + ": ".join((*map(str, detail["loc"]), detail["msg"].removeprefix("Value error, ")))
            for detail in error.errors()
        )
        raise ConfigError(
            f"does not describe a trial's endpoints:\n{problems}",
            file=path,
            remedy="configs/protocols/NCT06708910.yaml shows every key",
        ) from error
    if protocol.ledger is None:
        return protocol
    return protocol.model_copy(update={"ledger": path.parent / protocol.ledger})
