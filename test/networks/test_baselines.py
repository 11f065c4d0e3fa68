# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Single-task, multi-task and cross-stitch networks."""

from __future__ import annotations

import pytest
import torch

from mila_ros.evaluation.flops import measure
from mila_ros.networks import build_network
from mila_ros.networks.baselines import CrossStitchUnit
from mila_ros.tasks import DEPTH, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(5), DEPTH)
SMALL = {"encoder": "resnet18", "width": 4, "decoder_channels": (12, 8)}


def small(name, **arguments):
    torch.manual_seed(0)
    return build_network(name, TASKS, **(SMALL | arguments)).eval()


@torch.inference_mode()
def test_single_task_networks_share_nothing_and_multi_task_ones_the_encoder():
    single, multi, image = small("single_task"), small("multi_task"), torch.randn(1, 3, 32, 32)
    before = [net(image)[0] for net in (single, multi)]
    single.encoders["depth"].conv1.weight.mul_(-1)
    multi.encoder.conv1.weight.mul_(-1)
    after = [net(image)[0] for net in (single, multi)]
    same = [
        {task: torch.equal(b[task], a[task]) for task in b}
        for b, a in zip(before, after, strict=True)
    ]
    assert same == [{"segmentation": True, "depth": False}, {"segmentation": False, "depth": False}]


def test_cross_stitch_mixes_channel_by_channel():
    unit = CrossStitchUnit(tasks=3, channels=2, own=0.9)
    torch.testing.assert_close(unit.mixture.sum(1), torch.ones(3, 2))  # a mixture
    with torch.no_grad():
        unit.mixture.copy_(torch.arange(18.0).view(3, 3, 2))
    features = [torch.full((1, 2, 1, 1), value) for value in (1.0, 10.0, 100.0)]
    first, _, last = (out.flatten().tolist() for out in unit(features))
    assert first == [0 + 20 + 400, 1 + 30 + 500]
    assert last == [12 + 140 + 1600, 13 + 150 + 1700]


def test_cross_stitch_units_start_at_the_papers_values():
    two = CrossStitchUnit(tasks=2, channels=4).mixture
    expected = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    torch.testing.assert_close(two, expected[:, :, None].expand(2, 2, 4))
    assert CrossStitchUnit(tasks=1, channels=4).mixture.tolist() == [[[1.0] * 4]]


@torch.inference_mode()
def test_cross_stitch_without_exchange_is_single_task():
    stitched, single = small("cross_stitch", own=1.0), small("single_task")
    for encoder, alone in zip(stitched.encoders, single.encoders.values(), strict=True):
        alone.load_state_dict(encoder.state_dict())
    single.decoders.load_state_dict(stitched.decoders.state_dict())
    image = torch.randn(1, 3, 40, 32)
    for task, expected in single(image)[0].items():
        torch.testing.assert_close(stitched(image)[0][task], expected)
    exchanging = small("cross_stitch")
    exchanging.encoders[0].conv1.weight.mul_(-1)
    assert not torch.allclose(
        exchanging(image)[0]["depth"], small("cross_stitch")(image)[0]["depth"]
    )


@pytest.mark.parametrize(
    "name, parameters, gmac", [("single_task", 7.880, 22.53), ("multi_task", 4.019, 12.77)]
)
def test_costs_on_an_hrnet_are_those_of_mti_nets_authors_program(name, parameters, gmac):
    """NYUD-v2, measured on it."""
    tasks = (SEGMENTATION.with_channels(40), DEPTH)
    with torch.device("meta"):
        network = build_network(name, tasks, encoder="hrnet18_small")
        cost = measure(network, lambda: network(torch.empty(1, 3, 480, 640)))
    assert cost.parameters / 1e6 == pytest.approx(parameters, abs=5.1e-4)
    assert cost.convolutions_gmac == pytest.approx(gmac, abs=5.1e-3)
