"""The whole decision as one module: raw inputs to calibrated cells, probabilities and calls.

Covariates are encoded, quantities standardised and completed, the start and every network asked,
averaged and shrunken, calibrated and held against the locked thresholds; all within the graph.

Shapes: B patients, T timepoints, C channels, X Y Z voxels, Q quantities, J covariates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcrnet.cohort.outcome import HEADS
from pcrnet.deploy.bundle import Bundle
from pcrnet.deploy.export.decision.calibration import build_calibration
from pcrnet.deploy.export.decision.covariates import CovariateFeatures
from pcrnet.deploy.export.decision.folding import folded
from pcrnet.deploy.export.decision.tabular import TabularGraph
from pcrnet.deploy.export.inputs import GraphInputs
from pcrnet.deploy.export.spec import GraphSpec, encoding_of
from pcrnet.errors import ExportError
from pcrnet.models.frequencies import Frequencies
from pcrnet.models.kinds import KINDS
from pcrnet.models.network_model import NetworkModel
from pcrnet.models.rivals.tabular import TabularModel

OUTPUTS = ("cells", "probability", "call", "logits")
"""What a graph gives, in order."""


class DecisionGraph(nn.Module):
    """A bundle's model, calibrator and thresholds.

    Args:
        spec: Its plan; numbers come from :meth:`of` or from a state.
    """

    def __init__(self, spec: GraphSpec) -> None:
        super().__init__()
        self.inputs: GraphInputs = spec.inputs()
        raw = self.inputs.covariates
        encodings = [encoding_of(items) for items in spec.encodings]
        self.start = (
            TabularGraph(spec.data, spec.quantity_specs(), encoding_of(spec.start_encoding), raw)
            if spec.start == "tabular"
            else _Constant()
        )
        build = KINDS[spec.model.kind].build
        self.networks = nn.ModuleList(
            folded(build(spec.model, spec.data, spec.imaging, encoding))
            for encoding in encodings
            if build is not None
        )
        self.features = nn.ModuleList(CovariateFeatures(encoding, raw) for encoding in encodings)
        self.factors: Tensor
        self.thresholds: Tensor
        self.register_buffer("factors", torch.zeros(3, dtype=torch.float64))
        self.calibration = build_calibration(spec.calibrator)
        points = [spec.operating_points[head] for head in HEADS]
        # No probability exceeds 2: without a threshold there is no call.
        locked = [2.0 if point is None else point for point in points]
        self.register_buffer("thresholds", torch.tensor(locked, dtype=torch.float64))
        self.eval()

    @classmethod
    def of(cls, bundle: Bundle) -> DecisionGraph:
        """The graph of a bundle.

        Raises:
            ExportError: The model looks at nothing, or is of a kind that has no graph.
        """
        graph = cls(GraphSpec.of(bundle))
        model = bundle.model
        start = model.start if isinstance(model, NetworkModel) else model
        if isinstance(start, TabularModel) and isinstance(graph.start, TabularGraph):
            graph.start.fill(start)
        elif isinstance(start, Frequencies) and isinstance(graph.start, _Constant):
            graph.start.values.copy_(torch.tensor(start.values, dtype=torch.float64))
        else:
            raise ExportError(
                f"a model of the kind {bundle.manifest.model.kind} has no graph yet",
                remedy="export a network, quantitative, clinical or monai model",
            )
        if isinstance(model, NetworkModel):
            for empty, network in zip(graph.networks, model.networks, strict=True):
                empty.load_state_dict(folded(network).state_dict())
            graph.factors.copy_(torch.from_numpy(model.factors))
        return graph.eval().requires_grad_(False)

    def forward(
        self,
        image: Tensor | None = None,
        present: Tensor | None = None,
        days: Tensor | None = None,
        quantities: Tensor | None = None,
        quantity_present: Tensor | None = None,
        covariates: Tensor | None = None,
        covariate_present: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The decision; inputs that :attr:`inputs` does not name are left out.

        Args:
            image: float32 (B, T, C, X, Y, Z) in physical units; anything where absent.
            present: bool (B, T, C).
            days: float64 (B, T) since the start of therapy; NaN where unknown.
            quantities: float64 (B, Q), as measured; anything where absent.
            quantity_present: bool (B, Q).
            covariates: float64 (B, J), numbers or places of categories; anything where absent.
            covariate_present: bool (B, J).

        Returns:
            ``cells`` float64 (B, 4), ``probability`` float64 (B, 3), ``call`` int64 (B, 3) with 1
            for complete response, 0 for residual disease and −1 without a threshold, and the
            uncalibrated ``logits`` float64 (B, 3).
        """
        logits = self.start(
            present, days, quantities, quantity_present, covariates, covariate_present
        )
        if image is not None and present is not None and days is not None:
            logits = logits + self.factors * self._correction(
                image, present, days, covariates, covariate_present
            )
        cells = self.calibration(logits)
        both = cells[:, 0:1]
        probability = torch.cat([both + cells[:, 1:2], both + cells[:, 2:3], both], dim=1)
        probability = probability.clamp(max=1.0)
        call = (probability > self.thresholds).long()
        call = torch.where(self.thresholds > 1.0, -1, call)
        return {"cells": cells, "probability": probability, "call": call, "logits": logits}

    def _correction(
        self,
        image: Tensor,
        present: Tensor,
        days: Tensor,
        covariates: Tensor | None,
        covariate_present: Tensor | None,
    ) -> Tensor:
        """Mean (B, 3) of what the networks say."""
        said: list[Tensor] = []
        for network, encode in zip(self.networks, self.features, strict=True):
            if covariates is None or covariate_present is None:
                features = image.new_zeros(image.shape[0], 0)
                known = present.new_zeros(present.shape[0], 0)
            else:
                features, known = encode(covariates, covariate_present)
            said.append(network(image, present, days.float(), features, known).double())
        return torch.stack(said).mean(dim=0)


class _Constant(nn.Module):
    """The same three logits for everybody."""

    def __init__(self) -> None:
        super().__init__()
        self.values: Tensor
        self.register_buffer("values", torch.zeros(3, dtype=torch.float64))

    def forward(self, *_: Tensor | None) -> Tensor:
        return self.values[None, :]
