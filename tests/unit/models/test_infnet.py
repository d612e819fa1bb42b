from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from maskloom.models import infnet
from maskloom.models.errors import ModelError
from maskloom.models.parameters import NetworkParameters

LITE0 = NetworkParameters(weights="random")


@pytest.mark.parametrize(
    ("backbone", "millions", "gflop"),
    [
        # Published with Res2Net-50: 33.12 M, of which 2.05 M are an ImageNet head that Inf-Net never uses.
        ("res2net50d", 33.12 - 2.05, 27.7),
        ("tf_efficientnet_lite0", 4.04, 5.0),
    ],
)
def test_size_and_work_are_the_published_ones(backbone: str, millions: float, gflop: float) -> None:
    network = infnet.build(NetworkParameters(backbone=backbone, weights="random")).eval()
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 352, 352))
    assert counter.get_total_flops() / 1e9 == pytest.approx(gflop, abs=0.05)


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite0", "res2net50d", "resnet50", "vgg16"])
def test_maps_have_their_strides(backbone: str) -> None:
    network = infnet.build(NetworkParameters(backbone=backbone, weights="random")).eval()
    with torch.inference_mode():
        logits = network(torch.zeros(2, 3, 64, 96))
    strides = {"edge": 4, "global_map": 8, "s5": 32, "s4": 16, "s3": 8}
    assert {name: tuple(value.shape) for name, value in logits._asdict().items()} == {
        name: (2, 1, 64 // stride, 96 // stride) for name, stride in strides.items()
    }


def test_every_weight_is_trained() -> None:
    network = infnet.build(LITE0)
    sum(value.square().mean() for value in network(torch.randn(2, 3, 64, 64))).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_edge_features_reach_the_result() -> None:
    network = infnet.build(LITE0)
    network(torch.randn(2, 3, 64, 64)).s3.sum().backward()
    assert network.edge_attention.features[0].conv.weight.grad.abs().sum() > 0


def test_the_seed_alone_decides_what_is_drawn() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first = infnet.build(LITE0, seed=1).state_dict()
    assert torch.equal(torch.rand(3), expected), "build disturbed torch's own random state"
    again, other = infnet.build(LITE0, seed=1).state_dict(), infnet.build(LITE0, seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["reverse3.out.conv.weight"], other["reverse3.out.conv.weight"])


def test_weights_come_back_without_imagenet_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASKLOOM_WEIGHTS", raising=False)
    weights = infnet.build(NetworkParameters(backbone="resnet18", weights="random"), seed=7).state_dict()
    network = infnet.load(NetworkParameters(backbone="resnet18", weights="imagenet"), weights)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_weights_of_another_network_are_refused() -> None:
    weights = infnet.build(LITE0).state_dict()
    with pytest.raises(ModelError, match="with another backbone or other channels"):
        infnet.load(NetworkParameters(backbone="resnet18", weights="random"), weights)
