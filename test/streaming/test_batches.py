# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of several cameras at once: the same as one after the other, whatever happens to one."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from concurrent_bench import noise_video
from stream_bench import STEP, T0, Image, play, video

from mila_ros.engines.eager import EagerEngine
from mila_ros.networks import State
from mila_ros.streaming import (
    EveryN,
    FailedFrame,
    Frame,
    FrameRequest,
    Perception,
    Period,
    ResetCause,
)
from mila_ros.streaming.lanes import LagLane

CAMERAS = ("front", "left", "rear")


def requests(videos: dict[str, list[Image]], number: int, **arguments: Any) -> list[FrameRequest]:
    return [
        FrameRequest(images[number], T0 + number * STEP, camera, **arguments)
        for camera, images in videos.items()
    ]


def by_camera(outcomes: Any) -> dict[str, Any]:
    outcomes = list(outcomes)
    assert len({outcome.camera for outcome in outcomes}) == len(outcomes)
    return {outcome.camera: outcome for outcome in outcomes}


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of the batches that a network is given, one after the other."""
    seen: list[int] = []
    call = EagerEngine.__call__

    def spying(self: Any, image: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        seen.append(image.shape[0])
        return call(self, image, *arguments, **options)

    monkeypatch.setattr(EagerEngine, "__call__", spying)
    return seen


# The same as one after the other


@pytest.mark.parametrize("mode", ["blocking", "concurrent"])
def test_a_batch_is_the_frames_one_by_one(two_tasks: Path, mode: str, sizes: list[int]) -> None:
    def load(size: int) -> Perception:
        lane = LagLane(1) if mode == "concurrent" else None
        return Perception.load(
            two_tasks,
            device="cpu",
            keyframes=EveryN(4),
            keyframe_mode=mode,
            lane=lane,
            max_batch_size=size,
        )

    videos = {camera: noise_video(9, seed) for seed, camera in enumerate(CAMERAS)}
    alone, together = load(1), load(3)
    theirs = [by_camera(alone.step_batch(requests(videos, number))) for number in range(9)]
    assert set(sizes) == {1}
    sizes.clear()
    ours = [by_camera(together.step_batch(requests(videos, number))) for number in range(9)]
    # Keyframes, which blocking takes in turn, are computed by themselves.
    assert set(sizes) == ({1, 3} if mode == "concurrent" else {1, 2, 3})
    for number in range(9):
        for camera in CAMERAS:
            mine, other = ours[number][camera], theirs[number][camera]
            assert isinstance(mine, Frame) and isinstance(other, Frame)
            for name in ("is_keyframe", "is_keyframe_new", "keyframe_age", "keyframe_stamp_ns"):
                assert getattr(mine, name) == getattr(other, name), (number, camera, name)
            np.testing.assert_allclose(mine.depth, other.depth, rtol=1e-4)
            assert (mine.motion != other.motion).mean() < 1e-3
            assert mine.stamp_ns == T0 + number * STEP
            assert set(mine.timings_ms) == {"preprocess", "network", "postprocess", "total"}


def test_keyframes_come_after_the_frames_that_take_less_time(perception: Perception) -> None:
    perception.keyframes, perception.max_batch_size = EveryN(1000), 3
    videos = {camera: video(4, seed) for seed, camera in enumerate(CAMERAS)}
    for number in range(3):
        by_camera(perception.step_batch(requests(videos, number)))
    perception.request_keyframe("front")
    frames = list(perception.step_batch(requests(videos, 3)))
    assert [frame.camera for frame in frames] == ["left", "rear", "front"]
    assert [frame.is_keyframe for frame in frames] == [False, False, True]


def test_what_differs_is_not_of_one_batch(perception: Perception, sizes: list[int]) -> None:
    perception.keyframes, perception.max_batch_size = EveryN(1000), 2
    names = ("a", "b", "c", "wide", "motion")
    videos = {name: video(4, seed) for seed, name in enumerate(names)}
    videos["wide"] = video(4, 3, (48, 96))

    def step(number: int) -> None:
        several = requests(videos, number)
        several[-1] = FrameRequest(
            videos["motion"][number], T0 + number * STEP, "motion", {"motion"}
        )
        frames = by_camera(perception.step_batch(several))
        assert frames["wide"].depth.shape == (48, 96)
        assert frames["motion"].depth is None and frames["a"].depth is not None

    for number in range(3):
        step(number)
    sizes.clear()
    step(3)
    assert sizes == [2, 1, 1, 1]  # a and b; c, beyond the limit; another size; other tasks


def test_a_network_of_keyframes_alone_is_computed_at_once_too(
    two_tasks: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    perception = Perception.load(two_tasks, device="cpu", max_batch_size=3)
    monkeypatch.setattr(perception.network, "slow_only", True)
    videos = {camera: noise_video(1, seed) for seed, camera in enumerate(CAMERAS)}
    frames = by_camera(perception.step_batch(requests(videos, 0)))
    assert sizes == [3] and all(frame.is_keyframe for frame in frames.values())


def test_warming_up_computes_every_size_of_batch(two_tasks: Path, sizes: list[int]) -> None:
    Perception.load(two_tasks, device="cpu", max_batch_size=3).warm_up(64, 128)
    assert {2, 3} < set(sizes)
    sizes.clear()
    Perception.load(two_tasks, device="cpu").warm_up(64, 128)
    assert set(sizes) == {1}


# What goes wrong


def test_a_batch_that_fails_is_computed_one_by_one_and_smaller_from_then_on(
    original: Path, perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    perception.keyframes, perception.max_batch_size = EveryN(1000), 3
    videos = {camera: video(5, seed) for seed, camera in enumerate(CAMERAS)}
    for number in range(2):
        by_camera(perception.step_batch(requests(videos, number)))
    step_batch, tried = perception._model.step_batch, []

    def full(images: list[torch.Tensor], *arguments: Any) -> Any:
        tried.append(len(images))
        held.extend(weakref.ref(image) for image in images)
        if len(images) > 1:
            raise torch.OutOfMemoryError("no memory for so many")
        return step_batch(images, *arguments)

    def alone_step(*arguments: Any) -> Any:
        freed.append(all(reference() is None for reference in held))
        return step(*arguments)

    held: list[Any] = []
    freed: list[bool] = []
    step = perception._model.step
    monkeypatch.setattr(perception._model, "step_batch", full)
    monkeypatch.setattr(perception._model, "step", alone_step)
    frames = by_camera(perception.step_batch(requests(videos, 2)))
    assert all(isinstance(frame, Frame) and not frame.reset_cause for frame in frames.values())
    assert tried == [3] and perception.max_batch_size == 1
    assert freed == [True] * 3  # the batch had made room before its frames were tried alone
    by_camera(perception.step_batch(requests(videos, 3)))
    assert tried == [3]
    # Nothing was lost: the same as one by one from the start.
    alone = Perception.load(original, device="cpu", keyframes=EveryN(1000))
    expected = play(alone, videos["rear"][:3], "rear")[-1]
    np.testing.assert_allclose(frames["rear"].depth, expected.depth, rtol=1e-3)


def test_one_frame_that_fails_is_told_and_the_others_are_answered(
    perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    perception.keyframes, perception.max_batch_size = EveryN(1000), 3
    videos = {camera: video(5, seed) for seed, camera in enumerate(CAMERAS)}
    for number in range(2):
        by_camera(perception.step_batch(requests(videos, number)))
    prepare, bad = perception._model.prepare, videos["left"][2]

    def failing(rgb: Image) -> torch.Tensor:
        if rgb is bad:
            raise RuntimeError("not this one")
        return prepare(rgb)

    monkeypatch.setattr(perception._model, "prepare", failing)
    frames = by_camera(perception.step_batch(requests(videos, 2)))
    assert isinstance(frames["left"], FailedFrame)
    assert str(frames["left"].error) == "not this one"
    assert perception.max_batch_size == 3  # it was not the batch's fault
    assert isinstance(frames["front"], Frame) and isinstance(frames["rear"], Frame)
    frames = by_camera(perception.step_batch(requests(videos, 3)))
    assert frames["left"].reset_cause is ResetCause.ERROR and frames["left"].is_keyframe
    assert frames["front"].reset_cause is None and not frames["front"].is_keyframe


def test_a_frame_that_failed_keeps_no_tensor_alive(
    perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the memory that there was none of would only come back with the garbage collector."""
    prepare, kept = perception._model.prepare, []

    def watching(rgb: Image) -> torch.Tensor:
        tensor = prepare(rgb)
        kept.append(weakref.ref(tensor))
        return tensor

    def failing(*_: Any) -> Any:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(perception._model, "prepare", watching)
    monkeypatch.setattr(perception._model, "step", failing)
    gc.disable()
    try:
        with pytest.raises(torch.OutOfMemoryError) as told:
            perception.step(video(1)[0], stamp_ns=T0)
        del told
        (failed,) = perception.step_batch([FrameRequest(video(1)[0], T0)])
        del failed
        assert [reference() for reference in kept] == [None, None]
    finally:
        gc.enable()


