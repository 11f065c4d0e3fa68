# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras, the tasks asked for, and which frames are keyframes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import tiny_description, tiny_network
from stream_bench import STEP, T0, assert_same, play, video

from mila_ros.networks import MILA
from mila_ros.streaming import EveryN, Frame, OnRequest, Perception, Period, ResetCause, save_bundle

# Cameras


def test_cameras_do_not_see_each_other(original: Path) -> None:
    videos = {"front": video(9, seed=1), "left": video(9, seed=2, size=(60, 80))}
    together = Perception.load(original, device="cpu", keyframes=EveryN(1000))
    interleaved: dict[str, list[Frame]] = {"front": [], "left": []}
    for number in range(9):
        for camera, images in videos.items():
            interleaved[camera] += play(together, [images[number]], camera, start=number)
    for camera, images in videos.items():
        alone = Perception.load(original, device="cpu", keyframes=EveryN(1000))
        for ours, theirs in zip(interleaved[camera], play(alone, images, camera), strict=True):
            assert_same(ours, theirs)


def test_keyframes_of_cameras_in_step_are_staggered(perception: Perception) -> None:
    cameras = ("front", "left", "right")
    images = video(12)
    taken = [
        {camera for camera in cameras if play(perception, [image], camera, n)[0].is_keyframe}
        for n, image in enumerate(images)
    ]
    assert taken[0] == set(cameras)
    assert [len(which) for which in taken[1:]] == [1] * 11
    assert set.union(*taken[1:4]) == set(cameras)


def test_the_longest_idle_camera_is_dropped(original: Path) -> None:
    perception = Perception.load(original, device="cpu", max_cameras=2)
    image = video(1)
    play(perception, image, "a")
    play(perception, image, "b")
    play(perception, image, "a", start=1)
    assert perception.cameras == ("b", "a") and perception.dropped_cameras == 0
    assert play(perception, image, "c", start=2)[0].reset_cause is ResetCause.START
    assert perception.cameras == ("a", "c") and perception.dropped_cameras == 1
    assert play(perception, image, "a", start=2)[0].reset_cause is None
    assert play(perception, image, "b", start=2)[0].reset_cause is ResetCause.START
    assert perception.cameras == ("a", "b") and perception.dropped_cameras == 2


# Tasks


def test_only_the_tasks_asked_for(original: Path, perception: Perception) -> None:
    images = video(3)
    frames = play(perception, images, tasks=["depth"])
    everything = play(Perception.load(original, device="cpu"), images)
    for frame, full in zip(frames, everything, strict=True):
        assert frame.segmentation is frame.confidence is frame.motion is None
        np.testing.assert_array_equal(frame.depth, full.depth)


def test_a_task_asked_for_again_makes_a_keyframe(perception: Perception) -> None:
    wanted = [
        ({"depth"}, True),  # the start
        ({"depth"}, False),
        ({"depth", "motion"}, True),
        ({"depth", "motion"}, False),
        ({"motion"}, False),
        ({"motion", "depth"}, True),
        (None, True),
        ({"segmentation"}, False),
    ]
    perception.keyframes = EveryN(1000)
    for number, ((tasks, keyframe), image) in enumerate(zip(wanted, video(8), strict=True)):
        frame = perception.step(image, stamp_ns=T0 + number * STEP, tasks=tasks)
        assert frame.is_keyframe is keyframe, number
        for task in ("segmentation", "depth", "motion"):
            assert (getattr(frame, task) is not None) == (tasks is None or task in tasks)


# Keyframes


def test_a_requested_keyframe(perception: Perception) -> None:
    images = video(5)
    perception.keyframes = EveryN(1000)
    play(perception, images[:2])
    perception.request_keyframe("front")
    perception.request_keyframe("unknown")
    frames = play(perception, images[2:], start=2)
    assert [frame.is_keyframe for frame in frames] == [True, False, False]
    assert frames[0].reset_cause is None
    assert perception.cameras == ("front",)


def test_another_policy_while_running(perception: Perception) -> None:
    images = video(12)
    play(perception, images[:2])
    perception.keyframes = Period(0.4)
    frames = play(perception, images[2:], start=2)
    assert [n for n, frame in enumerate(frames) if frame.is_keyframe] == [0, 4, 8]
    assert perception.resets("front") == {ResetCause.START: 1}


def test_keyframes_on_request(original: Path) -> None:
    perception = Perception.load(original, device="cpu", keyframes=OnRequest(max_age_s=100))
    taken = []
    for number, image in enumerate(video(6)):
        if number == 4:
            perception.request_keyframe("front")
        taken.append(play(perception, [image], start=number)[0].is_keyframe)
    assert taken == [True, False, False, False, True, False]


def test_a_network_without_a_fast_encoder_has_only_keyframes(tmp_path: Path) -> None:
    description = tiny_description()
    description["network"]["arguments"]["slow_only"] = True
    torch.manual_seed(0)
    network = MILA(tiny_network().tasks, **description["network"]["arguments"])
    save_bundle(tmp_path, network, description)
    perception = Perception.load(tmp_path, device="cpu")
    perception.warm_up(40, 80)
    assert all(frame.is_keyframe for frame in play(perception, video(4)))


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rgb": np.zeros((4, 4), np.uint8)}, r"an image must be RGB, uint8"),
        ({"rgb": np.zeros((4, 4, 3), np.int32)}, r"not int32 \[4, 4, 3\]"),
        ({"stamp_ns": -1}, "must not be negative, but it is -1 ns"),
        ({"tasks": ["depth", "flow"]}, "ask for some of them, not for flow"),
        ({"tasks": []}, "ask for some of them, not for none"),
        ({"tasks": "depth"}, "a collection of names, not one text"),
        ({"focal_px": 0.0}, "must be positive and finite, not 0.0 px"),
        ({"focal_px": float("nan")}, "must be positive and finite, not nan px"),
    ],
)
def test_wrong_arguments_leave_the_stream_as_it_was(
    perception: Perception, arguments: dict[str, Any], message: str
) -> None:
    images = video(3)
    play(perception, images[:2])
    usual: dict[str, Any] = {"rgb": images[2], "stamp_ns": T0 + 2 * STEP, "camera": "front"}
    with pytest.raises(ValueError, match=message):
        perception.step(**(usual | arguments))
    frame = perception.step(**usual)
    assert frame.reset_cause is None and frame.keyframe_age == 2
    assert perception.resets("front") == {ResetCause.START: 1}
