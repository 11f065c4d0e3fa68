# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Propagation beside ILA: optical flow and spatially variant convolution."""

from __future__ import annotations

import pytest
import torch

from mila_ros.networks import build_network
from mila_ros.networks.optical_flow import FlowNetS, halve, warp
from mila_ros.networks.propagation import (
    OpticalFlowPropagation,
    Source,
    SpatiallyVariantConvolution,
    build_propagation,
)
from mila_ros.tasks import DEPTH, MOTION

SMALL = {
    "slow": "resnet18",
    "slow_width": 4,
    "fast_width": 4,
    "channels": 8,
    "decoder_channels": (8, 8),
    "task_specific": False,
}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shift(x, y):
    """Flow that finds every pixel of a map of 8×8 at (x, y) from where it is."""
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, 8, 8)


@pytest.mark.parametrize("x, y", [(0, 0), (2, 0), (0, -3), (-1, 2)])
def test_warping_by_whole_pixels_is_a_shift(x, y):
    features = random(1, 3, 8, 8)
    out = warp(features, shift(x, y))
    rows = (torch.arange(8) + y).clamp(0, 7)  # beyond the border lies the border
    columns = (torch.arange(8) + x).clamp(0, 7)
    torch.testing.assert_close(out, features[:, :, rows][:, :, :, columns], atol=1e-5, rtol=1e-5)


def test_warping_in_half_precision_keeps_its_coordinates():
    """bf16 has no numbers between 256 and 258."""
    features = torch.arange(300.0).expand(1, 1, 2, 300).bfloat16()
    still = torch.zeros(1, 2, 2, 300, dtype=torch.bfloat16)
    assert torch.equal(warp(features, still), features)


def test_warping_by_half_a_pixel_is_the_mean_of_two():
    features = random(1, 2, 8, 8)
    out = warp(features, shift(0.5, 0))
    expected = (features[..., :-1] + features[..., 1:]) / 2
    torch.testing.assert_close(out[..., :-1], expected, atol=1e-5, rtol=1e-5)


def test_flow_is_scaled_from_the_half_size_frame_to_the_features():
    """4 pixels of a frame at half size are 8 of the image and 1 of features at stride 8."""
    seen = []

    def flow(current, source):
        seen.append((current, source))
        return torch.full((1, 2, 5, 7), 4.0)

    propagation = OpticalFlowPropagation(flow)
    images, value = [random(1, 3, 64, 64, seed=n) for n in range(2)], random(1, 3, 8, 8)
    current, source = (Source(value, propagation.embed(value, image)) for image in images)
    torch.testing.assert_close(propagation(current, source), warp(value, shift(1, 1)))
    assert seen[0] == (current.embedding, source.embedding)
    assert torch.equal(current.embedding, halve(images[0]))
    with pytest.raises(ValueError, match="image"):
        propagation.embed(value)


def test_halving_averages_four_pixels_and_rounds_up():
    out = halve(torch.arange(15.0).view(1, 1, 3, 5))
    assert out.flatten().tolist() == [3, 5, 6.5, 10.5, 12.5, 14]


@torch.inference_mode()
def test_a_keyframe_is_warped_frame_by_frame():
    """Flow of one feature pixel per frame, joined over three frames, and none across two."""
    pairs = []

    def flow(current, source):
        pairs.append((current.mean().item(), source.mean().item()))
        return torch.full((1, 2, 4, 4), 4.0)

    torch.manual_seed(0)
    network = build_network(
        "mila", [DEPTH], propagation="optical_flow", multi_frame=False, flow=flow,
        ceil_mode=False, **SMALL,
    ).eval()  # fmt: skip
    images = [torch.full((1, 3, 64, 64), float(n)) for n in range(4)]
    state = None
    values = []
    for n, image in enumerate(images):
        _, state = network(image, state, keyframe=n == 0)
        values.append(state.key["shared"].value)
    assert pairs == [(1, 0), (2, 1), (3, 2)]
    for n in (1, 2, 3):
        torch.testing.assert_close(values[n], warp(values[n - 1], shift(1, 1)))


