# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What attention knows about the keyframe's worth, and keyframes made by it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import make_tiny_bundle
from torch import Tensor

from mila_ros.networks import State
from mila_ros.networks.propagation import Source
from mila_ros.streaming import Adaptive, Perception
from mila_ros.streaming.evidence import best_similarity, keyframe_evidence
from mila_ros.streaming.lanes import Lane

T0 = 1_700_000_000_000_000_000
FRAME_NS = 100_000_000


def directions(angles: Tensor) -> Tensor:
    """[1, 2, H, W] unit vectors, of any length."""
    lengths = torch.arange(1.0, 1.0 + angles.numel()).view(angles.shape)
    return (lengths * torch.stack([angles.cos(), angles.sin()])).unsqueeze(0)


def test_best_similarity_is_the_cosine_of_the_nearest_direction_in_the_window() -> None:
    """A row of directions 0, 0.3, 0.6 ..., and the same turned: the nearest, if it is in reach."""
    angles = 0.3 * torch.arange(9.0).view(1, 9)
    found = best_similarity(directions(angles + 0.1), directions(angles), window=3, stride=1)
    torch.testing.assert_close(found, torch.full((1, 1, 9), math.cos(0.1)))
    found = best_similarity(directions(angles + 0.6), directions(angles), window=3, stride=1)
    expected = torch.full((1, 1, 9), math.cos(0.3))  # two places on would be the same direction
    expected[0, 0, 8] = math.cos(0.6)  # outside the image there is nothing
    torch.testing.assert_close(found, expected)
    found = best_similarity(directions(angles + 0.6), directions(angles), window=5, stride=1)
    expected = torch.ones(1, 1, 9)
    expected[0, 0, 7:] = torch.tensor([0.3, 0.6]).cos()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("size", "window", "stride"), [((7, 9), 5, 1), ((8, 5), 3, 3)])
def test_best_similarity_pixel_by_pixel(size: tuple[int, int], window: int, stride: int) -> None:
    rng = np.random.default_rng(0)
    query, key = rng.normal(size=(2, 6, *size))
    radius, (height, width) = window // 2, size
    expected = [
        [
            max(
                query[:, y, x] @ key[:, v, u]
                / np.linalg.norm(query[:, y, x]) / np.linalg.norm(key[:, v, u])
                for v in range(max(y - radius, 0), min(y + radius + 1, height))
                for u in range(max(x - radius, 0), min(x + radius + 1, width))
            )
            for x in range(0, width, stride)
        ]
        for y in range(0, height, stride)
    ]  # fmt: skip
    maps = [torch.from_numpy(each).unsqueeze(0).float() for each in (query, key)]
    found = best_similarity(*maps, window=window, stride=stride)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-5)


def test_evidence_is_the_mean_over_branches_of_those_that_there_are() -> None:
    def source(angle: float) -> Source:
        vectors = directions(torch.full((4, 4), angle))
        return Source(vectors, vectors)

    key = {"depth": source(0.0), "motion": source(0.0), "normals": source(0.0)}
    last = {"depth": source(0.5), "motion": source(1.0)}
    expected = (math.cos(0.5) + math.cos(1.0)) / 2
    assert keyframe_evidence(State(key, last)) == pytest.approx(expected, abs=1e-6)
    assert keyframe_evidence(State({}, last)) is None
    assert keyframe_evidence(State()) is None


# The policy


class Ride:
    """A camera at ten frames a second, each with the evidence that it is given."""

    def __init__(self, policy: Adaptive) -> None:
        self.policy = policy
        self.number = -1
        self.keyframe_ns = 0
        policy.register("front")

    def frame(self, evidence: float, lag: bool = False) -> bool:
        """Whether it is due; with a lag, the keyframe is not in use yet."""
        self.number += 1
        stamp = T0 + self.number * FRAME_NS
        due = self.policy.due("front", stamp)
        if due:
            self.policy.taken("front", stamp)
            if not lag:
                self.keyframe_ns = stamp
                return True
        else:
            self.policy.passed("front")
        self.policy.observe("front", self.keyframe_ns, evidence)
        return due


def test_a_keyframe_follows_the_frame_whose_evidence_is_low() -> None:
    ride = Ride(Adaptive(0.8, max_age_s=100))
    told = [0.0, 0.5, 0.45, 0.41, 0.39, 0.0, 0.7, 0.6, 0.55, 0.0, 0.9]
    # 0.39 is under 0.8 of 0.5, then 0.55 under 0.8 of 0.7.
    due = [ride.frame(evidence) for evidence in told]
    assert [number for number, is_due in enumerate(due) if is_due] == [0, 5, 9]


def test_the_largest_age_holds_whatever_the_evidence_says() -> None:
    ride = Ride(Adaptive(0.5, max_age_s=0.35))
    due = [ride.frame(1.0) for _ in range(9)]
    assert [number for number, is_due in enumerate(due) if is_due] == [0, 4, 8]


def test_while_a_keyframe_is_under_way_no_other_is_asked_for() -> None:
    ride = Ride(Adaptive(0.8, max_age_s=100))
    assert ride.frame(0.0)
    assert not ride.frame(0.5) and not ride.frame(0.1)
    assert ride.frame(0.1, lag=True)  # begun beside the frames
    assert [ride.frame(0.1) for _ in range(5)] == [False] * 5
    ride.keyframe_ns = T0 + 3 * FRAME_NS  # in use
    assert [ride.frame(evidence) for evidence in (0.6, 0.5, 0.4, 0.4)] == [False] * 3 + [True]


def test_a_stream_that_begins_afresh_forgets_its_evidence() -> None:
    policy = Adaptive(0.8)
    ride = Ride(policy)
    for evidence in (0.0, 0.5, 0.1):
        ride.frame(evidence)
    policy.register("front")
    assert ride.frame(0.0) and not ride.frame(0.1) and not ride.frame(0.1)
    policy.forget("front")
    with pytest.raises(ValueError, match="must be 0 to 1, not 1.5"):
        Adaptive(1.5)


@pytest.mark.parametrize("mode", ["blocking", "concurrent"])
def test_a_scene_that_stands_needs_fewer_keyframes_than_one_that_changes(
    tmp_path: Path, mode: str
) -> None:
    model, lane = make_tiny_bundle(tmp_path, ["depth"]), Lane()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 64, 128, 3), dtype=np.uint8)

    def keyframes(numbers: list[int]) -> int:
        perception = Perception.load(
            model, device="cpu", keyframes=Adaptive(0.9), keyframe_mode=mode, lane=lane
        )
        count = 0
        for place, number in enumerate(numbers):
            stamp_ns = T0 + place * FRAME_NS
            count += perception.step(images[number], stamp_ns=stamp_ns).is_keyframe_new
            lane.run_next()
        return count

    assert keyframes([0] * 10) == 1
    assert keyframes([0, 0, 0, *range(1, 8)]) > 1
