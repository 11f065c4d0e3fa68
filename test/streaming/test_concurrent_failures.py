# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Concurrent keyframes where a network fails, a stream starts again, or a camera goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from concurrent_bench import ByHand, load, noise_video, step
from stream_bench import STEP, T0

from mila_ros.networks import MILA
from mila_ros.streaming import ResetCause
from mila_ros.streaming.lanes import Lane

# Failures


def fail_slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    encode = MILA.encode

    def failing(self: MILA, image: torch.Tensor, keyframe: bool) -> torch.Tensor:
        if keyframe:
            raise RuntimeError("out of memory\nand more")
        return encode(self, image, keyframe)

    monkeypatch.setattr(MILA, "encode", failing)
    return lambda: monkeypatch.setattr(MILA, "encode", encode)


def test_a_slow_network_that_fails_stops_nobody_and_is_tried_again(
    two_tasks: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    images, lane = noise_video(9), Lane()
    perception, untouched = load(two_tasks, lane, every=3), load(two_tasks, Lane(), every=1000)
    mend = None
    for number, image in enumerate(images):
        if number == 1:
            mend = fail_slow(monkeypatch)
        if number == 6 and mend:
            mend()
        lane.run_next()
        frame = step(perception, image, number)
        same = step(untouched, image, number) if number < 7 else frame
        np.testing.assert_array_equal(frame.motion, same.motion)
        says = "the slow network failed: RuntimeError: out of memory"
        assert frame.keyframe_failure == (says if 4 <= number < 7 else None), number
        assert frame.keyframe_stamp_ns == (T0 if number < 7 else T0 + 6 * STEP)
        assert frame.reset_cause is (ResetCause.START if number == 0 else None)
    assert len([r for r in caplog.records if "front: the slow network failed" in r.message]) == 1


def test_a_slow_network_that_fails_from_the_start(
    two_tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, lane, by_hand = noise_video(5), Lane(), ByHand(two_tasks)
    perception = load(two_tasks, lane, every=3)
    mend = fail_slow(monkeypatch)
    frames = [step(perception, image, number) for number, image in enumerate(images[:2])]
    mend()
    frames += [step(perception, image, number + 2) for number, image in enumerate(images[2:])]
    for frame, image in zip(frames, images, strict=True):
        np.testing.assert_array_equal(frame.motion, by_hand.motion(image))
    assert [frame.keyframe_age for frame in frames] == [0, 1, 2, 3, 4]
    assert not any(frame.is_keyframe or frame.is_keyframe_new for frame in frames)
    assert {frame.keyframe_stamp_ns for frame in frames} == {None}
    assert lane.run_next()  # asked for by the fourth frame, three after the first
    frame = step(perception, images[0], 5)
    assert (frame.keyframe_age, frame.keyframe_stamp_ns) == (2, T0 + 3 * STEP)
    assert frame.keyframe_failure is None


def test_a_fast_network_that_fails_is_an_error_as_ever(
    two_tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, lane = noise_video(4), Lane()
    perception = load(two_tasks, lane)
    step(perception, images[0], 0)
    with monkeypatch.context() as patch:
        patch.setattr(MILA, "decode", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            step(perception, images[1], 1)
    frame = step(perception, images[2], 2)
    assert frame.reset_cause is ResetCause.ERROR and frame.is_keyframe


# Resets


@pytest.mark.parametrize("when", ["before it ran", "after it ran"])
@pytest.mark.parametrize(
    ("number", "size", "cause"),
    [
        (2, (64, 128), "activated"),
        (-5, (64, 128), ResetCause.TIME_JUMP_BACK),
        (90, (64, 128), ResetCause.GAP),
        (2, (128, 64), ResetCause.SIZE_CHANGED),
    ],
)
def test_a_reset_discards_the_keyframe_that_is_under_way(
    two_tasks: Path, when: str, number: int, size: tuple[int, int], cause: str
) -> None:
    images, lane = noise_video(3), Lane()
    perception = load(two_tasks, lane)
    step(perception, images[0], 0)
    perception.request_keyframe("front")
    step(perception, images[1], 1)
    if when == "after it ran":
        assert lane.run_next()
    if cause == "activated":
        perception.reset(cause=cause)
    other = noise_video(3, seed=1, size=size)
    frames = [step(perception, other[0], number)]
    while lane.run_next():
        pass
    frames += [step(perception, other[n], number + n) for n in (1, 2)]
    assert frames[0].reset_cause == cause
    fresh = load(two_tasks, Lane())
    expected = [step(fresh, other[0], 0)]
    if when == "before it ran":  # the slow network was not free: the first frame did not wait
        assert not frames[0].is_keyframe
        assert frames[1].keyframe_stamp_ns == T0 + number * STEP
        return
    expected += [step(fresh, other[n], n) for n in (1, 2)]
    for ours, theirs in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(ours.motion, theirs.motion)
        assert ours.is_keyframe == theirs.is_keyframe


def test_a_camera_that_was_dropped_gets_no_keyframe_of_before(two_tasks: Path) -> None:
    image, lane = noise_video(1)[0], Lane()
    perception = load(two_tasks, lane, max_cameras=1)
    step(perception, image, 0, "a")
    perception.request_keyframe("a")
    step(perception, image, 1, "a")
    step(perception, image, 1, "b")
    step(perception, image, 2, "a")
    assert lane.run_next()
    frame = step(perception, image, 3, "a")
    assert frame.keyframe_stamp_ns in (None, T0 + 2 * STEP)
