"""The ridge chain and what completes its features, in the graph, in double precision.

Shapes: B patients, T timepoints, C channels, p features (quantities, then features of covariates),
Q quantities of the graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pcrnet.config.data import DataConfig
from pcrnet.data.clinical import ClinicalEncoding
from pcrnet.deploy.export.decision.covariates import CovariateFeatures
from pcrnet.deploy.export.inputs import RawCovariate, is_day
from pcrnet.imaging.quantify.specs import QuantitySpec
from pcrnet.models.rivals.tabular import TabularModel


class TabularGraph(nn.Module):
    """A quantitative or clinical model: raw quantities and covariates to three logits.

    Args:
        data: Timepoints and channels.
        specs: The quantities of the model, days among them, in its order.
        encoding: How it reads covariates.
        raw: The covariates of the graph.
    """

    def __init__(
        self,
        data: DataConfig,
        specs: Sequence[QuantitySpec],
        encoding: ClinicalEncoding,
        raw: Sequence[RawCovariate],
    ) -> None:
        super().__init__()
        self.reads_covariates = bool(encoding.covariates)
        self.reads_quantities = any(not is_day(spec) for spec in specs)
        self.reads_days = any(map(is_day, specs))
        self.covariates = CovariateFeatures(encoding, raw)
        self.columns: Tensor
        self.resting_on: Tensor
        self.of_visit: Tensor
        self.register_buffer("columns", _columns(data, specs))
        scans, visits = _what_hides(data, specs)
        self.register_buffer("resting_on", scans)
        self.register_buffer("of_visit", visits)
        features = len(specs) + len(encoding.covariate_of_feature)
        for name in ("centre", "scale", "low", "high", "mean"):
            self.register_buffer(name, torch.zeros(features, dtype=torch.float64))
        square = torch.eye(features, dtype=torch.float64)
        self.register_buffer("covariance", square)
        self.register_buffer("weights", torch.zeros(features, 3, dtype=torch.float64))
        self.register_buffer("intercepts", torch.zeros(3, dtype=torch.float64))
        self.centre: Tensor
        self.scale: Tensor
        self.low: Tensor
        self.high: Tensor
        self.mean: Tensor
        self.covariance: Tensor
        self.weights: Tensor
        self.intercepts: Tensor

    def fill(self, model: TabularModel) -> None:
        """Take over the numbers of a fitted model."""
        standard, chain = model.standardisation, model.chain
        nodes = chain.nodes
        arrays = {
            "centre": standard.centre,
            "scale": 1.0 / standard.spread,  # 0 for a quantity that says nothing
            "low": standard.low,
            "high": standard.high,
            "mean": model.imputation.mean,
            "covariance": model.imputation.covariance,
        }
        for name, values in arrays.items():
            self.get_buffer(name).copy_(torch.from_numpy(values))
        columns = [chain.breast.coefficients, nodes.coefficients, nodes.coefficients]
        self.weights.copy_(torch.stack([torch.from_numpy(column) for column in columns], dim=1))
        intercepts = [chain.breast.intercept, nodes.intercept + chain.step, nodes.intercept]
        self.intercepts.copy_(torch.tensor(intercepts, dtype=torch.float64))

    def forward(
        self,
        present: Tensor | None,
        days: Tensor | None,
        quantities: Tensor | None,
        quantity_present: Tensor | None,
        covariates: Tensor | None,
        covariate_present: Tensor | None,
    ) -> Tensor:
        """Logits float64 (B, 3); what the model does not read may be None."""
        values: list[Tensor] = []
        known: list[Tensor] = []
        if present is not None and self.columns.numel():
            measured, there = self._measured(present, days, quantities, quantity_present)
            values.append(measured)
            known.append(there)
        if covariates is not None and covariate_present is not None and self.reads_covariates:
            features, clear = self.covariates(covariates, covariate_present)
            values.append(features.double())
            known.append(clear.index_select(1, self.covariates.owner))
        return self._chain(torch.cat(values, dim=1), torch.cat(known, dim=1))

    def _measured(
        self,
        present: Tensor,
        days: Tensor | None,
        quantities: Tensor | None,
        quantity_present: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Values and flags (B, number of quantities), in the order of the model."""
        offered: list[Tensor] = []
        flags: list[Tensor] = []
        if self.reads_quantities and quantities is not None and quantity_present is not None:
            offered.append(quantities)
            flags.append(quantity_present)
        if self.reads_days and days is not None:
            offered.append(days)
            flags.append(torch.ones_like(days, dtype=torch.bool))
        values = torch.cat(offered, dim=1).index_select(1, self.columns)
        known = torch.cat(flags, dim=1).index_select(1, self.columns) & torch.isfinite(values)
        # A quantity is hidden with any scan that it rests on, a mask or day with its whole visit.
        absent = (~present).double().flatten(1) @ self.resting_on
        absent = absent + (~present.any(dim=2)).double() @ self.of_visit
        return values, known & (absent < 0.5)

    def _chain(self, values: Tensor, known: Tensor) -> Tensor:
        standardised = (torch.where(known, values, 0.0) - self.centre) * self.scale
        standardised = torch.minimum(torch.maximum(standardised, self.low), self.high)
        deviation = torch.where(known, standardised - self.mean, 0.0)
        there = known.double()
        both = there[:, :, None] * there[:, None, :]
        system = both * self.covariance + torch.diag_embed(1.0 - there)
        weights = torch.linalg.solve(system, deviation[:, :, None])[:, :, 0]
        expected = self.mean + weights @ self.covariance
        completed = torch.where(known, standardised, expected)
        return completed @ self.weights + self.intercepts


def _columns(data: DataConfig, specs: Sequence[QuantitySpec]) -> Tensor:
    """Where each quantity of the model stands among the graph's quantities and days."""
    measured = [spec.name for spec in specs if not is_day(spec)]
    days = [f"{timepoint}.days" for timepoint in data.timepoints]
    offered = [*measured, *(days if any(map(is_day, specs)) else ())]
    return torch.tensor([offered.index(spec.name) for spec in specs], dtype=torch.int64)


def _what_hides(data: DataConfig, specs: Sequence[QuantitySpec]) -> tuple[Tensor, Tensor]:
    """Ones where the absence of a scan (T·C, p) or of a whole visit (T, p) hides a quantity."""
    scans = [f"{timepoint}.{name}" for timepoint in data.timepoints for name in data.channels]
    rests = [{spec.name, *spec.scans} for spec in specs]
    of_scan = [[float(scan in on) for on in rests] for scan in scans]
    of_visit = [
        [float(bool(on & {f"{timepoint}.mask", f"{timepoint}.days"})) for on in rests]
        for timepoint in data.timepoints
    ]
    return (
        torch.tensor(of_scan, dtype=torch.float64).reshape(len(scans), len(specs)),
        torch.tensor(of_visit, dtype=torch.float64).reshape(len(data.timepoints), len(specs)),
    )
