# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a stream starts again, by itself or told to, and that nothing of before is left."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from stream_bench import STEP, T0, assert_same, play, video

from mila_ros.networks import MILA
from mila_ros.streaming import EveryN, Perception, ResetCause


def test_after_a_reset_a_stream_is_as_new(original: Path, perception: Perception) -> None:
    images = video(4)
    play(perception, video(5, seed=9))
    perception.reset("front", cause="activated")
    fresh = play(Perception.load(original, device="cpu"), images)
    for ours, theirs in zip(play(perception, images, start=5), fresh, strict=True):
        assert_same(ours, theirs)
        assert ours.is_keyframe == theirs.is_keyframe


@pytest.mark.parametrize(
    ("stamp_ns", "size", "cause"),
    [
        (T0 + STEP, (72, 96), ResetCause.STAMP_NOT_INCREASING),
        (T0, (72, 96), ResetCause.TIME_JUMP_BACK),
        (T0 + 12 * STEP, (72, 96), ResetCause.GAP),
        (T0 + 2 * STEP, (96, 72), ResetCause.SIZE_CHANGED),
        (T0 + 2 * STEP, (144, 192), ResetCause.SIZE_CHANGED),
        (T0 + 11 * STEP, (72, 96), None),
    ],
)
def test_frames_that_do_not_continue_the_video(
    original: Path, stamp_ns: int, size: tuple[int, int], cause: ResetCause | None
) -> None:
    perception = Perception.load(original, device="cpu", keyframes=EveryN(1000))
    play(perception, video(2))
    image = video(1, seed=3, size=size)[0]
    frame = perception.step(image, stamp_ns=stamp_ns, camera="front")
    assert frame.reset_cause is cause
    assert frame.is_keyframe == (cause is not None)
    expected = {ResetCause.START: 1} | ({cause: 1} if cause else {})
    assert perception.resets("front") == expected
    if cause:
        fresh = Perception.load(original, device="cpu")
        assert_same(frame, fresh.step(image, stamp_ns=T0, camera="front"))


@pytest.mark.parametrize("cause", list(ResetCause))
def test_resets_from_outside_are_counted_by_cause(perception: Perception, cause: str) -> None:
    images = video(4)
    play(perception, images[:2], "front")
    play(perception, images[:2], "left")
    perception.reset("front", cause=cause)
    perception.reset("front", cause=ResetCause.GAP)  # no frame since: it has been reset already
    assert perception.resets("front")[ResetCause(cause)] == 1 + (cause == "start")
    frame = play(perception, images[2:], "front", start=1)[0]  # its time is not looked at either
    assert frame.is_keyframe and frame.reset_cause == cause
    assert play(perception, images[2:], "left", start=2)[0].reset_cause is None
    assert sum(perception.resets("front").values()) == 2
    assert perception.resets("left") == {ResetCause.START: 1}


def test_a_reset_of_all_cameras(perception: Perception) -> None:
    images = video(2)
    perception.reset(cause=ResetCause.ACTIVATED)  # there is none yet
    for camera in ("front", "left"):
        assert play(perception, images[:1], camera)[0].reset_cause is ResetCause.START
    perception.reset(cause=ResetCause.RELOADED)
    for camera in ("front", "left"):
        assert play(perception, images[1:], camera, 1)[0].reset_cause is ResetCause.RELOADED
    perception.reset("unknown", cause=ResetCause.GAP)
    assert perception.resets("unknown") == {}
    with pytest.raises(ValueError, match="'tired' is not a valid ResetCause"):
        perception.reset(cause="tired")


def test_frames_without_stamps_are_one_video(perception: Perception) -> None:
    perception.keyframes = EveryN(3, max_age_s=1000)  # their time is the time that this test takes
    frames = [perception.step(image, stamp_ns=0, camera="front") for image in video(7)]
    assert [frame.is_keyframe for frame in frames] == [True, False, False] * 2 + [True]
    assert perception.resets("front") == {ResetCause.START: 1}
    assert frames[1].stamp_ns == 0
    assert 0 < frames[1].keyframe_age_s < frames[2].keyframe_age_s


def test_a_clock_that_stands_still_is_counted(perception: Perception) -> None:
    frames = [perception.step(image, stamp_ns=T0, camera="front") for image in video(3)]
    assert all(frame.is_keyframe for frame in frames)
    assert perception.resets("front")[ResetCause.STAMP_NOT_INCREASING] == 2


class Trouble(RuntimeError):
    pass


def test_an_error_resets_the_stream_and_comes_out_as_it_is(
    original: Path, perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = video(6)
    perception.keyframes = EveryN(1000)
    play(perception, images[:2])
    play(perception, images[:2], "left")
    working = MILA.decode

    def fail(*arguments: object, **options: object) -> None:
        raise Trouble("out of memory")

    monkeypatch.setattr(MILA, "decode", fail)
    for number in (2, 3):
        with pytest.raises(Trouble, match="out of memory"):
            play(perception, [images[number]], start=number)
    assert perception.resets("front") == {ResetCause.START: 1, ResetCause.ERROR: 2}
    monkeypatch.setattr(MILA, "decode", working)
    frames = play(perception, images[4:], start=4)
    assert [frame.reset_cause for frame in frames] == [ResetCause.ERROR, None]
    fresh = play(Perception.load(original, device="cpu"), images[4:])
    for ours, theirs in zip(frames, fresh, strict=True):
        assert_same(ours, theirs)
    assert play(perception, images[2:3], "left", start=2)[0].reset_cause is None


def test_a_reset_during_a_frame_holds_for_the_next(
    original: Path, perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread resets while the network runs: its result must not bring the state back."""
    images = video(4)
    running, go_on = threading.Event(), threading.Event()
    decode = MILA.decode

    def slow(*arguments: Any, **options: Any) -> Any:
        running.set()
        assert go_on.wait(20)
        return decode(*arguments, **options)

    play(perception, images[:1])
    monkeypatch.setattr(MILA, "decode", slow)
    worker = threading.Thread(target=play, args=(perception, images[1:2], "front", 1))
    worker.start()
    assert running.wait(20)
    perception.reset("front", cause=ResetCause.TIME_JUMP_BACK)
    assert perception.resets("front") == {ResetCause.START: 1, ResetCause.TIME_JUMP_BACK: 1}
    go_on.set()
    worker.join(20)
    monkeypatch.undo()
    frames = play(perception, images[2:])
    assert frames[0].reset_cause is ResetCause.TIME_JUMP_BACK
    for ours, theirs in zip(frames, play(Perception.load(original), images[2:]), strict=True):
        assert_same(ours, theirs)
