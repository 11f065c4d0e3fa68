# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slow network beside the frames, stepped by hand: when a keyframe comes into use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from concurrent_bench import ByHand, load, noise_video, step
from stream_bench import STEP, T0

from mila_ros import engines
from mila_ros.engines.eager import EagerEngine
from mila_ros.errors import MilaError
from mila_ros.networks import State
from mila_ros.streaming import OnRequest, Perception
from mila_ros.streaming.lanes import LagLane, Lane, ThreadLane


def test_a_keyframe_comes_into_use_whole_between_two_frames(two_tasks: Path) -> None:
    images = noise_video(7)
    lane, by_hand = Lane(), ByHand(two_tasks)
    perception = load(two_tasks, lane)
    expected = [
        by_hand.motion(images[0], keyframe=True),
        by_hand.motion(images[1]),
        by_hand.motion(images[2]),  # asked for here
        by_hand.motion(images[3]),
        by_hand.motion(images[4], source=images[2]),  # done before this one
        by_hand.motion(images[5]),
    ]
    frames = []
    for number, image in enumerate(images[:6]):
        if number == 2:
            perception.request_keyframe("front")
        if number == 4:
            assert lane.run_next() and not lane.run_next()
        frames.append(step(perception, image, number))
    for frame, mask in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.motion, mask)
    # The keyframe matters, or this test would prove nothing.
    by_hand.state = None
    by_hand.motion(images[0], keyframe=True)
    for number in (1, 2, 3, 4):
        without = by_hand.motion(images[number])
    assert (without != expected[4]).mean() > 0.01
    assert [frame.is_keyframe for frame in frames] == [True] + [False] * 5
    assert [frame.is_keyframe_new for frame in frames] == [True, False, False, False, True, False]
    assert [frame.keyframe_age for frame in frames] == [0, 1, 2, 3, 2, 3]
    assert [f.keyframe_age_s for f in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.2, 0.3])
    assert [frame.keyframe_stamp_ns for frame in frames] == [T0] * 4 + [T0 + 2 * STEP] * 2
    assert all(frame.keyframe_failure is None for frame in frames)


class Watched(EagerEngine):
    """Writes down which keyframe each frame has, by the object that its features are."""

    seen: list[set[int]] = []

    def __call__(self, image: torch.Tensor, state: State | None, **arguments: Any) -> Any:
        if state is not None:
            owners = {id(source) for source in state.key.values()}
            self.seen.append({OWNERS.get(owner, 0) for owner in owners})
        return super().__call__(image, state, **arguments)

    def sources(self, image: torch.Tensor, *, precision: str) -> Any:
        result = super().sources(image, precision=precision)
        number = len(KEPT) + 1
        KEPT.append(result)  # so that no id is used twice
        OWNERS.update({id(source): number for source in result.values()})
        return result


KEPT: list[Any] = []
OWNERS: dict[int, int] = {}


def test_no_frame_has_features_of_two_keyframes(
    two_tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real thread that delivers whenever it likes."""
    monkeypatch.setitem(engines.ENGINES, "watched", Watched)
    lane = ThreadLane(1)
    perception = load(two_tasks, lane, every=1, engine="watched")
    images = noise_video(4)
    for number in range(60):
        step(perception, images[number % 4], number)
    assert perception.close(10)
    assert all(len(owners) == 1 for owners in Watched.seen)
    used = [owner for (owner,) in Watched.seen]
    assert used == sorted(used) and used[-1] > 2, "newer keyframes came into use, never older ones"


def test_a_lag_in_frames(two_tasks: Path) -> None:
    images = noise_video(8)
    perception = load(two_tasks, LagLane(2), every=3)
    frames = [step(perception, image, number) for number, image in enumerate(images)]
    assert [frame.keyframe_age for frame in frames] == [0, 1, 2, 3, 4, 2, 3, 4]
    lane = Lane()
    same = load(two_tasks, lane, every=3)
    for number, image in enumerate(images):
        if number == 5:
            assert lane.run_next()
        np.testing.assert_array_equal(step(same, image, number).motion, frames[number].motion)
    with pytest.raises(ValueError, match="1 frame or more, not by 0"):
        LagLane(0)


def test_a_new_task_does_not_wait_and_has_a_keyframe_soon(two_tasks: Path) -> None:
    images, lane = noise_video(4), Lane()
    perception = load(two_tasks, lane)
    step(perception, images[0], 0, tasks=["depth"])
    assert step(perception, images[1], 1, tasks=["depth", "motion"]).motion is not None
    assert lane.run_next()
    frame = step(perception, images[2], 2, tasks=["depth", "motion"])
    assert frame.keyframe_age == 1
    assert not lane.run_next()


def test_modes(two_tasks: Path) -> None:
    with pytest.raises(MilaError, match="unknown keyframe mode 'lazy'; choose blocking or"):
        Perception.load(two_tasks, keyframe_mode="lazy")
    assert Perception.load(two_tasks, device="cpu").keyframe_mode == "blocking"
    perception = load(two_tasks, Lane())
    assert perception.keyframe_mode == "concurrent"
    perception.keyframes = OnRequest()
    perception.warm_up(64, 128)
    assert perception.cameras == ()
