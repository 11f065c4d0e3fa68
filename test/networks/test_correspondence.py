# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tells that something moves: displacements of patches, and how they reach the motion mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mila_ros.networks import build_network
from mila_ros.networks.correspondence import Correspondence
from mila_ros.tasks import DEPTH, MOTION, SEGMENTATION
from mila_ros.training.take_over import take_over

TASKS = (SEGMENTATION.with_channels(5), DEPTH, MOTION)
SMALL = {
    "slow": "resnet34", "slow_width": 8, "fast_width": 4, "channels": 16,
    "decoder_channels": (12, 8), "attention_channels": 4,
}  # fmt: skip


def texture(seed: int = 0, size: tuple[int, int] = (96, 128)) -> torch.Tensor:
    """Blobs of a few pixels, [1, 3, H, W]."""
    noise = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(noise, 5, 1, 2) * 5


def correspondence(**arguments: int) -> Correspondence:
    torch.manual_seed(0)
    return Correspondence(8, **arguments).eval()


@torch.inference_mode()
@pytest.mark.parametrize(("right", "down"), [(4, 0), (-8, 4), (0, -12), (16, 16), (0, 0)])
def test_a_shift_is_found_where_it_is(right: int, down: int) -> None:
    """Content that moved right by 8 pixels came from 8 pixels to the left: half of the reach."""
    module, before = correspondence(), texture()
    after = torch.roll(before, (down, right), (2, 3))
    found = module.matches(module.patches(after), module.patches(before))[0, :, 6:-6, 6:-6]
    expected = torch.tensor([-right / 16, -down / 16])
    torch.testing.assert_close(found[:2].flatten(1).median(1).values, expected, atol=0.01, rtol=0)
    assert (found[:2] - expected[:, None, None]).abs().mean() < 0.05
    assert found[2].mean() > 0.95  # the patches found are those
    assert (found[3].mean() > 0.999) == (right == down == 0)  # those in the same place are not


@torch.inference_mode()
def test_a_change_of_light_is_no_motion() -> None:
    module, picture = correspondence(), texture()
    torch.testing.assert_close(
        module.patches(0.5 * picture + 0.7), module.patches(picture), atol=1e-5, rtol=0
    )


@torch.inference_mode()
def test_matches_are_local_attention_by_its_definition() -> None:
    """Against loops in float64: a softmax over the part of the window inside the map."""
    module = correspondence(patch_channels=6, window=3)
    now, last = (module.patches(texture(seed, (20, 28))) for seed in (1, 2))
    found = module.matches(now, last)[0].double().numpy()
    a, b = now[0].double().numpy(), last[0].double().numpy()
    for y, x in np.ndindex(*a.shape[1:]):
        near = [
            (v, u)
            for v in range(max(0, y - 1), min(a.shape[1], y + 2))
            for u in range(max(0, x - 1), min(a.shape[2], x + 2))
        ]
        scores = np.array([module.sharpness.item() * a[:, y, x] @ b[:, v, u] for v, u in near])
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        moved = sum(w * b[:, v, u] for w, (v, u) in zip(weights, near, strict=True))
        expected = [
            sum(w * (u - x) for w, (_, u) in zip(weights, near, strict=True)),
            sum(w * (v - y) for w, (v, _) in zip(weights, near, strict=True)),
            a[:, y, x] @ moved,
            a[:, y, x] @ b[:, y, x],
        ]
        np.testing.assert_allclose(found[:, y, x], expected, atol=2e-5)


@torch.inference_mode()
def test_the_result_has_the_size_of_the_features() -> None:
    module = correspondence()
    patches = module.patches(texture(size=(40, 60)))
    for size in (torch.Size((5, 8)), torch.Size((5, 7))):
        assert module(patches, patches, size).shape == (1, 8, *size)


def test_only_the_motion_mask_looks_at_it_and_is_trained_through_it() -> None:
    torch.manual_seed(0)
    network = build_network("mila", TASKS, **SMALL, correspondence_channels=8)
    assert [name for name in network.branches if network.branches[name].correspondence] == [
        "motion"
    ]
    _, state = network(texture(0), keyframe=True)
    assert state.key["motion"].patches.shape == (1, 24, 24, 32)
    assert state.key["depth"].patches is None
    logits, _ = network(texture(1), state, keyframe=False)
    logits["motion"].square().mean().backward()
    module = network.branches["motion"].correspondence
    for parameter in (module.project.weight, module.sharpness):
        assert parameter.grad.abs().sum() > 0


@torch.inference_mode()
def test_what_moved_reaches_the_motion_mask_alone() -> None:
    """Two pasts that differ in the state's patches only."""
    torch.manual_seed(0)
    network = build_network("mila", TASKS, **SMALL, correspondence_channels=8).eval()
    still, shifted = texture(0), torch.roll(texture(0), 8, 3)
    _, state = network(still, keyframe=True)
    other = state.key["motion"]._replace(
        patches=network.branches["motion"].correspondence.patches(shifted)
    )
    before = network(still, state, keyframe=False)[0]
    state.key["motion"] = other
    after = network(still, state, keyframe=False)[0]
    assert not torch.equal(before["motion"], after["motion"])
    assert all(torch.equal(before[name], after[name]) for name in ("segmentation", "depth"))


@torch.inference_mode()
def test_motion_is_seen_where_all_frames_are_keyframes() -> None:
    torch.manual_seed(0)
    network = build_network("mila", TASKS, **SMALL, correspondence_channels=8).eval()
    answers = []
    for before in (texture(0), torch.roll(texture(0), 8, 3)):
        _, state = network(before, keyframe=True)
        answers.append(network(texture(0), state, keyframe=True)[0])
    alone = network(texture(0), keyframe=True)[0]
    still, moved = answers
    assert not torch.equal(still["motion"], moved["motion"])
    for task in TASKS:
        torch.testing.assert_close(still[task.name], alone[task.name])
    assert torch.equal(still["depth"], moved["depth"])


@torch.inference_mode()
def test_a_network_that_learns_to_look_first_says_what_it_said_before() -> None:
    torch.manual_seed(0)
    blind = build_network("mila", TASKS, **SMALL).eval()
    looking = build_network("mila", TASKS, **SMALL, correspondence_channels=8).eval()
    fresh = take_over(looking, blind.state_dict())
    assert {name.split(".")[2] for name in fresh} == {"correspondence"}
    states = None, None
    for number, keyframe in enumerate((True, False, False, True)):
        results = [
            network(texture(number), state, keyframe=keyframe)
            for network, state in zip((blind, looking), states, strict=True)
        ]
        for name, logits in results[0][0].items():
            torch.testing.assert_close(results[1][0][name], logits, atol=1e-5, rtol=1e-5)
        states = tuple(state for _, state in results)


def test_without_the_image_nothing_can_be_seen() -> None:
    network = build_network("mila", TASKS, **SMALL, correspondence_channels=8)
    with pytest.raises(ValueError, match="give the frame's image"):
        network.branches["motion"].source(torch.zeros(1, 16, 5, 8))
