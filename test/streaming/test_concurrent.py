# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slow network beside the frames, stepped by hand: values, failures, resets, turns."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import make_tiny_bundle
from numpy.typing import NDArray

from mila_ros import engines
from mila_ros.engines import Engine
from mila_ros.engines.eager import EagerEngine
from mila_ros.errors import MilaError
from mila_ros.networks import MILA, State
from mila_ros.streaming import EveryN, Frame, OnRequest, Perception, ResetCause, load_bundle
from mila_ros.streaming.lanes import LagLane, Lane, ThreadLane
from mila_ros.streaming.preprocessing import Preprocessor

T0 = 1_700_000_000_000_000_000
STEP = 100_000_000
Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", ["depth", "motion"])


def video(frames: int, seed: int = 0, size: tuple[int, int] = (64, 128)) -> list[Image]:
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 256, (size[0], size[1] + 4 * frames, 3), dtype=np.uint8)
    return [np.ascontiguousarray(wide[:, 4 * n : 4 * n + size[1]]) for n in range(frames)]


def load(directory: Path, lane: Lane, every: int = 1000, **settings: Any) -> Perception:
    return Perception.load(
        directory,
        device="cpu",
        keyframes=EveryN(every, max_age_s=1000),
        keyframe_mode="concurrent",
        lane=lane,
        **settings,
    )


def step(
    perception: Perception, image: Image, number: int, camera: str = "front", **arguments: Any
) -> Frame:
    return perception.step(image, stamp_ns=T0 + number * STEP, camera=camera, **arguments)


class ByHand:
    """The same written out: frames by the fast network, keyframes put in between two of them."""

    def __init__(self, directory: Path) -> None:
        bundle, self.network = load_bundle(directory)
        self.prepare = Preprocessor(bundle.input, torch.device("cpu"))
        self.state: State | None = None

    @torch.inference_mode()
    def motion(self, image: Image, keyframe: bool = False, source: Image | None = None) -> Image:
        if source is not None:
            _, slow = self.network(self.prepare(source), None, keyframe=True)
            assert self.state is not None
            self.state = State(slow.key, self.state.last)
        prepared = self.prepare(image)
        logits, self.state = self.network(prepared, self.state, keyframe=keyframe)
        # 64x128 in, 64x128 out: the mask is where the one logit is larger.
        return (logits["motion"].softmax(1)[0, 1] > 0.5).numpy().astype(np.uint8) * 255


def test_a_keyframe_comes_into_use_whole_between_two_frames(directory: Path) -> None:
    images = video(7)
    lane, by_hand = Lane(), ByHand(directory)
    perception = load(directory, lane)
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
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real thread that delivers whenever it likes."""
    monkeypatch.setitem(engines.ENGINES, "watched", Watched)
    lane = ThreadLane(1)
    perception = load(directory, lane, every=1, engine="watched")
    images = video(4)
    for number in range(60):
        step(perception, images[number % 4], number)
    assert perception.close(10)
    assert all(len(owners) == 1 for owners in Watched.seen)
    used = [owner for (owner,) in Watched.seen]
    assert used == sorted(used) and used[-1] > 2, "newer keyframes came into use, never older ones"


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
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    images, lane = video(9), Lane()
    perception, untouched = load(directory, lane, every=3), load(directory, Lane(), every=1000)
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
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, lane, by_hand = video(5), Lane(), ByHand(directory)
    perception = load(directory, lane, every=3)
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
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, lane = video(4), Lane()
    perception = load(directory, lane)
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
    directory: Path, when: str, number: int, size: tuple[int, int], cause: str
) -> None:
    images, lane = video(3), Lane()
    perception = load(directory, lane)
    step(perception, images[0], 0)
    perception.request_keyframe("front")
    step(perception, images[1], 1)
    if when == "after it ran":
        assert lane.run_next()
    if cause == "activated":
        perception.reset(cause=cause)
    other = video(3, seed=1, size=size)
    frames = [step(perception, other[0], number)]
    while lane.run_next():
        pass
    frames += [step(perception, other[n], number + n) for n in (1, 2)]
    assert frames[0].reset_cause == cause
    fresh = load(directory, Lane())
    expected = [step(fresh, other[0], 0)]
    if when == "before it ran":  # the slow network was not free: the first frame did not wait
        assert not frames[0].is_keyframe
        assert frames[1].keyframe_stamp_ns == T0 + number * STEP
        return
    expected += [step(fresh, other[n], n) for n in (1, 2)]
    for ours, theirs in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(ours.motion, theirs.motion)
        assert ours.is_keyframe == theirs.is_keyframe


def test_a_camera_that_was_dropped_gets_no_keyframe_of_before(directory: Path) -> None:
    image, lane = video(1)[0], Lane()
    perception = load(directory, lane, max_cameras=1)
    step(perception, image, 0, "a")
    perception.request_keyframe("a")
    step(perception, image, 1, "a")
    step(perception, image, 1, "b")
    step(perception, image, 2, "a")
    assert lane.run_next()
    frame = step(perception, image, 3, "a")
    assert frame.keyframe_stamp_ns in (None, T0 + 2 * STEP)


# Turns


def test_cameras_take_turns_and_their_newest_frame_is_taken(directory: Path) -> None:
    image, lane = video(1)[0], Lane()
    perception = load(directory, lane, every=1)
    for camera in "abc":
        step(perception, image, 0, camera)
    for number in range(1, 4):  # all want one at each frame; one run for three frames of each
        for camera in "abc":
            step(perception, image, number, camera)
    taken: list[tuple[str, int]] = []
    for number in range(4, 10):
        assert lane.run_next()
        for camera in "abc":
            frame = step(perception, image, number, camera)
            if frame.is_keyframe_new:
                taken.append((camera, number - frame.keyframe_age))
    # Asked for by all before the fourth frame; then again, each when it had had its turn.
    assert taken == [("a", 3), ("b", 4), ("c", 5), ("a", 6), ("b", 7), ("c", 8)]


def test_one_run_at_a_time(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is never waited for: frames come out while it is held."""
    running, most, go_on = [], [], threading.Event()
    sources = EagerEngine.sources

    def held(self: Engine, image: torch.Tensor, *, precision: str) -> Any:
        running.append(threading.current_thread().name)
        most.append(len(running))
        assert go_on.wait(20)
        result = sources(self, image, precision=precision)
        running.pop()
        return result

    monkeypatch.setattr(EagerEngine, "sources", held)
    image = video(1)[0]
    perception = load(directory, ThreadLane(1), every=1)
    for camera in "ab":
        assert step(perception, image, 0, camera).is_keyframe
    for number in range(1, 6):
        for camera in "ab":
            frame = step(perception, image, number, camera)
            assert (frame.keyframe_age, frame.keyframe_failure) == (number, None)
    assert running == ["keyframes"]
    go_on.set()
    end = time.monotonic() + 20
    number = 6
    while step(perception, image, number, "b").keyframe_age >= number:
        assert time.monotonic() < end
        number += 1
    assert max(most) == 1
    assert perception.close(10)


