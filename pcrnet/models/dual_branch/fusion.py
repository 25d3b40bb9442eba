"""Fusion: from the tokens that are present to one vector a patient.

Shapes: B patients, G groups (branch × timepoint), s cells of the feature grid, V vectors (summaries
of intensity, changes, covariates), S = G·s + V tokens, W token width. ``present`` is True where a
token comes from something acquired; what is absent never reaches the result.
"""

from __future__ import annotations

from typing import NamedTuple, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcrnet.config.model import (
    ConcatFusionConfig,
    FusionConfig,
    GatedFusionConfig,
    TransformerFusionConfig,
)
from pcrnet.errors import ConfigError


class Tokens(NamedTuple):
    """What fusion is given.

    Attributes:
        image: (B, G, s, W).
        image_present: bool (B, G).
        vectors: (B, V, W); V may be 0.
        vector_present: bool (B, V).
    """

    image: Tensor
    image_present: Tensor
    vectors: Tensor
    vector_present: Tensor

    def flat(self) -> tuple[Tensor, Tensor]:
        """All tokens (B, S, W) and their presence (B, S)."""
        cells = self.image.shape[2]
        present = self.image_present.repeat_interleave(
            cells, dim=1, output_size=cells * self.image_present.shape[1]
        )
        return (
            torch.cat([self.image.flatten(1, 2), self.vectors], dim=1),
            torch.cat([present, self.vector_present], dim=1),
        )


def build_fusion(
    config: FusionConfig, groups: int, vectors: int, width: int, dropout: float
) -> nn.Module:
    """Build a module that maps :class:`Tokens` to (B, W).

    Raises:
        ConfigError: The number of attention heads does not divide the token width.
    """
    match config:
        case ConcatFusionConfig():
            return ConcatFusion(config, groups, vectors, width, dropout)
        case GatedFusionConfig():
            return GatedFusion(config, width)
        case TransformerFusionConfig():
            return TransformerFusion(config, width, dropout)
        case _:
            assert_never(config)


class ConcatFusion(nn.Module):
    """Mean and maximum of each group, side by side with its presence flag, then an MLP."""

    def __init__(
        self, config: ConcatFusionConfig, groups: int, vectors: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        inputs = groups * (2 * width + 1) + vectors * (width + 1)
        self.mlp = nn.Sequential(
            nn.Linear(inputs, config.hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(config.hidden, width),
        )

    def forward(self, tokens: Tokens) -> Tensor:
        """Fuse to (B, W)."""
        pooled = torch.cat([tokens.image.mean(dim=2), tokens.image.amax(dim=2)], dim=-1)
        parts = []
        for values, present in (
            (pooled, tokens.image_present),
            (tokens.vectors, tokens.vector_present),
        ):
            # where, not a product: an absent scan may hold anything, NaN included.
            parts.append(torch.where(present[..., None], values, 0.0).flatten(1))
            parts.append(present.to(values.dtype))
        fused: Tensor = self.mlp(torch.cat(parts, dim=1))
        return fused


class GatedFusion(nn.Module):
    """Gated attention pooling over all tokens that are present.

    Source: Ilse et al., Attention-based deep multiple instance learning, ICML 2018, equation 9.
    """

    def __init__(self, config: GatedFusionConfig, width: int) -> None:
        super().__init__()
        self.content = nn.Linear(width, config.hidden)
        self.gate = nn.Linear(width, config.hidden)
        self.weight = nn.Linear(config.hidden, 1)
        self.anchor = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, tokens: Tokens) -> Tensor:
        """Fuse to (B, W)."""
        values, present = tokens.flat()
        batch = values.shape[0]  # len() would fix the batch size of an exported network
        # The anchor is always present, so that the softmax has something to sum over.
        values = torch.cat([self.anchor.expand(batch, -1, -1).to(values.dtype), values], dim=1)
        present = torch.cat([present.new_ones(batch, 1), present], dim=1)
        values = torch.where(present[..., None], values, 0.0)
        score = self.weight(torch.tanh(self.content(values)) * torch.sigmoid(self.gate(values)))
        score = score.squeeze(-1).float().masked_fill(~present, float("-inf"))
        share = torch.softmax(score, dim=1).to(values.dtype)
        return torch.einsum("bs,bsw->bw", share, values)


class TransformerFusion(nn.Module):
    """Self-attention over the tokens that are present, read out by a query token."""

    def __init__(self, config: TransformerFusionConfig, width: int, dropout: float) -> None:
        super().__init__()
        if width % config.heads:
            raise ConfigError(
                f"model.width must be a multiple of the fusion's heads, found {width} and "
                f"{config.heads}",
                field="model.fusion.heads",
                remedy="choose heads that divide model.width",
            )
        self.query = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.blocks = nn.ModuleList(
            AttentionBlock(width, config.heads, config.mlp_ratio, dropout)
            for _ in range(config.depth)
        )

    def forward(self, tokens: Tokens) -> Tensor:
        """Fuse to (B, W)."""
        values, present = tokens.flat()
        batch = values.shape[0]  # len() would fix the batch size of an exported network
        values = torch.where(present[..., None], values, 0.0)
        values = torch.cat([self.query.expand(batch, -1, -1).to(values.dtype), values], dim=1)
        present = torch.cat([present.new_ones(batch, 1), present], dim=1)
        for block in self.blocks[:-1]:
            values = block(values, present)
        # Of the last block the query token alone is read: no other asks anything.
        answer: Tensor = self.blocks[-1](values, present, asked=1)
        return answer[:, 0]


class AttentionBlock(nn.Module):
    """Pre-norm self-attention and MLP; keys that are absent are masked."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        hidden = round(width * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            UnitDropout(dropout),
            nn.Linear(hidden, width),
            UnitDropout(dropout),
        )

    def forward(self, values: Tensor, present: Tensor, asked: int | None = None) -> Tensor:
        """(B, S, W) and bool (B, S) to (B, S, W), or to (B, asked, W) of the first tokens alone."""
        batch, length, width = values.shape
        normed = self.attention_norm(values)
        if asked is None:
            asked = length
            query, key, value = self.query_key_value(normed).chunk(3, dim=-1)
        else:
            weights = self.query_key_value.weight.tensor_split((width,))
            biases = self.query_key_value.bias.tensor_split((width,))
            query = functional.linear(normed[:, :asked], weights[0], biases[0])
            key, value = functional.linear(normed, weights[1], biases[1]).chunk(2, dim=-1)
            values = values[:, :asked]
        # No dropout on the attention weights: it would cost the fused kernel, and twice the time.
        mixed = functional.scaled_dot_product_attention(
            self._by_head(query),
            self._by_head(key),
            self._by_head(value),
            attn_mask=present[:, None, None, :],
        )
        values = values + self.output(mixed.transpose(1, 2).reshape(batch, asked, width))
        result: Tensor = values + self.mlp(self.mlp_norm(values))
        return result

    def _by_head(self, values: Tensor) -> Tensor:
        """(B, S, W) to (B, heads, S, W / heads)."""
        return torch.unflatten(values, -1, (self.heads, -1)).transpose(1, 2)


class UnitDropout(nn.Dropout):
    """Leaves out units of a patient for all tokens alike: a mask of B·W numbers, not of B·S·W."""

    def forward(self, values: Tensor) -> Tensor:
        """(B, S, W) to (B, S, W)."""
        if not self.training or self.p == 0.0:
            return values
        return values * functional.dropout(torch.ones_like(values[:, :1]), self.p)
