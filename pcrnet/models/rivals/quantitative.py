"""Ridge regression on measured quantities and the clinical covariates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pcrnet.config.kinds import ModelKind, ModelSettings

if TYPE_CHECKING:
    from pcrnet.config.data import DataConfig
    from pcrnet.config.imaging import ImagingConfig
    from pcrnet.models.contract import FitRequest, FittedModel


class QuantitativeConfig(ModelSettings):
    """Ridge regression on measured quantities and the clinical covariates."""

    title: ClassVar[str] = "the model of measured quantities"
    kind: Literal["quantitative"] = "quantitative"

    @property
    def moderated(self) -> bool:
        """As every ridge."""
        return True


def _fit(config: QuantitativeConfig, request: FitRequest) -> FittedModel:
    from pcrnet.models.rivals.tabular import TabularModel

    return TabularModel.fit(request, quantities=True)


def _read(
    path: Path, config: QuantitativeConfig, data: DataConfig, imaging: ImagingConfig
) -> FittedModel:
    from pcrnet.models.rivals.tabular import TabularModel

    return TabularModel.read(path, data, imaging)


KIND = ModelKind(
    QuantitativeConfig,
    made="Ridge regression on measured quantities and clinical covariates.",
    fit=_fit,
    read=_read,
)