def test_frames_that_nobody_fetches_count_as_failed(perception: Perception) -> None:
    videos = {camera: video(3, seed) for seed, camera in enumerate(CAMERAS)}
    by_camera(perception.step_batch(requests(videos, 0)))
    outcomes = perception.step_batch(requests(videos, 1))
    first = next(outcomes)
    outcomes.close()
    frames = by_camera(perception.step_batch(requests(videos, 2)))
    causes = {camera: frame.reset_cause for camera, frame in frames.items()}
    assert causes == {
        camera: None if camera == first.camera else ResetCause.ERROR for camera in CAMERAS
    }


def test_what_is_refused_is_refused_before_anything_is_done(perception: Perception) -> None:
    image = video(1)[0]
    with pytest.raises(ValueError, match="one frame of each camera, not of front, front"):
        perception.step_batch([FrameRequest(image, T0, "front")] * 2)
    with pytest.raises(ValueError, match="must not be negative"):
        perception.step_batch([FrameRequest(image, T0, "front"), FrameRequest(image, -1, "left")])
    several = [FrameRequest(image, T0, f"camera {number}") for number in range(17)]
    with pytest.raises(ValueError, match="at most 16 cameras at once .max_cameras., not of 17"):
        perception.step_batch(several)
    assert perception.cameras == () and perception.dropped_cameras == 0
    assert list(perception.step_batch([])) == []
    with pytest.raises(ValueError, match="max_batch_size must be at least 1, not 0"):
        Perception(perception.bundle, perception.network, "cpu", max_batch_size=0)


