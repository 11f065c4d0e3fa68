# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a stage keeps of a network that comes trained."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from training_bench import batch_of, config, objective, single_stage

from mila_ros.errors import MilaError
from mila_ros.training.distributed import Processes
from mila_ros.training.progress import Progress
from mila_ros.training.steps import Steps


def test_fixed_batch_norms_stay(two_clips: Path) -> None:
    wanted = config(stages=single_stage("frames", batch_norm="fixed"))
    made = objective(wanted)
    before = {k: v.clone() for k, v in made.network.named_buffers()}
    Steps(made, wanted, Processes())(batch_of(two_clips, wanted), Progress())
    assert all(torch.equal(v, before[k]) for k, v in made.network.named_buffers())
    assert made.network.training


def test_pretrained_parts_have_a_learning_rate_of_their_own(two_clips: Path) -> None:
    """With SGD a step goes as far as the factor says; nothing moves where it is zero."""
    moved: dict[float, float] = {}
    for factor in (0.0, 0.25, 1.0):
        stage = single_stage("video", pretrained={"slow": factor}, warm_up=0.0, decay="constant")
        wanted = config(stages=stage, optimizer={"name": "sgd", "max_gradient_norm": 0.0})
        made = objective(wanted)
        slow, before = made.network.slow, copy.deepcopy(made.network.state_dict())
        Steps(made, wanted, Processes())(batch_of(two_clips, wanted), Progress())
        after = made.network.state_dict()
        kept = [name for name, _ in slow.named_buffers()]
        assert all(torch.equal(after[f"slow.{n}"], before[f"slow.{n}"]) for n in kept)
        assert not torch.equal(after["fast.bn1.running_mean"], before["fast.bn1.running_mean"])
        assert not torch.equal(after["slow_neck.0.weight"], before["slow_neck.0.weight"])
        moved[factor] = (after["slow.conv1.weight"] - before["slow.conv1.weight"]).norm().item()
        assert all(p.requires_grad == (factor > 0) for p in slow.parameters())
    assert moved[0.0] == 0
    assert moved[0.25] == pytest.approx(0.25 * moved[1.0], rel=1e-3) and moved[1.0] > 0


def test_all_but_one_branch_can_be_left_as_it_is(two_clips: Path) -> None:
    rest = ("slow", "slow_neck", "fast", "fast_neck", "branches.segmentation", "branches.depth")
    wanted = config(stages=single_stage("video", pretrained=dict.fromkeys(rest, 0.0), l1=0.0))
    made = objective(wanted)
    before = copy.deepcopy(made.network.state_dict())
    Steps(made, wanted, Processes())(batch_of(two_clips, wanted), Progress())
    moved = {n for n, v in made.network.state_dict().items() if not torch.equal(v, before[n])}
    assert moved and all(name.startswith("branches.motion.") for name in moved)


@pytest.mark.parametrize(
    ("pretrained", "sentence"),
    [
        ({"encoder": 0.1}, "stage only: pretrained names encoder; mila has slow, slow_neck, fast,"),
        ({"branches.edges": 0}, "stage only: pretrained names branches.edges; mila has slow, "),
        ({"": 0}, "stage only: pretrained names ; mila has slow, "),
        ({"slow": -1}, "pretrained.slow is a factor of the learning rate, 0 or more, not -1"),
        ({"slow": "low"}, "pretrained.slow is a factor of the learning rate, 0 or more, not 'low'"),
    ],
)
def test_pretrained_parts_that_do_not_fit(pretrained: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MilaError, match=sentence):
        objective(config(stages=single_stage("video", pretrained=pretrained)))
