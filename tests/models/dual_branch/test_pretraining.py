"""A network that begins with somebody's weights: which, how much, and what ships of it."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pcrnet.config.data import DataConfig
from pcrnet.config.imaging import ImagingConfig
from pcrnet.config.model import GatedFusionConfig, NetworkConfig, without_weights
from pcrnet.errors import ConfigError
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.dual_branch.pretraining import begin_with_weights, weight_tables, weights_digests
from pcrnet.models.encoders.build import build_encoder
from pcrnet.models.encoders.monai import MonaiEncoderConfig
from pcrnet.models.encoders.resnet import ResNetConfig
from pcrnet.storage import sha256_file

_DATA = DataConfig(branches={"pet": ("pet",), "mri": ("t2", "adc")})
_IMAGING = ImagingConfig(size=(16, 16, 16))
_OWN = ResNetConfig(stem_width=4, widths=(8,), blocks=(0,))


def _model(encoder, **encoders):
    return NetworkConfig(
        width=16, encoder=encoder, encoders=encoders, fusion=GatedFusionConfig(hidden=8)
    )


@pytest.fixture
def weights(tmp_path):
    """A file of a one-channel encoder of pcrnet's own."""
    torch.manual_seed(11)
    encoder = build_encoder(_OWN, 1, (16, 16, 16), 16)
    path = tmp_path / "Jane Doe.safetensors"
    save_file({name: value.contiguous() for name, value in encoder.state_dict().items()}, path)
    return path


def test_every_encoder_with_a_file_begins_with_it_and_the_network_knows_what_came(weights):
    model = _model(_OWN.model_copy(update={"weights": str(weights)}))
    network = PcrNet(_DATA, _IMAGING, model)
    found = begin_with_weights(network, model, _DATA)
    assert set(found) == {"pet", "mri"}
    assert {one.sha256 for one in found.values()} == {sha256_file(weights)}
    assert found["pet"].table.share == 1.0
    assert found["mri"].to_dict()["tensors"] < found["mri"].to_dict()["of"]  # absent is (2, W)
    names = dict(network.named_parameters())
    assert network.pretrained <= set(names)
    assert "encoders.0.stem.convolution.weight" in network.pretrained
    assert "encoders.1.stem.absent.weight" not in network.pretrained
    first = names["encoders.1.stem.convolution.weight"]
    assert torch.equal(first[:, 0], first[:, 1])


def test_a_branch_has_an_encoder_of_its_own_and_grids_meet_in_the_coarsest(weights):
    own = _OWN.model_copy(update={"weights": str(weights)})  # stride 4
    model = _model(MonaiEncoderConfig(backbone="BasicUNet", stages=4), pet=own)  # stride 8
    network = PcrNet(_DATA, _IMAGING, model).eval()
    found = begin_with_weights(network, model, _DATA)
    assert set(found) == {"pet"}
    assert all(name.startswith("encoders.0.encoder.") for name in network.pretrained)
    image, present = torch.rand(2, 1, 16, 16, 16), torch.ones(2, 1, dtype=torch.bool)
    fine = network.encoders[0].encoder(image, present)
    coarse = network.encoders[0](image, present)
    blocks = fine.reshape(2, 16, 2, 2, 2, 2, 2, 2).mean(dim=(3, 5, 7))
    torch.testing.assert_close(coarse, blocks)
    logits = network(
        torch.rand(1, 2, 3, 16, 16, 16),
        torch.ones(1, 2, 3, dtype=torch.bool),
        torch.zeros(1, 2),
        torch.zeros(1, 0),
        torch.zeros(1, 0, dtype=torch.bool),
    )
    assert logits.shape == (1, 3)


def test_an_encoder_of_no_branch_and_grids_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="no branch ct"):
        PcrNet(_DATA, _IMAGING, _model(_OWN, ct=_OWN))
    from pcrnet.models.encoders.vit import ViTConfig

    odd = _model(_OWN, pet=ViTConfig(stem_width=4, patch=3, heads=4))
    with pytest.raises(ConfigError, match="do not fit into each other"):
        PcrNet(_DATA, ImagingConfig(size=(24, 24, 24)), odd)


def test_tables_are_told_and_leave_the_generator_alone(weights):
    model = _model(_OWN.model_copy(update={"weights": str(weights)}))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = weight_tables(model, _DATA, _IMAGING)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.startswith("the encoder of pet begins with weights of sha256")
    assert "100.0% of the encoder's values" in first
    assert "Jane" not in first + second
    assert weight_tables(without_weights(model), _DATA, _IMAGING) == []


def test_digests_follow_the_content_of_the_files(weights, tmp_path):
    model = _model(_OWN.model_copy(update={"weights": str(weights)}), pet=_OWN)
    before = weights_digests(model)
    assert before == {"": sha256_file(weights)}
    save_file({"a": torch.zeros(2)}, weights)
    assert weights_digests(model) != before
    gone = _model(_OWN.model_copy(update={"weights": str(tmp_path / "gone.pth")}))
    with pytest.raises(ConfigError, match="no such file"):
        weights_digests(gone)
    assert weights_digests(without_weights(model)) == {}


def test_numbers_of_the_table_are_plain(weights):
    model = _model(_OWN.model_copy(update={"weights": str(weights)}))
    network = PcrNet(_DATA, _IMAGING, model)
    for one in begin_with_weights(network, model, _DATA).values():
        assert not any(isinstance(value, np.generic) for value in one.to_dict().values())
