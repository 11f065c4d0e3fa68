# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keyframe policies, with made-up clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from mila_ros.streaming.keyframes import EveryN, KeyframePolicy, OnRequest, Period

FRAME_NS = 100_000_000  # 10 Hz
START_NS = 1_700_000_000_123_456_789


def ask(policy: KeyframePolicy, camera: str, stamp_ns: int) -> bool:
    """One frame, as Perception does it."""
    policy.advance(stamp_ns)
    due = policy.due(camera, stamp_ns)
    if due:
        policy.taken(camera, stamp_ns)
    else:
        policy.passed(camera)
    return due


def keyframes(policy: KeyframePolicy, camera: str, stamps_ns: Iterable[int]) -> list[int]:
    """Indices of the frames that became keyframes."""
    return [number for number, stamp in enumerate(stamps_ns) if ask(policy, camera, stamp)]


def in_step(
    policy: KeyframePolicy, cameras: list[str], frames: range, reverse: bool = False
) -> dict[str, list[int]]:
    """Cameras triggered together, a few milliseconds apart in arrival and stamp."""
    result: dict[str, list[int]] = {camera: [] for camera in cameras}
    for number in frames:
        order = list(enumerate(cameras))
        for offset, camera in reversed(order) if reverse else order:
            stamp = START_NS + number * FRAME_NS + offset * 2_000_000
            if ask(policy, camera, stamp):
                result[camera].append(number)
    return result


def test_every_n_takes_every_nth_frame_of_one_camera() -> None:
    policy = EveryN(4)
    policy.register("front")
    stamps = [START_NS + n * FRAME_NS for n in range(14)]
    assert keyframes(policy, "front", stamps) == [0, 4, 8, 12]


def test_every_n_counts_from_the_reset_of_one_camera() -> None:
    policy = EveryN(4)
    policy.register("front")
    keyframes(policy, "front", [START_NS + n * FRAME_NS for n in range(6)])
    policy.register("front")
    stamps = [START_NS + n * FRAME_NS for n in range(6, 16)]
    assert keyframes(policy, "front", stamps) == [0, 4, 8]


def test_every_frame_is_a_keyframe_with_n_1() -> None:
    policy = EveryN(1)
    for camera in ("a", "b"):
        policy.register(camera)
    assert in_step(policy, ["a", "b"], range(4)) == {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}


def test_the_largest_age_overrides_n() -> None:
    policy = EveryN(100, max_age_s=0.5)
    policy.register("front")
    stamps = [START_NS + n * FRAME_NS for n in range(16)]
    assert keyframes(policy, "front", stamps) == [0, 5, 10, 15]


def test_due_changes_nothing() -> None:
    policy = EveryN(2)
    policy.register("front")
    ask(policy, "front", START_NS)
    assert [policy.due("front", START_NS + FRAME_NS) for _ in range(5)] == [False] * 5
    policy.passed("front")
    assert [policy.due("front", START_NS + 2 * FRAME_NS) for _ in range(5)] == [True] * 5


def staggered(policy: KeyframePolicy, count: int, interval: int, reverse: bool = False) -> None:
    cameras = [f"camera_{number}" for number in range(count)]
    for camera in cameras:
        policy.register(camera)
    taken = in_step(policy, cameras, range(8 * interval), reverse)
    after_start = sorted(n for frames in taken.values() for n in frames if n > 0)
    assert len(after_start) == len(set(after_start)), "two cameras share a keyframe"
    for frames in taken.values():
        assert frames[0] == 0
        gaps = [later - earlier for earlier, later in zip(frames, frames[1:], strict=False)]
        assert 1 <= gaps[0] <= interval
        assert set(gaps[1:]) == {interval}
    # Spread evenly, not merely apart.
    ring = sorted(frame % interval for frames in taken.values() for frame in frames[-1:])
    distances = [(b - a) % interval for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
    if count > 1:
        assert max(distances) - min(distances) <= 1


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("count", "n"), [(c, n) for c in (1, 2, 3, 4) for n in (2, 3, 4, 5, 8, 11) if c <= n]
)
def test_every_n_staggers_cameras_in_step(count: int, n: int, reverse: bool) -> None:
    staggered(EveryN(n, max_age_s=100), count, n, reverse)


