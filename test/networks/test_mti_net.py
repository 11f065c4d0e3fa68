# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MTI-Net, PAD-Net and their backbones."""

from __future__ import annotations

import pytest
import torch

from mila_ros.evaluation.flops import measure
from mila_ros.networks import build_network
from mila_ros.networks.distillation import Distillation
from mila_ros.networks.fpn import FPN, PanopticHead
from mila_ros.networks.hrnet import HRNet
from mila_ros.networks.mti_net import FeaturePropagation
from mila_ros.tasks import DEPTH, EDGES, HUMAN_PARTS, NORMALS, SALIENCY, SEGMENTATION

TASKS = (SEGMENTATION.with_channels(5), DEPTH)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small(name="mti_net", **arguments):
    torch.manual_seed(0)
    return build_network(name, TASKS, **({"width": 4} | arguments)).eval()


@pytest.mark.parametrize(
    "name, parameters", [("hrnet18_small", 3_860_720), ("hrnet18", 9_562_260), ("hrnet48", 65.3e6)]
)
def test_hrnet_has_four_scales_and_the_published_size(name, parameters):
    with torch.device("meta"):
        network = HRNet(name)
        maps = network(torch.empty(1, 3, 97, 130))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (c, -(-97 // s), -(-130 // s))
        for c, s in zip(network.channels, (4, 8, 16, 32), strict=True)
    ]
    count = sum(p.numel() for p in network.parameters())
    assert count == pytest.approx(parameters, rel=1e-3 if name == "hrnet48" else 0)


def test_hrnet_takes_weights_with_the_authors_names():
    network = HRNet("hrnet18_small", width=2)
    weights = {k: torch.zeros_like(v) for k, v in network.state_dict().items()}
    for name in (
        "layer1.0.downsample.0.weight",
        "transition1.0.0.weight",
        "transition1.1.0.0.weight",
        "stage3.2.branches.2.1.conv2.weight",
        "stage4.1.fuse_layers.0.3.0.weight",
        "stage4.1.fuse_layers.3.0.2.0.weight",
    ):
        assert name in weights
    network.load_imagenet({**weights, "classifier.weight": torch.zeros(1)})
    assert not network.conv1.weight.any()
    with pytest.raises(RuntimeError, match="conv2.weight"):
        network.load_imagenet({k: v for k, v in weights.items() if k != "conv2.weight"})


@torch.inference_mode()
def test_a_pyramid_adds_the_coarser_maps():
    torch.manual_seed(0)
    network = FPN("resnet18", width=4, pyramid_channels=3).eval()
    image = random(1, 3, 64, 96)
    stages = network.encoder.stages(image)
    coarse = network.lateral[3](stages[3])
    expected = network.lateral[2](stages[2]) + coarse.repeat_interleave(2, 2).repeat_interleave(
        2, 3
    )
    maps = network(image)
    torch.testing.assert_close(maps[3], network.smooth[3](coarse))
    torch.testing.assert_close(maps[2], network.smooth[2](expected))


def test_the_panoptic_head_climbs_by_steps():
    with torch.device("meta"):
        head = PanopticHead((8, 8, 8, 8), outputs=2, hidden=4)
        out = head([torch.empty(1, 8, *s) for s in ((17, 25), (9, 13), (5, 7), (3, 4))])
    assert [len(steps) for steps in head.scales] == [1, 1, 2, 3]
    assert out.shape == (1, 2, 17, 25)


@torch.inference_mode()
def test_distillation_is_equation_1():
    torch.manual_seed(0)
    unit = Distillation(["a", "b"], ["a", "b", "c"], channels=2)
    features = {name: random(1, 2, 4, 5, seed=n) for n, name in enumerate("abc")}
    out = unit(features, ["a", "b"])
    assert set(out) == {"a", "b"}  # c is auxiliary: it gives and does not receive
    expected = features["a"].clone()
    for other in "bc":
        part = unit.attention["a"][other]
        gate = part.attention(features[other]).sigmoid()
        expected += gate * part.message(features[other])
    torch.testing.assert_close(out["a"], expected)
    assert set(unit(features, ["b"])) == {"b"}


def test_a_closed_gate_passes_nothing():
    unit = Distillation(["a"], ["a", "b"], channels=1)
    attention = unit.attention["a"]["b"].attention
    with torch.no_grad():
        attention.weight.fill_(-1e4)
    features = {"a": random(1, 1, 3, 3), "b": torch.ones(1, 1, 3, 3)}
    torch.testing.assert_close(unit(features, ["a"])["a"], features["a"])


@torch.inference_mode()
def test_attention_is_a_softmax_over_tasks_or_over_adjacent_channels():
    torch.manual_seed(0)
    joined = random(2, 3 * 4, 5, 6)
    by_task = FeaturePropagation(["a", "b", "c"], channels=4).eval()
    mask = by_task.attention(joined)
    torch.testing.assert_close(mask.view(2, 3, 4, 5, 6).sum(1), torch.ones(2, 4, 5, 6))
    adjacent = FeaturePropagation(["a", "b", "c"], channels=4, grouping="adjacent").eval()
    adjacent.load_state_dict(by_task.state_dict())
    mask_adjacent = adjacent.attention(joined)
    # Groups [[a0, a1, a2], [a3, b0, b1], ...] of the task-major channels.
    torch.testing.assert_close(mask_adjacent.view(2, 4, 3, 5, 6).sum(2), torch.ones(2, 4, 5, 6))
    assert not torch.allclose(mask, mask_adjacent)
    scores = by_task.function(joined)
    first = scores[:, [0, 4, 8]].softmax(1)  # channel 0 of the three tasks
    torch.testing.assert_close(mask[:, [0, 4, 8]], first)
    torch.testing.assert_close(mask_adjacent[:, 3:6], scores[:, 3:6].softmax(1))


@torch.inference_mode()
def test_feature_propagation_adds_a_gated_shared_map():
    torch.manual_seed(0)
    module = FeaturePropagation(["a", "b"], channels=4).eval()
    features = {"a": random(1, 4, 3, 3), "b": random(1, 4, 3, 3, seed=1)}
    joined = torch.cat([features["a"], features["b"]], dim=1)
    shared = module.reduce(joined * module.attention(joined))
    out = module(features)
    torch.testing.assert_close(out["b"], features["b"] + module.gates["b"](shared))


@torch.inference_mode()
def test_coarse_features_reach_finer_scales_through_propagation_only():
    for propagate in (True, False):
        network, image = small(propagate=propagate), random(1, 3, 64, 64)
        before = network.initial_features(image)
        network.front[3].refine["depth"][0].conv1.weight.mul_(-1)
        after = network.initial_features(image)
        assert not torch.equal(before[3]["depth"], after[3]["depth"])
        for scale in (0, 1, 2):
            same = torch.equal(before[scale]["segmentation"], after[scale]["segmentation"])
            assert same is not propagate


@pytest.mark.parametrize("name", ["mti_net", "pad_net"])
def test_initial_predictions_are_there_for_training(name):
    arguments = {"task_channels": 16} if name == "pad_net" else {}
    network = small(name, auxiliary=["edges", NORMALS], **arguments).train()
    logits, _ = network(random(2, 3, 64, 96))
    assert set(logits) == {"segmentation", "depth"}
    predictions = network.predictions(random(2, 3, 64, 96))
    assert set(predictions.final) == {"segmentation", "depth"}
    scales = (4, 8, 16, 32) if name == "mti_net" else (4,)
    assert len(predictions.initial) == len(scales)
    for stride, initial in zip(scales, predictions.initial, strict=True):
        assert {task: tuple(t.shape[1:]) for task, t in initial.items()} == {
            task: (channels, 64 // stride, 96 // stride)
            for task, channels in {"segmentation": 5, "depth": 1, "edges": 1, "normals": 3}.items()
        }
    every = [*predictions.final.values(), *(t for s in predictions.initial for t in s.values())]
    sum(t.square().mean() for t in every).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


@torch.inference_mode()
def test_predictions_agree_with_the_forward_pass():
    network, image = small(), random(1, 3, 64, 64)
    final = network.predictions(image).final
    for task, logits in network.predict(image, ["segmentation", "depth"]).items():
        assert torch.equal(final[task], logits)


NYUD = (SEGMENTATION.with_channels(40), DEPTH), (480, 640)
PASCAL = (SEGMENTATION.with_channels(21), HUMAN_PARTS, SALIENCY, EDGES, NORMALS), (512, 512)


@pytest.mark.parametrize(
    "name, setting, auxiliary, parameters, gmac",
    [
        ("mti_net", NYUD, (), 8.578, 17.14),
        ("mti_net", NYUD, ("edges", "normals"), 14.838, 22.88),
        ("mti_net", PASCAL, (), 24.494, 30.31),
        ("pad_net", NYUD, (), 7.019, 70.25),
        ("pad_net", PASCAL, (), 29.3, 425),
    ],
)
def test_size_and_cost_are_those_of_the_authors_program(name, setting, auxiliary, parameters, gmac):
    """Measured on it, initial predictions included."""
    tasks, size = setting
    with torch.device("meta"):
        network = build_network(name, tasks, auxiliary=auxiliary)
        cost = measure(network, lambda: network.predictions(torch.empty(1, 3, *size)))
    assert cost.parameters / 1e6 == pytest.approx(parameters, abs=5.1e-4 if gmac < 400 else 0.05)
    assert cost.convolutions_gmac == pytest.approx(gmac, abs=5.1e-3 if gmac < 400 else 0.5)