@torch.inference_mode()
def test_a_flow_that_is_a_module_is_part_of_the_network():
    flow = FlowNetS(width=4)
    network = build_network("mila", [DEPTH], propagation="optical_flow", flow=flow, **SMALL).eval()
    assert {id(p) for p in flow.parameters()} <= {id(p) for p in network.parameters()}
    state = None
    for keyframe in (True, False, False, True, False):
        logits, state = network(random(1, 3, 64, 96), state, keyframe=keyframe)
        assert torch.isfinite(logits["depth"]).all()
    with torch.device("meta"):
        whole = build_network("mila", [DEPTH], propagation="optical_flow")
    assert isinstance(whole.branches["depth"].propagation.flow, FlowNetS)


def test_flow_is_refused_for_each_task_apart():
    with pytest.raises(ValueError, match="task_specific=False"):
        build_network("mila", [DEPTH, MOTION], propagation="optical_flow")


def test_flownet_s_is_the_papers():
    with torch.device("meta"):
        network = FlowNetS()
        scales = network.scales(*[torch.empty(1, 3, 384, 512)] * 2)
    convolutions = [
        m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    ]
    assert len(convolutions) == 23  # MILA's Table 7, and its 38 M
    assert sum(p.numel() for p in network.parameters()) == 38_675_536
    assert [tuple(flow.shape[1:]) for flow in scales] == [
        (2, 384 // s, 512 // s) for s in (64, 32, 16, 8, 4)
    ]


@torch.inference_mode()
def test_flownet_s_takes_any_size_and_its_units_are_pixels():
    torch.manual_seed(0)
    network = FlowNetS(width=2)
    for flow in network.flows:
        flow.weight.zero_()
    frames = [random(1, 3, 70, 50, seed=n) for n in range(2)]
    assert network(*frames).shape == (1, 2, 18, 13)
    network.flows[-1].weight[:, -2:, 1, 1] = torch.eye(2)  # the flow raised from the scale below
    network.raise_flow[-1].weight.fill_(1.0)
    network.flows[-2].weight.normal_()
    coarse, fine = network.scales(*frames)[-2:]
    raised = network.raise_flow[-1](coarse)[:, :, :18, :13]
    torch.testing.assert_close(fine, raised, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_kernels_sum_to_one_inside_the_image():
    torch.manual_seed(0)
    svc = SpatiallyVariantConvolution(4, hidden=6, kernel=5)
    current, source = random(2, 4, 6, 7), random(2, 4, 6, 7, seed=1)
    kernels = svc.kernels(current, source)
    torch.testing.assert_close(kernels.sum(1), torch.ones(2, 6, 7))
    assert not kernels[:, :12, 0, 0].any()  # above and to the left of the first pixel is nothing
    ones = torch.ones(2, 4, 6, 7)
    out = svc(Source(current, current), Source(ones, ones))
    torch.testing.assert_close(out, ones)


@torch.inference_mode()
def test_a_kernel_of_its_own_for_every_pixel():
    torch.manual_seed(0)
    svc = SpatiallyVariantConvolution(2, hidden=4, kernel=3)
    current, source = random(1, 2, 5, 6).double(), random(1, 2, 5, 6, seed=1).double()
    svc.double()
    kernels = svc.kernels(current, source)
    out = svc(Source(current, current), Source(source, source))
    for i, j in ((0, 0), (2, 3), (4, 5)):
        expected = torch.zeros(2).double()
        for y in range(3):
            for x in range(3):
                row, column = i + y - 1, j + x - 1
                if 0 <= row < 5 and 0 <= column < 6:
                    expected += kernels[0, 3 * y + x, i, j] * source[0, :, row, column]
        torch.testing.assert_close(out[0, :, i, j], expected)


def test_svc_is_table_7s_three_convolutions():
    with torch.device("meta"):
        svc = build_propagation("svc", 512, 32, 5)
    assert sum(p.numel() for p in svc.parameters()) == 3_136_337
    assert sum(isinstance(m, torch.nn.Conv2d) for m in svc.modules()) == 3


@pytest.mark.parametrize("arguments", [{}, {"task_specific": True}, {"multi_frame": False}])
@torch.inference_mode()
def test_svc_propagates_in_mila(arguments):
    torch.manual_seed(0)
    network = build_network(
        "mila", [DEPTH, MOTION], propagation="svc", **(SMALL | arguments)
    ).eval()
    images, state, outputs = [random(1, 3, 40, 48, seed=n) for n in range(2)], None, []
    for image in images:
        logits, state = network(image, state, keyframe=not outputs)
        outputs.append(logits["depth"])
    alone, _ = network(images[1], None, keyframe=False)
    assert not torch.equal(outputs[1], alone["depth"])