@pytest.mark.parametrize(
    ("count", "frames"), [(c, n) for c in (1, 2, 3, 4) for n in (4, 5, 8, 11) if c <= n]
)
def test_period_staggers_cameras_in_step(count: int, frames: int) -> None:
    staggered(Period(frames * FRAME_NS * 1e-9), count, frames)


@pytest.mark.parametrize("make", [lambda: EveryN(4), lambda: Period(0.4)])
def test_a_camera_that_pauses_joins_the_others_again(make: Callable[[], KeyframePolicy]) -> None:
    for pause in range(1, 9):
        policy = make()
        for camera in ("a", "b"):
            policy.register(camera)
        in_step(policy, ["a", "b"], range(6))
        in_step(policy, ["a"], range(6, 6 + pause))
        policy.register("b")
        taken = in_step(policy, ["a", "b"], range(6 + pause, 40))
        assert taken["b"][0] == 6 + pause
        assert not set(taken["a"]) & set(taken["b"][1:]), f"after a pause of {pause} frames"


def test_a_camera_that_leaves_frees_its_place() -> None:
    policy = EveryN(4)
    for camera in ("a", "b"):
        policy.register(camera)
    in_step(policy, ["a", "b"], range(6))
    policy.forget("a")
    policy.register("c")
    taken = in_step(policy, ["b", "c"], range(6, 40))
    assert not set(taken["b"]) & set(taken["c"][1:])
    gaps = {b - a for a, b in zip(taken["b"][1:], taken["b"][2:], strict=False)}
    assert gaps == {4}


def test_two_cameras_of_different_rates_each_keep_their_n() -> None:
    policy = EveryN(3)
    for camera in ("fast", "slow"):
        policy.register(camera)
    taken: dict[str, list[int]] = {"fast": [], "slow": []}
    for number in range(60):
        for camera, every in (("fast", 1), ("slow", 4)):
            if number % every == 0 and ask(policy, camera, START_NS + number * 10_000_000):
                taken[camera].append(number // every)
    for frames in taken.values():
        assert {b - a for a, b in zip(frames[1:], frames[2:], strict=False)} == {3}


def test_period_counts_time_and_not_frames() -> None:
    policy = Period(0.5)
    policy.register("front")
    times_ms = [0, 100, 180, 470, 510, 620, 990, 1010, 1100, 2600, 2700, 3000]
    taken = keyframes(policy, "front", [START_NS + t * 1_000_000 for t in times_ms])
    assert [times_ms[n] for n in taken] == [0, 510, 1010, 2600, 3000]


def test_on_request_only_the_largest_age_makes_keyframes() -> None:
    policy = OnRequest(max_age_s=0.6)
    policy.register("front")
    stamps = [START_NS + n * FRAME_NS for n in range(14)]
    assert keyframes(policy, "front", stamps) == [0, 6, 12]


@pytest.mark.parametrize("policy", [EveryN(5), Period(0.5)])
def test_after_a_jump_back_keyframes_come_at_the_same_rate(policy: KeyframePolicy) -> None:
    policy.register("front")
    first = [START_NS + n * FRAME_NS for n in range(40)]
    again = [START_NS + n * FRAME_NS for n in range(-20, 20)]  # and the bag begins anew
    taken = []
    for stamps in (first, again):
        taken.append([])
        for number, stamp in enumerate(stamps):
            policy.advance(stamp)
            if ask(policy, "front", stamp):
                taken[-1].append(number)
        policy.register("front")
    assert taken == [list(range(0, 40, 5))] * 2


def test_an_age_below_zero_is_due_even_without_a_reset() -> None:
    policy = EveryN(5)
    policy.register("front")
    ask(policy, "front", START_NS)
    assert policy.due("front", START_NS - 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EveryN(0), "at least 1, not 0"),
        (lambda: EveryN(3, max_age_s=0), "max_age_s must be positive, not 0"),
        (lambda: EveryN(3, max_age_s=float("nan")), "max_age_s must be positive, not nan"),
        (lambda: Period(0), "positive and finite, not 0 s"),
        (lambda: Period(float("inf")), "positive and finite, not inf s"),
        (lambda: Period(1, max_age_s=-1), "max_age_s must be positive, not -1"),
    ],
)
def test_arguments_out_of_range(make: Callable[[], KeyframePolicy], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
