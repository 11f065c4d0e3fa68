# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is minimised, held against the papers' equations and against closed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
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
from mila_ros.networks import MILA as MILANetwork
from mila_ros.networks import State
from mila_ros.networks.optical_flow import FlowNetS
from mila_ros.training.distributed import Processes
from mila_ros.training.progress import Progress
from mila_ros.training.samples import Batch
from mila_ros.training.start import stage_network
from mila_ros.training.steps import Steps
from mila_ros.training.take_over import Start, take_over


def by_hand(logits: dict[str, Tensor], batch: Batch, role: int) -> dict[str, float]:
    """Weighted cross-entropy, L1 of log depth with the sky at 150 m, and motion's, in float64."""
    found = {}
    up = {
        name: F.interpolate(x, batch.image.shape[-2:], mode="bilinear").double().detach().numpy()
        for name, x in logits.items()
    }
    target = {name: t[role].numpy() for name, t in batch.targets.items()}
    for name, weights in (("segmentation", [0.5, 1.5, 1.0]), ("motion", [1.0, 3.0])):
        x = up[name] - np.log(np.exp(up[name]).sum(1, keepdims=True))
        ids = target[name].astype(int) if name == "segmentation" else target[name] // 255
        w = np.array(weights)[ids]
        found[name] = float(-(w * np.take_along_axis(x, ids[:, None], 1)[:, 0]).sum() / w.sum())
    sky = target["segmentation"] == 1
    true = np.where(sky, 150.0, target["depth"])
    w = np.where(sky, 0.1, 1.0)
    found["depth"] = float((np.abs(up["depth"][:, 0] - np.log(true)) * w).sum() / w.sum())
    return found


@pytest.fixture
def with_sky(tmp_path: Path) -> Path:
    """A clip whose right half is sky."""
    return write_clip(tmp_path / "clip", classes=["road", "car", "sky"])


def test_frames_sum_the_losses_of_both_encoders(with_sky: Path) -> None:
    wanted = config()
    made, batch = objective(wanted).eval(), batch_of(with_sky, wanted)
    losses = made(batch)
    image = (batch.image[0].float() / 255 - made.mean) / made.std
    total = 0.0
    for kind, keyframe in (("key", True), ("nonkey", False)):
        logits, _ = made.network.decode(made.network.encode(image, keyframe), State(), keyframe)
        for name, value in by_hand(logits, batch, 0).items():
            assert losses.parts[f"{name}_{kind}"].item() == pytest.approx(value, rel=1e-4)
            total += value
    assert losses.total.item() == pytest.approx(total, rel=1e-4)
    assert losses.tasks["depth"].item() == pytest.approx(
        sum(losses.parts[f"depth_{kind}"].item() for kind in ("key", "nonkey")), rel=1e-6
    )


def test_the_sky_alone_teaches_no_depth(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / "clip", classes=["road", "car", "sky"], maps=("segmentation",))
    wanted = config()
    losses = objective(wanted)(batch_of(folder, wanted))
    assert losses.tasks["depth"].item() == 0.0 and losses.tasks["segmentation"].item() > 0.1


@pytest.mark.parametrize("lonely", [False, True])
def test_video_by_hand(with_sky: Path, lonely: bool) -> None:
    """A stream of before, key, last and current, computed frame by frame as Perception does."""
    stages = single_stage("video", l1=0.7, adversarial=0.3, max_distance=3)
    wanted = config(stages=stages)
    made, batch = objective(wanted).eval(), batch_of(with_sky, wanted)
    losses = made(batch, lonely)
    net = made.network
    images = [(i.float() / 255 - made.mean) / made.std for i in batch.image]
    _, before = net.decode(net.encode(images[0], False), State(), False)
    slow, fast = net.encode(images[1], True), net.encode(images[1], False)
    key, after_key = net.decode(slow, State() if lonely else State(last=before.last), True)
    _, last = net.decode(net.encode(images[2], False), State(), False)
    state = State(key=after_key.key, last={} if lonely else last.last)
    now, _ = net.decode(net.encode(images[3], False), state, False)
    total = sum(by_hand(key, batch, 0).values()) + sum(by_hand(now, batch, 1).values())
    l1 = (slow - fast).abs().mean().item()
    judge = made.discriminator
    adversarial = (F.softplus(-judge(slow)) + F.softplus(judge(fast))).mean().item()
    assert losses.parts["l1"].item() == pytest.approx(l1, rel=1e-4)
    assert losses.parts["adversarial"].item() == pytest.approx(adversarial, rel=1e-4)
    assert losses.total.item() == pytest.approx(total + 0.7 * l1 + 0.3 * adversarial, rel=1e-4)