# Threads, ends, settings


def test_the_thread_has_its_own_number_of_threads_and_gives_way() -> None:
    before = torch.get_num_threads()
    lane = ThreadLane(3)
    assert lane.call(torch.get_num_threads) == 3
    assert torch.get_num_threads() == before
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert lane.call(lambda: os.getpriority(os.PRIO_PROCESS, 0)) == min(own + 5, 19)
    with pytest.raises(ZeroDivisionError):
        lane.call(lambda: 1 / 0)
    assert lane.close(5)
    with pytest.raises(RuntimeError, match="has been ended"):
        lane.call(lambda: None)


def test_closing_waits_for_what_is_under_way_but_not_for_ever() -> None:
    begun, go_on, lane = threading.Event(), threading.Event(), ThreadLane(1)
    lane.submit("a", lambda: (begun.set(), go_on.wait(20)))
    assert begun.wait(20)
    begin = time.monotonic()
    assert not lane.close(0.2) and time.monotonic() - begin < 5
    go_on.set()
    assert lane.close(5)


def test_the_thread_ends_with_its_perception(directory: Path) -> None:
    lane = ThreadLane(1)
    perception = load(directory, lane)
    step(perception, video(1)[0], 0)
    gone = weakref.ref(perception)
    del perception
    gc.collect()
    assert gone() is None and lane.close(0)


def test_a_lag_in_frames(directory: Path) -> None:
    images = video(8)
    perception = load(directory, LagLane(2), every=3)
    frames = [step(perception, image, number) for number, image in enumerate(images)]
    assert [frame.keyframe_age for frame in frames] == [0, 1, 2, 3, 4, 2, 3, 4]
    lane = Lane()
    same = load(directory, lane, every=3)
    for number, image in enumerate(images):
        if number == 5:
            assert lane.run_next()
        np.testing.assert_array_equal(step(same, image, number).motion, frames[number].motion)
    with pytest.raises(ValueError, match="1 frame or more, not by 0"):
        LagLane(0)


def test_a_new_task_does_not_wait_and_has_a_keyframe_soon(directory: Path) -> None:
    images, lane = video(4), Lane()
    perception = load(directory, lane)
    step(perception, images[0], 0, tasks=["depth"])
    assert step(perception, images[1], 1, tasks=["depth", "motion"]).motion is not None
    assert lane.run_next()
    frame = step(perception, images[2], 2, tasks=["depth", "motion"])
    assert frame.keyframe_age == 1
    assert not lane.run_next()


def test_modes(directory: Path) -> None:
    with pytest.raises(MilaError, match="unknown keyframe mode 'lazy'; choose blocking or"):
        Perception.load(directory, keyframe_mode="lazy")
    assert Perception.load(directory, device="cpu").keyframe_mode == "blocking"
    perception = load(directory, Lane())
    assert perception.keyframe_mode == "concurrent"
    perception.keyframes = OnRequest()
    perception.warm_up(64, 128)
    assert perception.cameras == ()
