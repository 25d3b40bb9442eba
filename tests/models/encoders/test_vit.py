"""The vision transformer: its tokens lie where their patches lay."""

import torch
from torch import nn

from pcrnet.models.encoders.layers import PatchGrid
from pcrnet.models.encoders.vit import KIND, ViTConfig


class _Numbers(nn.Module):
    """Tokens (N, x·y·z, 1) that are the mean of their patch of two voxels."""

    def forward(self, values):
        pooled = nn.functional.avg_pool3d(values, 2)
        return pooled.flatten(2).transpose(1, 2), None


def test_a_token_lies_where_its_patch_lay():
    values = torch.arange(4 * 6 * 8, dtype=torch.float32).reshape(1, 1, 4, 6, 8)
    found = PatchGrid(_Numbers(), (2, 3, 4))(values)
    torch.testing.assert_close(found, nn.functional.avg_pool3d(values, 2))


def test_the_grid_is_the_stems_over_the_patch():
    torch.manual_seed(0)
    config = ViTConfig(stem_width=4, patch=2, depth=1, heads=2)
    body = KIND.body(config, (4, 8, 6), 16).eval()
    assert body(torch.randn(2, 4, 4, 8, 6)).shape == (2, 16, 2, 4, 3)
    assert KIND.stride(config) == 2


def test_every_patch_is_seen_by_every_token():
    torch.manual_seed(0)
    body = KIND.body(ViTConfig(stem_width=4, patch=2, depth=1, heads=2), (4, 4, 4), 16).eval()
    values = torch.randn(1, 4, 4, 4, 4)
    other = values.clone()
    other[..., :2, :2, :2] += 1.0
    assert ((body(other) - body(values)).abs().amax(dim=1) > 1e-7).all()
