# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a stream begins afresh."""

from __future__ import annotations

import pytest

from mila_ros.streaming.continuity import ResetCause, StreamMonitor

SIZE = (48, 64)
T = 5_000_000_000


@pytest.mark.parametrize(
    ("stamp_ns", "size", "cause"),
    [
        (T + 1, SIZE, None),
        (T + 1_000_000_000, SIZE, None),
        (T + 1_000_000_001, SIZE, ResetCause.GAP),
        (T, SIZE, ResetCause.STAMP_NOT_INCREASING),
        (T - 1, SIZE, ResetCause.TIME_JUMP_BACK),
        (0, SIZE, ResetCause.TIME_JUMP_BACK),
        (T + 1, (64, 48), ResetCause.SIZE_CHANGED),
        (T - 1, (48, 65), ResetCause.SIZE_CHANGED),
    ],
)
def test_the_second_frame(stamp_ns: int, size: tuple[int, int], cause: ResetCause | None) -> None:
    monitor = StreamMonitor(max_gap_s=1.0)
    assert monitor.observe(T, SIZE) is ResetCause.START
    assert monitor.observe(stamp_ns, size) is cause
    # Whatever it was, the stream goes on from there.
    assert monitor.observe(stamp_ns + 1, size) is None


def test_frames_without_a_stamp_are_one_video() -> None:
    monitor = StreamMonitor(max_gap_s=1.0)
    causes = [monitor.observe(0, SIZE) for _ in range(4)]
    assert causes == [ResetCause.START, None, None, None]
    assert monitor.observe(0, (1, 1)) is ResetCause.SIZE_CHANGED
    assert monitor.observe(T, (1, 1)) is ResetCause.GAP


def test_a_clock_that_stands_still_is_told_every_time() -> None:
    monitor = StreamMonitor(max_gap_s=1.0)
    causes = [monitor.observe(T, SIZE) for _ in range(3)]
    assert causes == [ResetCause.START] + [ResetCause.STAMP_NOT_INCREASING] * 2


def test_after_a_restart_nothing_is_compared() -> None:
    monitor = StreamMonitor(max_gap_s=1.0)
    monitor.observe(T, SIZE)
    monitor.restart()
    assert monitor.observe(T - 1, (1, 1)) is ResetCause.START


@pytest.mark.parametrize("gap", [0, -1, float("nan")])
def test_a_gap_that_is_none(gap: float) -> None:
    with pytest.raises(ValueError, match="max_gap_s must be positive"):
        StreamMonitor(gap)


def test_causes_read_as_words() -> None:
    assert f"{ResetCause.GAP}" == ResetCause.GAP == "gap"
