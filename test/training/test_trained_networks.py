# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every network learns, each in its own way, and what it cannot learn in is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_bench import (
    ENCODER,
    MILA,
    STAGE,
    batch_of,
    config,
    objective,
    single_stage,
    write_clip,
)

from mila_ros.errors import MilaError
from mila_ros.networks.optical_flow import FlowNetS
from mila_ros.training.distributed import Processes
from mila_ros.training.progress import Progress
from mila_ros.training.steps import Steps

PYRAMID = {"backbone": "fpn_resnet18", "width": 16, "pyramid_channels": 16}
ASTMT = {"encoder": "se_resnet26", "width": 16, "decoder_width": 16}
NETWORKS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "single_task": ("single_task", ENCODER, {}),
    "mtan": ("mtan", ENCODER, {}),
    "mtan, segnet": ("mtan", {"backbone": "segnet", "width": 16}, {}),
    "cross_stitch": ("cross_stitch", ENCODER, {}),
    "multinet": ("multinet", {"encoder": "resnet18", "width": 16}, {"objective": "pair"}),
    "multinet, slow-fast": (
        "multinet", {k: v for k, v in MILA.items()} | {"slow_fast": True}, {"objective": "video"}
    ),
    "mti_net": ("mti_net", PYRAMID, {}),
    "pad_net": ("pad_net", PYRAMID | {"task_channels": 16}, {}),
    "astmt": ("astmt", ASTMT, {}),
    "astmt, adversarial": ("astmt", ASTMT, {"task_adversarial": 0.1}),
    "astmt, adversarial, without modulation": (
        "astmt", ASTMT | {"modulated": "none"}, {"task_adversarial": 0.1}
    ),
    "mila": ("mila", MILA, {"objective": "video"}),
    "mila, concat": ("mila", MILA | {"propagation": "concat"}, {"objective": "video"}),
    "mila, svc": ("mila", MILA | {"propagation": "svc"}, {"objective": "video"}),
    "mila, optical flow": (
        "mila",
        MILA | {"propagation": "optical_flow", "task_specific": False, "flow": FlowNetS(16)},
        {"objective": "video", "max_distance": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_a_batch(tmp_path: Path, name: str) -> None:
    network, arguments, stage = NETWORKS[name]
    deep = network in ("mti_net", "pad_net")
    maps = ("segmentation", "depth", "normals", "edges")
    root = write_clip(tmp_path / "clip", maps=maps)
    wanted = config(
        network={"name": network, "arguments": arguments},
        tasks={"segmentation": {}, "depth": {}},
        auxiliary={"normals": {}, "edges": {}} if deep else {},
        stages=single_stage(stage.get("objective", "frames"), **{
            "steps": 6, "learning_rate": 0.005, "warm_up": 0.0, "decay": "constant", "lonely": 0.0,
            "crop": [64, 64] if network in ("multinet", "mti_net", "astmt") else STAGE["crop"],
        } | {k: v for k, v in stage.items() if k != "objective"}),
    )  # fmt: skip
    made, batch = objective(wanted), batch_of(root, wanted)
    steps, progress, sums = Steps(made, wanted, Processes()), Progress(), []
    for _ in range(6):
        progress.epoch = {}
        steps(batch, progress)
        sums.append(sum(total for total, _ in progress.epoch.values()))
    assert sums[-1] < 0.9 * sums[0]
    if deep:
        scales = 4 if network == "mti_net" else 1
        names = {f"{t}_initial{n}" for t in made.tasks for n in range(scales)}
        assert set(progress.losses or ()) == names | {"segmentation_frame", "depth_frame"}
    if name.startswith("astmt, adversarial"):
        assert {"segmentation_adversarial", "depth_adversarial"} <= set(progress.losses or ())


@pytest.mark.parametrize("factor", [None, 0.5])
def test_what_tasks_share_learns_slower_in_astmt(factor: float | None) -> None:
    """A batch is a step for each task, and what they share is part of all (appendix D)."""
    pretrained = {} if factor is None else {"encoder": factor}
    wanted = config(
        network={"name": "astmt", "arguments": ASTMT},
        tasks={"segmentation": {}, "depth": {}},
        stages=single_stage("frames", pretrained=pretrained, task_adversarial=0.1),
    )
    made = objective(wanted)
    factors = {
        p: group["factor"]
        for group in Steps(made, wanted, Processes()).optimizer.param_groups
        for p in group["params"]
    }
    own = {p for task in made.tasks for p in made.network.parameters_of(task)}
    for name, p in made.network.named_parameters():
        whole = (factor or 1.0) if name.startswith("encoder.") else 1.0
        assert factors[p] == (whole if p in own else whole / 2), name
    assert {factors[p] for p in made.discriminator.parameters()} == {1.0}


def test_astmt_updates_what_a_task_used(two_clips: Path) -> None:
    """Without labels of depth, momentum moves no weight that is depth's own."""
    wanted = config(
        network={"name": "astmt", "arguments": ASTMT},
        tasks={"segmentation": {}, "depth": {}},
        stages=single_stage("frames", warm_up=0.0),
        optimizer={"name": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    )
    made = objective(wanted)
    assert made.turns == ("segmentation", "depth")
    made.turns = ("segmentation",)
    own = made.network.parameters_of("depth")
    before = [p.clone() for p in own]
    steps, progress = Steps(made, wanted, Processes()), Progress()
    for _ in range(2):
        steps(batch_of(two_clips, wanted), progress)
    assert all(torch.equal(p, q) for p, q in zip(own, before, strict=True))
    others = made.network.parameters_of("segmentation")
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in others)


@pytest.mark.parametrize(
    ("network", "stage", "sentence"),
    [
        ("multi_task", {"objective": "video"}, "has no slow and fast encoder"),
        ("multi_task", {"objective": "pair"}, "multi_task sees single frames"),
        ("multi_task", {"objective": "frames", "task_adversarial": 0.1}, "is ASTMT's, not of"),
        ("astmt", {"objective": "frames", "distill": 1.0}, "task by task, without distill"),
    ],
)
def test_objectives_that_do_not_go_with_a_network(
    network: str, stage: dict[str, Any], sentence: str
) -> None:
    arguments = ASTMT if network == "astmt" else ENCODER
    wanted = config(network={"name": network, "arguments": arguments}, stages=single_stage(**stage))
    with pytest.raises(MilaError, match=sentence):
        objective(wanted)


@pytest.mark.parametrize(
    ("network", "stage", "sentence"),
    [
        (("mila", MILA), {"objective": "pair"}, "leave the fast encoder of mila untrained"),
        (("multinet", MILA | {"slow_fast": True}), {"objective": "pair"}, "is frames or video"),
        (
            ("mila", MILA | {"propagation": "optical_flow", "task_specific": False}),
            {"objective": "video", "max_distance": 4},
            "up to 4 frames at once; max_distance is 1",
        ),
    ],
)
def test_what_would_be_left_untrained_is_refused(
    network: tuple[str, dict[str, Any]], stage: dict[str, Any], sentence: str
) -> None:
    name, arguments = network
    wanted = config(
        network={"name": name, "arguments": arguments},
        tasks={"segmentation": {}, "depth": {}},
        stages=single_stage(**stage),
    )
    with pytest.raises(MilaError, match=sentence):
        objective(wanted)


def test_tasks_are_told_apart_only_where_there_are_two() -> None:
    wanted = config(
        network={"name": "astmt", "arguments": ASTMT},
        tasks={"depth": {}},
        stages=single_stage("frames", task_adversarial=0.1),
    )
    with pytest.raises(MilaError, match="task_adversarial needs two tasks or more"):
        objective(wanted)
