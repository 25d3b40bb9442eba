"""Raw covariates as features, in the graph.

Shapes: B patients, J covariates of the graph, j covariates and F features of one encoding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pcrnet.data.clinical import ClinicalEncoding, NumericEncoding
from pcrnet.deploy.export.inputs import RawCovariate


class CovariateFeatures(nn.Module):
    """One encoding: numbers are standardised, a category is 1 among its encoding's categories.

    Args:
        encoding: How one part of the model reads covariates.
        raw: The covariates of the graph.
    """

    def __init__(self, encoding: ClinicalEncoding, raw: Sequence[RawCovariate]) -> None:
        super().__init__()
        names = [each.name for each in raw]
        features: list[tuple[int, float, float, float]] = []  # place, mean, deviation, category
        for covariate in encoding.covariates:
            place = names.index(covariate.name)
            if isinstance(covariate, NumericEncoding):
                features.append((place, covariate.mean, covariate.deviation, -1.0))
            else:
                categories = raw[place].categories or ()
                features += [(place, 0.0, 1.0, categories.index(c)) for c in covariate.categories]
        table = torch.tensor(features, dtype=torch.float64).reshape(-1, 4)
        places, mean, deviation, category = table.unbind(dim=1)
        owner = encoding.covariate_of_feature
        self.place: Tensor
        self.mean: Tensor
        self.deviation: Tensor
        self.category: Tensor
        self.owner: Tensor
        self.categorical: Tensor
        self.where: Tensor
        self.register_buffer("place", places.long())
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.register_buffer("category", category)
        self.register_buffer("owner", torch.tensor(owner, dtype=torch.int64))
        self.register_buffer("categorical", category >= 0)
        where = [names.index(covariate.name) for covariate in encoding.covariates]
        self.register_buffer("where", torch.tensor(where, dtype=torch.int64))
        # A category that this encoding does not know makes its covariate unknown.
        belongs = torch.zeros(len(where), len(owner), dtype=torch.float64)
        belongs[list(owner), list(range(len(owner)))] = (category >= 0).double()
        self.belongs: Tensor
        self.register_buffer("belongs", belongs)
        numeric = [isinstance(covariate, NumericEncoding) for covariate in encoding.covariates]
        self.numeric: Tensor
        self.register_buffer("numeric", torch.tensor(numeric, dtype=torch.bool))

    def forward(self, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Raw values float64 (B, J) and flags (B, J) to features float32 (B, F), flags (B, j)."""
        known = known & torch.isfinite(values)
        values = torch.where(known, values, 0.0)
        of_feature = values.index_select(1, self.place)
        there = known.index_select(1, self.place)
        is_category = (there & (of_feature == self.category)).double()
        standardised = (of_feature - self.mean) / self.deviation
        features = torch.where(self.categorical, is_category, standardised)
        features = torch.where(there, features, 0.0)
        matched = (is_category[:, None, :] * self.belongs).sum(dim=2) > 0.5
        present = (self.numeric & known.index_select(1, self.where)) | matched
        # The model standardises in double and keeps single precision.
        return features.float(), present
