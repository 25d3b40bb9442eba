"""A folded network computes what the network computes."""

import pytest
import torch

from pcrnet.config.layers import load_experiment
from pcrnet.deploy.export.decision.folding import folded
from pcrnet.models.dual_branch.network import PcrNet
from pcrnet.models.encoders.layers import ScaledConv3d


@pytest.mark.parametrize("encoder", ["resnet", "convnext"])
def test_a_folded_network_gives_the_same_and_holds_no_scaled_convolution(encoder):
    experiment = load_experiment(
        [
            f"model.encoder={{kind: {encoder}, stem_width: 4, widths: [8], blocks: [1]}}",
            "model.width=16",
            "imaging.size=[8,8,8]",
        ]
    )
    torch.manual_seed(1)
    network = PcrNet(experiment.data, experiment.imaging, experiment.model).eval()
    torch.nn.init.normal_(network.head.linear.weight)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    plain = folded(network)
    assert not any(isinstance(module, ScaledConv3d) for module in plain.modules())
    inputs = (
        torch.rand(2, 2, 6, 8, 8, 8),
        torch.rand(2, 2, 6) < 0.7,
        torch.tensor([[0.0, 40.0], [torch.nan, 30.0]]),
        torch.zeros(2, 0),
        torch.zeros(2, 0, dtype=torch.bool),
    )
    with torch.no_grad():
        # Logits of 5: processors add in another order where filters lie otherwise in memory.
        torch.testing.assert_close(plain(*inputs), network(*inputs), rtol=1e-6, atol=1e-6)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
