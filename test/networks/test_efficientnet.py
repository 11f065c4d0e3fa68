# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite encoders: published counts and weights, dilation, features of three depths."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import published_weights
from torch import nn

from mila_ros.networks import build_network
from mila_ros.networks.efficientnet import DESIGNS, EfficientNetLite
from mila_ros.networks.encoders import build_encoder
from mila_ros.networks.resizing import resize_bilinear
from mila_ros.networks.resnet import ResNet
from mila_ros.tasks import DEPTH, SEGMENTATION

# Totals of the published networks less the last 1×1, its batch norm, and the classifier.
PARAMETERS = {
    "efficientnet_lite0": 4_652_008 - (320 * 1280 + 2 * 1280 + 1281 * 1000),
    "efficientnet_lite1": 5_416_680 - (320 * 1280 + 2 * 1280 + 1281 * 1000),
    "efficientnet_lite2": 6_092_072 - (352 * 1280 + 2 * 1280 + 1281 * 1000),
}


@pytest.mark.parametrize("name", DESIGNS)
def test_parameter_count_is_the_published_one(name):
    with torch.device("meta"):
        network = EfficientNetLite(name)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "channels"), [("lite0", 40 + 112 + 320), ("lite2", 48 + 120 + 352)]
)
def test_maps_lie_as_those_of_a_resnet(name, channels):
    with torch.device("meta"):
        light, resnet = EfficientNetLite(f"efficientnet_{name}"), ResNet("resnet18", 8, False)
        assert light.channels == channels
        for size in ((256, 512), (96, 320), (250, 517), (63, 41)):
            image = torch.empty(1, 3, *size)
            assert light(image).shape == (1, channels, *resnet(image).shape[2:])


def test_dilation_computes_the_strided_network_more_densely():
    """Every other place of the deepest features is what the network as published says there."""
    torch.manual_seed(1)
    dense = _with_statistics(EfficientNetLite("efficientnet_lite0")).double().eval()
    x = image = torch.rand(1, 3, 128, 96, dtype=torch.float64)
    x = dense.relu6(dense.bn0(dense.conv_stem(x)))
    strides = {1: 2, 3: 2, 5: 2, 11: 2}  # EfficientNet-B0's, by block
    for number, block in enumerate(dense.blocks):
        plain = copy.deepcopy(block)
        conv = plain.depthwise_conv
        conv.stride = (strides.get(number, 1),) * 2
        conv.dilation, conv.padding = (1, 1), (conv.kernel_size[0] // 2,) * 2
        x = plain(x)
    features = dense(image)[:, -320:]
    assert x.shape == (1, 320, 4, 3) and features.shape == (1, 320, 16, 12)
    deepest = []
    for block in dense.blocks:
        block.register_forward_hook(lambda module, given, result: deepest.append(result))
    dense(image)
    torch.testing.assert_close(deepest[-1][:, :, ::2, ::2], x)
    torch.testing.assert_close(features, resize_bilinear(deepest[-1], (16, 12)))
    torch.testing.assert_close(dense(image)[:, :40], deepest[4])


def test_published_weights_take_pictures_as_ours_are_normalised():
    torch.manual_seed(2)
    source = _with_statistics(EfficientNetLite("efficientnet_lite0")).eval()
    target = EfficientNetLite("efficientnet_lite0").eval()
    target.load_imagenet(published_weights(source))
    pixels = torch.rand(1, 3, 64, 64) * 255
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    wanted = source.bn0(source.conv_stem((pixels - 127) / 128))
    got = target.bn0(target.conv_stem((pixels / 255 - mean) / std))
    # Beyond the edge both see zeros, which are not the same grey.
    torch.testing.assert_close(got[:, :, 1:, 1:], wanted[:, :, 1:, 1:], rtol=1e-3, atol=1e-4)
    for name, value in target.blocks.state_dict().items():
        assert torch.equal(value, source.blocks.state_dict()[name]), name
    with pytest.raises(RuntimeError, match=r"blocks\.0"):
        target.load_imagenet(
            {k: v for k, v in published_weights(source).items() if "blocks.0." not in k}
        )


def test_mila_with_a_light_slow_encoder_answers():
    torch.manual_seed(3)
    network = build_network(
        "mila", [SEGMENTATION, DEPTH], slow="efficientnet_lite0", fast="resnet18",
        fast_width=16, ceil_mode=False, channels=32, decoder_channels=(16, 8),
        attention_channels=8,
    ).eval()  # fmt: skip
    image = torch.rand(1, 3, 64, 96)
    _, state = network(image, keyframe=True)
    logits, _ = network(image, state, keyframe=False)
    assert logits["depth"].shape == (1, 1, 64, 96)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("efficientnet_lite9",), "unknown encoder 'efficientnet_lite9'; choose one of resnet18,"),
        (("efficientnet_lite0",), "efficientnet_lite0 wants output_stride 8 and ceil_mode false"),
        (("efficientnet_lite0", 16, False), "efficientnet_lite0 wants output_stride 8"),
    ],
)
def test_what_cannot_be_built(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_encoder(*arguments)
    with pytest.raises(ValueError, match="unknown encoder 'resnet18'"):
        EfficientNetLite("resnet18")


def _with_statistics(network: EfficientNetLite) -> EfficientNetLite:
    """With batch norms that do something."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network