def test_as_many_cameras_as_are_kept_are_taken_at_once(original: Path) -> None:
    perception = Perception.load(original, device="cpu", keyframes=Period(0.3), max_cameras=2)
    videos = {camera: video(4, seed) for seed, camera in enumerate(CAMERAS)}
    by_camera(perception.step_batch(requests(videos, 0)[:2]))
    with pytest.raises(ValueError, match="at most 2 cameras at once .max_cameras., not of 3"):
        perception.step_batch(requests(videos, 1))
    assert perception.cameras == CAMERAS[:2]
    frames = by_camera(perception.step_batch(requests(videos, 1)[:2]))
    assert all(frame.reset_cause is None for frame in frames.values())
    # Another camera instead of one of them: its place is the other's.
    by_camera(perception.step_batch(requests(videos, 2)[1:]))
    assert perception.cameras == CAMERAS[1:] and perception.dropped_cameras == 1


def test_states_of_a_batch_are_each_cameras_own(original: Path, perception: Perception) -> None:
    """A camera that leaves the batch goes on from its own frames."""
    perception.keyframes, perception.max_batch_size = EveryN(1000), 3
    videos = {camera: video(6, seed) for seed, camera in enumerate(CAMERAS)}
    for number in range(4):
        by_camera(perception.step_batch(requests(videos, number)))
    state = perception._streams["left"].state
    assert isinstance(state, State)
    assert {source.value.shape[0] for source in (*state.key.values(), *state.last.values())} == {1}
    ours = play(perception, videos["left"][4:], "left", start=4)
    alone = Perception.load(original, device="cpu", keyframes=EveryN(1000))
    theirs = play(alone, videos["left"], "left")[4:]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.depth, other.depth, rtol=1e-3)