def test_alignment_moves_the_fast_encoder_only(two_clips: Path) -> None:
    silent = {"name": "equal", "weights": {"segmentation": 0, "depth": 0, "motion": 0}}
    wanted = config(stages=single_stage("video"), weighting=silent)
    made = objective(wanted)
    made(batch_of(two_clips, wanted)).total.backward()
    moved = {
        name.split(".")[0]
        for name, p in made.network.named_parameters()
        if p.grad is not None and p.grad.abs().max() > 0
    }
    assert moved == {"fast", "fast_neck"}
    assert all(p.grad.abs().max() > 0 for p in made.discriminator.convolutions[4].parameters())


def test_the_second_stage_first_says_what_the_first_one_said() -> None:
    """Zeros where the convolutions grew: what is received from other frames has no weight yet."""
    wanted = config()
    first, _ = stage_network(wanted, 0, None)
    second, fresh = stage_network(wanted, 1, first.state_dict())
    assert isinstance(first, MILANetwork) and isinstance(second, MILANetwork)
    first.eval(), second.eval()
    assert {name.split(".")[2] for name in fresh} == {"propagation"}
    grown = second.branches["depth"].fuse_nonkey[0].weight
    assert grown.shape[1] == 3 * 16 and (grown[:, 16:] == 0).all()
    generator = torch.Generator().manual_seed(0)
    state = None
    for keyframe in (True, False, False, True):
        image = torch.randn(1, 3, 32, 64, generator=generator)
        expected, _ = first(image, None, keyframe=keyframe)
        logits, state = second(image, state, keyframe=keyframe)
        for name in expected:
            torch.testing.assert_close(logits[name], expected[name], rtol=1e-5, atol=1e-5)


def test_weights_of_another_network_are_refused() -> None:
    network, _ = stage_network(config(), 0, None)
    with pytest.raises(MilaError, match="none of the weights has a name"):
        take_over(network, {"encoder.weight": torch.zeros(1)})
    with pytest.raises(MilaError, match="slow.conv1.weight cannot be taken over"):
        take_over(network, {"slow.conv1.weight": torch.zeros(8, 3, 7, 7)})


def test_classes_take_their_weights_along_by_name() -> None:
    weights = {"head.weight": torch.arange(12.0).view(3, 4, 1, 1), "head.bias": torch.arange(3.0)}
    start = Start(weights, ("road", "sky", "car"), {"head.weight": (0,), "head.bias": (0,)})
    found = start.for_classes(["car", "dragon", "road"])
    assert found["head.bias"].tolist() == [2.0, 1.0, 0.0]  # the dragon begins with the mean
    assert found["head.weight"][:, 0, 0, 0].tolist() == [8.0, 4.0, 0.0]
    assert start.for_classes(["road", "sky", "car"])["head.bias"] is weights["head.bias"]


def test_what_is_not_labelled_is_kept(tmp_path: Path) -> None:
    """Segmentation alone is labelled: with imitation, depth changes by far less than without."""
    root = write_clip(tmp_path / "clip", maps=("segmentation",), fps=1.0)
    changes = {}
    for distill in (0.0, 1.0):
        stages = single_stage("video", steps=8, learning_rate=0.003, distill=distill,
                              batch_norm="fixed", warm_up=0.0, decay="constant")  # fmt: skip
        wanted = config(stages=stages)
        example, _ = stage_network(wanted, 0, None)
        made = objective(wanted, example=example.eval() if distill else None)
        batch = batch_of(root, wanted)
        image = (batch.image[1].float() / 255 - made.mean) / made.std
        before = example.eval()(image)[0]["depth"]
        steps, costs = Steps(made, wanted, Processes()), []
        for _ in range(6):
            progress = Progress()
            steps(batch, progress)
            costs.append(progress.epoch["segmentation"][0])
        assert costs[-1] < 0.85 * costs[0]
        after = made.network.eval()(image)[0]["depth"]
        changes[distill] = (after - before).abs().mean().item()
    assert changes[1.0] < 0.5 * changes[0.0], changes


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
