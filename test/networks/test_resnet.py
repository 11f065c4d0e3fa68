# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ResNet encoders: torchvision's names and counts, DeepLab's dilation, the papers' costs."""

from __future__ import annotations

import pytest
import torch

from mila_ros.evaluation.flops import measure
from mila_ros.networks.resnet import DESIGNS, ResNet

# torchvision's published totals less the classifier (512 or 2048 to 1000, with bias).
PARAMETERS = {
    "resnet18": 11_689_512 - 513_000,
    "resnet34": 21_797_672 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "resnet101": 44_549_160 - 2_049_000,
}


@pytest.mark.parametrize("name", DESIGNS)
def test_parameter_count_is_torchvisions(name):
    with torch.device("meta"):
        network = ResNet(name)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


def test_names_are_torchvisions():
    with torch.device("meta"):
        keys = set(ResNet("resnet50").state_dict())
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.conv3.weight",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.num_batches_tracked",
        "layer3.5.bn2.bias",
        "layer4.2.conv1.weight",
    } <= keys
    assert "layer2.1.downsample.0.weight" not in keys
    with torch.device("meta"):
        assert "layer1.0.downsample.0.weight" not in ResNet("resnet34").state_dict()


def test_imagenet_weights_load_without_the_classifier():
    torch.manual_seed(0)
    source, target = ResNet("resnet18", width=8), ResNet("resnet18", width=8)
    weights = source.state_dict() | {"fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1)}
    target.load_imagenet(weights)
    image = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(target.eval()(image), source.eval()(image))
    with pytest.raises(RuntimeError, match="layer1"):
        target.load_imagenet({k: v for k, v in weights.items() if "layer1" not in k})


@pytest.mark.parametrize(
    "stride, ceil_mode, size",
    [(8, True, (33, 65)), (8, False, (32, 64)), (16, True, (17, 33)), (32, False, (8, 16))],
)
def test_output_sizes_for_256_by_512(stride, ceil_mode, size):
    with torch.device("meta"):
        out = ResNet("resnet18", stride, ceil_mode)(torch.empty(1, 3, 256, 512))
    assert out.shape == (1, 512, *size)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("stride", [8, 16])
def test_dilation_computes_the_strided_network_more_densely(name, stride):
    """Every (32/stride)-th output of the dilated network is the plain network's output."""
    torch.manual_seed(1)
    plain = ResNet(name, 32, ceil_mode=False, width=4).double().eval()
    dense = ResNet(name, stride, ceil_mode=False, width=4).double().eval()
    dense.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 128, 96, dtype=torch.float64)
    step = 32 // stride
    torch.testing.assert_close(dense(image)[:, :, ::step, ::step], plain(image))


@pytest.mark.parametrize(
    "name, ceil_mode, size, gmac",
    [
        ("resnet101", True, (256, 512), 93.01),  # MILA's Table 2 prints 93 for D101-MultiTask
        ("resnet101", True, (288, 384), 78.61),  # its Table 1 prints 79
        ("resnet101", False, (256, 512), 88.86),
        ("resnet50", True, (256, 512), 52.27),
        ("resnet34", True, (256, 512), 47.33),
        ("resnet18", True, (256, 512), 25.19),
    ],
)
def test_cost_is_the_papers(name, ceil_mode, size, gmac):
    with torch.device("meta"):
        network = ResNet(name, 8, ceil_mode)
        cost = measure(network, lambda: network(torch.empty(1, 3, *size)))
    assert cost.everything_gmac == pytest.approx(gmac, abs=0.011)


def test_stages_end_in_the_output():
    torch.manual_seed(0)
    network, image = ResNet("resnet18", width=4).eval(), torch.randn(1, 3, 33, 41)
    stages = network.stages(image)
    assert [stage.shape[1] for stage in stages] == network.stage_channels == [4, 8, 16, 32]
    assert torch.equal(stages[-1], network(image))


def test_unknown_designs_are_refused_in_words():
    with pytest.raises(ValueError, match="resnet19.*resnet18"):
        ResNet("resnet19")
    with pytest.raises(ValueError, match="8, 16 or 32"):
        ResNet("resnet18", output_stride=4)
