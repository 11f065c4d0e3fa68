# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is minimised, held against the papers' equations and against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from training_bench import (
    batch_of,
    config,
    objective,
    single_stage,
    write_clip,
)

from mila_ros.errors import MilaError
from mila_ros.networks import MILA as MILANetwork
from mila_ros.networks import State
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
