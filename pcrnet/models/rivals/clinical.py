"""Ridge regression on the clinical covariates alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pcrnet.config.kinds import ModelKind, ModelSettings

if TYPE_CHECKING:
    from pcrnet.config.data import DataConfig
    from pcrnet.config.imaging import ImagingConfig
    from pcrnet.models.contract import FitRequest, FittedModel


class ClinicalConfig(ModelSettings):
    """Ridge regression on the clinical covariates alone."""

    title: ClassVar[str] = "the clinical model"
    kind: Literal["clinical"] = "clinical"

    @property
    def moderated(self) -> bool:
        """As every ridge."""
        return True


def _fit(config: ClinicalConfig, request: FitRequest) -> FittedModel:
    from pcrnet.models.rivals.tabular import TabularModel

    return TabularModel.fit(request, quantities=False)


def _read(
    path: Path, config: ClinicalConfig, data: DataConfig, imaging: ImagingConfig
) -> FittedModel:
    from pcrnet.models.rivals.tabular import TabularModel

    return TabularModel.read(path, data, imaging)


KIND = ModelKind(
    ClinicalConfig,
    made="Ridge regression on clinical covariates.",
    fit=_fit,
    read=_read,
    rests_on_scans=False,
)
