# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ways to join frames: values in closed form, what they cost, and MILA with each."""

from __future__ import annotations

import pytest
import torch

from mila_ros.evaluation.flops import EVERYTHING, Counter
from mila_ros.networks import build_network
from mila_ros.networks.fusion import FUSIONS, build_fusion
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION

SMALL = {
    "slow": "resnet18",
    "fast": "resnet18",
    "slow_width": 16,
    "fast_width": 16,
    "ceil_mode": False,
    "channels": 32,
    "decoder_channels": (32, 16),
    "attention_channels": 16,
    "window": 3,
}


def frames(count=3, channels=4):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, 3, 5, generator=generator) for _ in range(count)]


def test_addition_scales_each_channel_of_each_source():
    fusion, channels = build_fusion("add", 4, 2)
    maps = frames()
    assert channels == 4
    torch.testing.assert_close(fusion(maps), maps[0] + maps[1] + maps[2])  # as it begins
    fusion.scale.data[1, 3] = -2.0
    expected = maps[0] + maps[1] + maps[2]
    expected[:, 3] -= 3 * maps[2][:, 3]
    torch.testing.assert_close(fusion(maps), expected)


def test_the_gate_is_a_mean_with_weights_of_each_pixel():
    fusion, channels = build_fusion("gate", 4, 2)
    maps = frames()
    assert channels == 4
    torch.testing.assert_close(fusion(maps), (maps[0] + maps[1] + maps[2]) / 3)  # as it begins
    for number, score in enumerate(fusion.scores):
        score.weight.data.normal_(generator=torch.Generator().manual_seed(number))
        score.bias.data.fill_(0.1 * number)
    scores = [
        sum(s.weight[0, c, 0, 0].double() * m[:, c].double() for c in range(4)) + s.bias.double()
        for s, m in zip(fusion.scores, maps, strict=True)
    ]
    total = sum(score.exp() for score in scores)
    weighted = [
        (s.exp() / total).unsqueeze(1) * m.double() for s, m in zip(scores, maps, strict=True)
    ]
    torch.testing.assert_close(fusion(maps).double(), sum(weighted), atol=1e-6, rtol=1e-6)


def test_concatenation_is_as_wide_as_all_frames():
    fusion, channels = build_fusion("concat", 4, 2)
    assert channels == 12 and torch.equal(fusion(frames()), torch.cat(frames(), dim=1))
    with pytest.raises(ValueError, match="unknown fusion 'sum'; choose concat, add or gate"):
        build_fusion("sum", 4, 2)


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("correspondence", [0, 16])
def test_mila_with_each(name, correspondence):
    tasks = [SEGMENTATION, DEPTH, MOTION]
    torch.manual_seed(0)
    network = build_network(
        "mila", tasks, **SMALL, fusion=name, correspondence_channels=correspondence
    ).eval()
    image = torch.randn(1, 3, 64, 96)
    state = None
    with torch.no_grad():
        for keyframe in (True, False, True, False):
            logits, state = network(image, state, keyframe=keyframe)
    assert {task: tuple(t.shape[2:]) for task, t in logits.items()} == {
        task.name: (64, 96) for task in tasks
    }
    # The 3×3 after fusion is as wide as what comes in: its weights say what it costs.
    wide = 3 if name == "concat" else 1
    for task in tasks:
        inputs = network.branches[task.name].fuse_nonkey[0].in_channels
        assert inputs == 32 * wide + 2 * correspondence * (task is MOTION)


def test_what_they_save_is_counted():
    """Per task and pixel: 9·C·wide multiplications for each frame that no longer is concatenated,
    and C and a bias for each frame's score in a gate."""
    costs = {}
    for name in FUSIONS:
        with torch.device("meta"), torch.no_grad():
            network = build_network("mila", [SEGMENTATION, DEPTH], **SMALL, fusion=name).eval()
            image, state = torch.empty(1, 3, 64, 96), None
            for keyframe in (True, False, False):
                with Counter(network, rules=EVERYTHING) as counter:
                    _, state = network(image, state, keyframe=keyframe)
            costs[name] = counter.gmac * 1e9
    pixels, tasks = 8 * 12, 2
    saved = tasks * pixels * 9 * 32 * 32 * 2
    assert costs["concat"] - costs["add"] == pytest.approx(saved)
    assert costs["gate"] - costs["add"] == pytest.approx(tasks * pixels * (32 + 1) * 3)
