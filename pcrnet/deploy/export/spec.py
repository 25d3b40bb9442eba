"""The plan of a graph as plain data: all of a bundle but its arrays of numbers.

With the state of a graph it is the whole graph, so that a graph can be built where there is no
bundle: in a MONAI bundle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError

from pcrnet.cohort.outcome import Head
from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import ModelConfig
from pcrnet.config.section import Fraction, Section
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.inputs import GraphInputs
from pcrnet.errors import ExportError, IntegrityError
from pcrnet.imaging.quantify.specs import QuantitySpec, quantity_specs
from pcrnet.models.network_model import NetworkModel
from pcrnet.models.rivals.tabular import TabularModel
from pcrnet.storage import read_record

_RESTORE = "export the bundle again"


class GraphSpec(Section):
    """What a graph is built from."""

    data: DataConfig
    imaging: ImagingConfig
    model: ModelConfig
    start: Literal["tabular", "frequencies"]
    quantities: tuple[str, ...]
    """Of the start, in its order."""
    start_encoding: tuple[dict[str, Any], ...]
    encodings: tuple[tuple[dict[str, Any], ...], ...]
    """Of each network."""
    calibrator: dict[str, Any]
    operating_points: dict[Head, Fraction | None]

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """The plan of a bundle's graph.

        Raises:
            ExportError: The model looks at nothing, or is of a kind that has no graph.
        """
        model, manifest = bundle.model, bundle.manifest
        start = model.start if isinstance(model, NetworkModel) else model
        encodings = model.encodings if isinstance(model, NetworkModel) else ()
        if isinstance(model, NetworkModel) and not model.networks:
            encodings = ()
        tabular = start if isinstance(start, TabularModel) else None
        spec = cls(
            data=manifest.data,
            imaging=manifest.imaging,
            model=manifest.model,
            start="tabular" if tabular else "frequencies",
            quantities=tuple(each.name for each in tabular.specs) if tabular else (),
            start_encoding=tuple(tabular.encoding.to_dict()) if tabular else (),
            encodings=tuple(tuple(encoding.to_dict()) for encoding in encodings),
            calibrator=manifest.calibrator,
            operating_points=manifest.operating_points,
        )
        if not spec.inputs().names:
            raise ExportError(
                "the model looks at nothing: it gives every patient the same probabilities",
                remedy="there is nothing to export; train on covariates, scans or quantities",
            )
        return spec

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan that was written as JSON.

        Raises:
            IntegrityError: The file is damaged.
        """
        try:
            return cls.model_validate(read_record(path, remedy=_RESTORE))
        except ValidationError as error:
            detail = error.errors()[0]
            raise IntegrityError(
                f"the plan of the graph is damaged: {'.'.join(map(str, detail['loc']))}",
                file=path,
                remedy=_RESTORE,
            ) from error

    def inputs(self) -> GraphInputs:
        """What the graph is given."""
        return GraphInputs.of(
            self.data,
            self.imaging,
            self.quantity_specs(),
            [encoding_of(self.start_encoding), *map(encoding_of, self.encodings)],
            networks=bool(self.encodings),
        )

    def quantity_specs(self) -> tuple[QuantitySpec, ...]:
        """The quantities of the start, in its order.

        Raises:
            ExportError: One of them is not measured by this version.
        """
        known = {spec.name: spec for spec in quantity_specs(self.data, self.imaging)}
        unknown = [name for name in self.quantities if name not in known]
        if unknown:
            raise ExportError(
                f"the model rests on {unknown[0]}, which this version does not measure",
                remedy="use the version of pcrnet that wrote the bundle",
            )
        return tuple(known[name] for name in self.quantities)


def encoding_of(items: tuple[dict[str, Any], ...]) -> ClinicalEncoding:
    """The clinical encoding that a plan holds."""
    # A plan that was read holds tuples where JSON has lists.
    return ClinicalEncoding.from_dict(
        [
            {name: list(value) if name == "categories" else value for name, value in item.items()}
            for item in items
        ]
    )
