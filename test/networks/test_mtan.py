# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MTAN on both of its backbones."""

from __future__ import annotations

import pytest
import torch

from mila_ros.evaluation.flops import measure
from mila_ros.networks import build_network
from mila_ros.networks.mtan import AttentionModule
from mila_ros.networks.segnet import Mask, SegNetMTAN
from mila_ros.tasks import DEPTH, NORMALS, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(13), DEPTH, NORMALS)


@torch.inference_mode()
def test_attention_scales_features_by_a_mask_between_0_and_1():
    torch.manual_seed(0)
    attention = AttentionModule(inputs=12, channels=8).eval()
    seen, features = torch.randn(2, 12, 5, 7), torch.randn(2, 8, 5, 7)
    mask = attention.mask(seen)
    assert mask.shape == features.shape and 0 < mask.min() and mask.max() < 1
    torch.testing.assert_close(attention(seen, features), mask * features)


@torch.inference_mode()
def test_an_open_mask_lets_the_stage_through():
    """With a mask of ones in the last stage, a task's features are the encoder's own."""
    torch.manual_seed(0)
    small = {"encoder": "resnet18", "width": 4, "decoder_channels": (8, 8)}
    network = build_network("mtan", TASKS, **small).eval()
    opened = network.attention[3]["depth"].mask[4]  # the batch norm before the sigmoid
    opened.weight.zero_()
    opened.bias.fill_(100.0)
    image = torch.randn(1, 3, 32, 48)
    expected = network.decoders["depth"](network.encoder(image))
    torch.testing.assert_close(network.predict(image, ["depth"])["depth"], expected)


@torch.inference_mode()
def test_masks_are_a_tasks_own_and_the_rest_is_shared():
    torch.manual_seed(0)
    network = build_network("mtan", TASKS, encoder="resnet18", width=4).eval()
    image = torch.randn(1, 3, 32, 32)
    before, _ = network(image)
    network.attention[0]["depth"].mask[0].weight.mul_(-1)
    after, _ = network(image)
    assert {t: torch.equal(before[t], after[t]) for t in before} == {
        "segmentation": True,
        "depth": False,
        "normals": True,
    }


def test_parameters_and_cost_are_those_of_the_authors_attention():
    """Without decoders: 111.34 M less 48.4 M of the authors' heads, and Table 1's 151 GMAC."""
    with torch.device("meta"):
        network = build_network("mtan", TASKS)
        image = torch.empty(1, 3, 288, 384)
        cost = measure(network, lambda: network(image), left_out=[network.decoders])
    heads = sum(p.numel() for p in network.decoders.parameters())
    assert (cost.parameters - heads) / 1e6 == pytest.approx(111.34 - 48.4, abs=0.05)
    assert round(cost.encoder_only_gmac) == 151


def test_segnet_has_vggs_convolutions_mirrored():
    with torch.device("meta"):
        network = SegNetMTAN(TASKS)
    shared = [
        part.weight.shape[:2]
        for level in [*network.down, *network.up]
        for part in level.modules()
        if isinstance(part, torch.nn.Conv2d)
    ]
    down = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    assert [tuple(s) for s in shared[:13]] == list(zip(down[1:], down, strict=False))
    assert shared[13][1] == 512 and shared[-1][0] == 64 and len(shared) == 26


@torch.inference_mode()
def test_segnets_masks_see_the_shared_and_the_tasks_features():
    torch.manual_seed(0)
    mask = Mask(inputs=6, channels=4).eval()
    u, own, p = torch.randn(1, 2, 3, 3), torch.randn(1, 4, 3, 3), torch.randn(1, 4, 3, 3)
    out = mask([u, own], p)
    assert (out.abs() <= p.abs()).all()
    assert not torch.equal(out, mask([u, own + 1], p))
