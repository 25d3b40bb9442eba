"""Fusion: absent tokens never reach the result."""

import pytest
import torch
from torch import nn

from pcrnet.config.model import ConcatFusionConfig, GatedFusionConfig, TransformerFusionConfig
from pcrnet.errors import ConfigError
from pcrnet.models.dual_branch.fusion import AttentionBlock, Tokens, UnitDropout, build_fusion

_WIDTH = 8
_CONFIGS = [
    ConcatFusionConfig(hidden=12),
    GatedFusionConfig(hidden=12),
    TransformerFusionConfig(depth=2, heads=2),
]


@pytest.fixture(params=_CONFIGS, ids=lambda config: config.kind)
def fusion(request):
    torch.manual_seed(1)
    return build_fusion(request.param, groups=4, vectors=3, width=_WIDTH, dropout=0.2).eval()


@pytest.fixture
def tokens():
    generator = torch.Generator().manual_seed(2)
    return Tokens(
        image=torch.randn(3, 4, 5, _WIDTH, generator=generator),
        image_present=torch.tensor([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 1]]).bool(),
        vectors=torch.randn(3, 3, _WIDTH, generator=generator),
        vector_present=torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 0]]).bool(),
    )


def _spoiled(tokens, value):
    return tokens._replace(
        image=tokens.image.masked_fill(~tokens.image_present[:, :, None, None], value),
        vectors=tokens.vectors.masked_fill(~tokens.vector_present[:, :, None], value),
    )


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e4])
def test_an_absent_token_may_hold_anything(fusion, tokens, value):
    expected = fusion(tokens)
    assert expected.shape == (3, _WIDTH)
    torch.testing.assert_close(fusion(_spoiled(tokens, value)), expected, rtol=0, atol=0)


def test_gradients_stay_finite_beside_absent_tokens(fusion, tokens):
    leaf = tokens.image.clone().requires_grad_()
    fusion(_spoiled(tokens, torch.nan)._replace(image=leaf)).sum().backward()
    assert torch.isfinite(leaf.grad).all()
    assert (leaf.grad[~tokens.image_present] == 0).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in fusion.parameters())


def test_a_present_token_counts(fusion, tokens):
    changed = tokens._replace(image=tokens.image.clone())
    changed.image[1, 2] += torch.linspace(-1.0, 1.0, _WIDTH)
    difference = (fusion(changed) - fusion(tokens)).abs().amax(dim=1)
    assert difference[1] > 1e-4
    assert difference[[0, 2]].max() == 0


def test_patients_do_not_see_each_other(fusion, tokens):
    together = fusion(tokens)
    for index in range(3):
        alone = fusion(Tokens(*(value[index : index + 1] for value in tokens)))
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-6, rtol=1e-5)


def test_a_patient_of_whom_nothing_is_present_has_a_finite_answer(fusion, tokens):
    nothing = tokens._replace(
        image_present=torch.zeros_like(tokens.image_present),
        vector_present=torch.zeros_like(tokens.vector_present),
    )
    assert torch.isfinite(fusion(nothing)).all()


@pytest.mark.parametrize("config", _CONFIGS, ids=lambda config: config.kind)
def test_no_vectors_at_all_are_fine(config, tokens):
    fusion = build_fusion(config, groups=4, vectors=0, width=_WIDTH, dropout=0.0).eval()
    bare = tokens._replace(
        vectors=tokens.vectors[:, :0], vector_present=tokens.vector_present[:, :0]
    )
    assert torch.isfinite(fusion(bare)).all()


@pytest.mark.parametrize("config", _CONFIGS[1:], ids=lambda config: config.kind)
def test_attention_does_not_depend_on_the_order_of_tokens(config, tokens):
    fusion = build_fusion(config, groups=4, vectors=3, width=_WIDTH, dropout=0.0).eval()
    order = torch.tensor([2, 0, 3, 1])
    shuffled = tokens._replace(
        image=tokens.image[:, order], image_present=tokens.image_present[:, order]
    )
    torch.testing.assert_close(fusion(shuffled), fusion(tokens), atol=1e-5, rtol=1e-4)


def test_gated_pooling_is_a_weighted_mean_of_what_is_present():
    fusion = build_fusion(GatedFusionConfig(hidden=4), 1, 0, _WIDTH, 0.0).eval()
    same = torch.randn(_WIDTH)
    with torch.no_grad():
        fusion.anchor.copy_(same.expand(1, 1, -1))
    tokens = Tokens(
        image=same.expand(1, 1, 6, -1),
        image_present=torch.ones(1, 1, dtype=torch.bool),
        vectors=torch.zeros(1, 0, _WIDTH),
        vector_present=torch.zeros(1, 0, dtype=torch.bool),
    )
    torch.testing.assert_close(fusion(tokens)[0], same, atol=1e-6, rtol=1e-5)


def test_an_attention_block_is_the_encoder_layer_of_torch():
    ours = AttentionBlock(_WIDTH, heads=2, mlp_ratio=2.0, dropout=0.0).eval()
    theirs = nn.TransformerEncoderLayer(
        _WIDTH, 2, 2 * _WIDTH, 0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    pairs = {
        "self_attn.in_proj_": ours.query_key_value,
        "self_attn.out_proj.": ours.output,
        "linear1.": ours.mlp[0],
        "linear2.": ours.mlp[3],
        "norm1.": ours.attention_norm,
        "norm2.": ours.mlp_norm,
    }
    theirs.load_state_dict(
        {
            f"{prefix}{name}": value
            for prefix, layer in pairs.items()
            for name, value in layer.state_dict().items()
        }
    )
    values = torch.randn(2, 7, _WIDTH)
    present = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    expected = theirs(values, src_key_padding_mask=~present)
    torch.testing.assert_close(ours(values, present)[0], expected[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours(values, present)[1, :4], expected[1, :4], atol=1e-5, rtol=1e-4)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="found 8 and 3") as caught:
        build_fusion(TransformerFusionConfig(heads=3), 1, 0, 8, 0.0)
    assert caught.value.field == "model.fusion.heads"


def test_a_block_that_is_asked_by_the_first_token_alone_answers_it_as_the_whole_block_does():
    block = AttentionBlock(_WIDTH, heads=2, mlp_ratio=2.0, dropout=0.3).eval()
    values = torch.randn(3, 7, _WIDTH)
    present = torch.tensor([[True] * 7, [True] * 4 + [False] * 3, [True] + [False] * 6])
    alone = block(values, present, asked=1)
    torch.testing.assert_close(alone, block(values, present)[:, :1], atol=1e-6, rtol=1e-5)


def test_dropout_leaves_out_the_same_units_of_all_tokens_of_a_patient():
    torch.manual_seed(3)
    layer = UnitDropout(0.25)
    dropped = layer(torch.ones(400, 5, 20))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    # 8,000 units: the standard error of the share is half a per cent.
    assert float((dropped[:, 0] == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    values = torch.randn(2, 3, 4)
    assert layer.eval()(values) is values
