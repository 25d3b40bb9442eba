"""Weights of other people's networks, made here under the names that they publish."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pcrnet.errors import ConfigError
from pcrnet.models.encoders.build import build_encoder
from pcrnet.models.encoders.monai import MonaiEncoderConfig
from pcrnet.models.encoders.pretrained import fit_weights, read_weights
from pcrnet.models.encoders.resnet import ResNetConfig

_SIZE = (16, 16, 16)
_FILE = Path("weights.pth")
_RESNET = MonaiEncoderConfig(backbone="resnet10", stages=2)


def _medicalnet():
    """What MedicalNet publishes: a wrapped, one-channel resnet with a head for segmentation."""
    from monai.networks.nets import resnet10

    torch.manual_seed(7)
    network = resnet10(n_input_channels=1, conv1_t_stride=2, feed_forward=False)
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    state["module.conv_seg.0.weight"] = torch.zeros(512, 32, 2, 2, 2)
    return network, state


@pytest.fixture(scope="module")
def medicalnet():
    return _medicalnet()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_medicalnet_file_fits_and_its_table_says_what_did_not(medicalnet, tmp_path, suffix):
    published, state = medicalnet
    path = tmp_path / f"resnet_10{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state, "epoch": 12}, path)
    else:
        save_file(state, path)
    encoder = build_encoder(_RESNET, 2, _SIZE, 8).eval()
    table = fit_weights(encoder, read_weights(path), path)
    found = {row.name: row.state for row in table.rows}
    assert found["network.conv1.weight"] == "first layer"
    assert found["network.layer2.0.downsample.0.weight"] == "matched"
    random = {name for name, state in found.items() if state == "left random"}
    assert random == {"project.weight", "project.bias", "absent.weight"}
    assert "module.conv_seg.0.weight" in table.unused
    assert any(name.startswith("module.layer4") for name in table.unused)
    text = table.text()
    assert "left random: project.weight, project.bias, absent.weight" in text
    assert f"{table.share:.1%} of the encoder's values" in text
    assert table.share > 0.99

    image = torch.rand(1, 1, *_SIZE)
    both = torch.ones(1, 2, dtype=torch.bool)
    features = {}
    encoder.project.register_forward_pre_hook(lambda _, given: features.update(own=given[0]))
    with torch.no_grad():
        encoder(image.expand(1, 2, *_SIZE), both)
        published.eval()
        stem = published.maxpool(published.act(published.bn1(published.conv1(image))))
        expected = published.layer2(published.layer1(stem))
    torch.testing.assert_close(features["own"], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("theirs", [1, 3])
@pytest.mark.parametrize("ours", [1, 2, 5])
def test_an_image_alike_in_every_channel_gives_the_same_response(theirs, ours):
    torch.manual_seed(1)

    def network(channels):
        return nn.Sequential(nn.Conv3d(channels, 4, 3), nn.Conv3d(4, 2, 1))

    trained, own = network(theirs), network(ours)
    fit_weights(own, trained.state_dict(), _FILE)
    image = torch.rand(1, 1, 5, 5, 5)
    torch.testing.assert_close(
        own(image.expand(1, ours, 5, 5, 5)), trained(image.expand(1, theirs, 5, 5, 5))
    )


def test_names_of_timm_and_masked_autoencoders_are_those_of_monais_transformer():
    from monai.networks.nets import ViT

    def network():
        return nn.ModuleDict(
            {
                "network": ViT(
                    in_channels=1, img_size=(8, 8, 8), patch_size=(4, 4, 4), hidden_size=12,
                    mlp_dim=24, num_layers=2, num_heads=2,
                )
            }
        )  # fmt: skip

    torch.manual_seed(2)
    trained, own = network(), network()
    renamed = {}
    for name, value in trained["network"].state_dict().items():
        timm = (
            name.replace("patch_embedding.patch_embeddings.", "patch_embed.proj.")
            .replace("patch_embedding.position_embeddings", "pos_embed")
            .replace(".attn.out_proj.", ".attn.proj.")
            .replace(".mlp.linear", ".mlp.fc")
        )
        renamed[f"encoder.{timm}"] = value + 1.0
    assert "encoder.blocks.1.mlp.fc2.weight" in renamed
    renamed["encoder.cls_token"] = torch.zeros(1, 1, 12)
    table = fit_weights(own, renamed, _FILE)
    assert {row.state for row in table.rows} == {"matched"}
    assert table.unused == ("encoder.cls_token",)
    for name, value in own.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name] + 1.0)


def test_torchvisions_names_of_dense_layers_are_monais():
    from monai.networks.nets import DenseNet

    def network():
        return DenseNet(
            spatial_dims=3, in_channels=1, out_channels=1, init_features=8, growth_rate=4,
            block_config=(2, 2),
        ).features  # fmt: skip

    trained, own = network(), network()

    def older(name):
        name = name.replace(".layers.", ".")
        return f"features.{name.replace('norm1', 'norm.1').replace('conv2', 'conv.2')}"

    old = {older(name): value for name, value in trained.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert {row.state for row in fit_weights(own, old, _FILE).rows} == {"matched"}


def test_self_supervised_swin_weights_find_their_place():
    from monai.networks.nets.swin_unetr import SwinTransformer

    def network():
        return nn.ModuleDict(
            {
                "network": SwinTransformer(
                    in_chans=1, embed_dim=12, window_size=(2, 2, 2), patch_size=(2, 2, 2),
                    depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), spatial_dims=3,
                )
            }
        )  # fmt: skip

    trained, own = network(), network()
    state = {f"module.{name}": value for name, value in trained["network"].state_dict().items()} | {
        "rotation_head.weight": torch.zeros(4, 4)
    }
    table = fit_weights(own, state, _FILE)
    assert {row.state for row in table.rows} == {"matched"}
    assert table.unused == ("rotation_head.weight",)


def test_pcrnets_own_encoder_begins_with_a_bundles():
    config = ResNetConfig(stem_width=4, widths=(8,), blocks=(1,))
    torch.manual_seed(3)
    trained, own = (build_encoder(config, 1, (8, 8, 8), 8) for _ in range(2))
    bundle = {f"encoders.0.{name}": value for name, value in trained.state_dict().items()}
    bundle["head.linear.weight"] = torch.zeros(3, 8)
    table = fit_weights(own, bundle, _FILE)
    assert table.share == 1.0
    for name, value in own.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name])


def test_another_shape_is_said_and_left_random():
    torch.manual_seed(4)
    trained = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Conv3d(4, 6, 1), nn.Conv3d(6, 2, 1))
    own = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Conv3d(4, 7, 1), nn.Conv3d(7, 2, 1))
    before = own[1].weight.detach().clone()
    table = fit_weights(own, trained.state_dict(), _FILE)
    found = {row.name: row.state for row in table.rows}
    assert found["1.weight"] == found["2.weight"] == "other shape"
    assert found["2.bias"] == "matched"
    assert torch.equal(own[1].weight, before)


class _Strange:
    """What no state dict holds."""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        (b"", "cannot be read"),
        (b"not a file of weights", "more than tensors|cannot be read"),
        ({"state_dict": {"a": 1}}, "no tensors"),
        ([torch.zeros(1)], "no state dict"),
        ({"other.weight": torch.zeros(3, 3)}, "of another network"),
        (_Strange(), "more than tensors and plain data"),
    ],
)
def test_wrong_files_are_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path, pickle_module=pickle)
    encoder = build_encoder(ResNetConfig(stem_width=4, widths=(8,), blocks=(1,)), 1, (8, 8, 8), 8)
    with pytest.raises(ConfigError, match=reason) as caught:
        fit_weights(encoder, read_weights(path), path)
    assert caught.value.file == "weights.pth"
    assert caught.value.field == "model.encoder.weights"


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{broken}")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_weights(path)


def test_weights_that_are_not_finite_are_refused():
    network = nn.Conv3d(1, 2, 3)
    broken = {name: value.detach().clone() for name, value in network.state_dict().items()}
    broken["weight"][0] = torch.nan
    with pytest.raises(ConfigError, match="weight holds NaN"):
        fit_weights(network, broken, _FILE)
