# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames, their answers and their truth find each other, whatever comes first or not at all."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from mila_ros.errors import MilaError
from mila_ros.ros.evaluation_counts import Counts, percentiles
from mila_ros.ros.evaluation_matching import OPEN_FRAMES, Matcher
from mila_ros.ros.evaluation_scoring import parse_matrix

MS = 1_000_000


def play(matcher, answered, keyframes=(), truths=(), count=8, lag=0):
    """Images 100 ms apart; the answers of those that are answered come 30 ms later.

    With some of them it is told that the keyframe in use is the one of ``lag`` images before.
    """
    closed = []
    for number in range(count):
        stamp = number * 100 * MS
        matcher.image(stamp, 10**12 + stamp)
        if number in truths:
            matcher.truth("mask", stamp, b"true %d" % number)
        if number in answered:
            at = 10**12 + stamp + 30 * MS
            matcher.output("mask", stamp, b"said %d" % number, at, at + MS, stamp + 40 * MS)
            if number in keyframes:
                matcher.keyframe(stamp - lag * 100 * MS, at + MS // 10)
        closed += matcher.closed()
    return closed


def test_frames_come_in_order_once_two_newer_ones_are_answered():
    matcher = Matcher()
    closed = play(matcher, {0, 1, 2, 5, 6}, count=8)
    assert [frame.stamp_ns // (100 * MS) for frame in closed] == [0, 1, 2, 3, 4]
    assert [bool(frame.outputs) for frame in closed] == [True, True, True, False, False]
    rest = list(matcher.finish())
    assert [frame.stamp_ns // (100 * MS) for frame in rest] == [5, 6, 7]
    assert list(matcher.finish()) == []


def test_ages_count_answered_frames_since_the_keyframe():
    matcher = Matcher()
    frames = play(matcher, {1, 2, 4, 5, 6, 7}, keyframes={2, 6}) + list(matcher.finish())
    assert [frame.keyframe_age for frame in frames] == [None, None, 0, None, 1, 2, 0, 1]


@pytest.mark.parametrize("lag", range(6))
def test_ages_count_from_a_keyframe_that_came_into_use_late(lag):
    """Keyframes of frames 0, 8, 16 and 24, each in use from ``lag`` frames later on."""
    matcher = Matcher()
    told = {number + lag for number in range(0, 32, 8)}
    frames = play(matcher, range(32), told, count=32, lag=lag) + list(matcher.finish())
    expected = [(number - lag) % 8 + lag if number >= lag else None for number in range(32)]
    assert [frame.keyframe_age for frame in frames] == expected
    used = {frame.keyframe_ns for frame in frames if frame.keyframe_ns is not None}
    assert used == {number * 100 * MS for number in range(0, 32, 8)}
    counts = Counts("mila", "front")
    for frame in frames:
        counts.update(frame)
    assert counts.result()["keyframes"]["count"] == 4
    assert counts.result()["keyframes"]["interval_s"]["p50"] == 0.8


def test_a_late_keyframe_message_still_counts():
    matcher = Matcher()
    play(matcher, {0}, count=1)
    matcher.keyframe(0, 10**12 + 31 * MS)
    assert next(matcher.finish()).keyframe_age == 0


def test_truths_belong_to_their_stamp_alone_without_tolerance():
    matcher = Matcher()
    frames = play(matcher, set(range(8)), truths={0, 3, 7}) + list(matcher.finish())
    found = {frame.stamp_ns // (100 * MS): frame.truths for frame in frames if frame.truths}
    assert found == {0: {"mask": b"true 0"}, 3: {"mask": b"true 3"}, 7: {"mask": b"true 7"}}


def test_with_tolerance_the_nearest_truth_serves_several_frames():
    matcher = Matcher(tolerance_ns=60 * MS)
    matcher.truth("points", 40 * MS, b"a")
    matcher.truth("points", 240 * MS, b"b")
    frames = play(matcher, set(range(4)), count=4) + list(matcher.finish())
    assert [frame.truths.get("points") for frame in frames] == [b"a", b"a", b"b", b"b"]


def test_open_frames_and_truths_are_bounded():
    matcher = Matcher()
    closed = play(matcher, set(), truths=range(2000), count=2000)
    assert len(closed) == 2000 - OPEN_FRAMES
    assert len(list(matcher.finish())) == OPEN_FRAMES


def test_a_node_without_a_model_says_why():
    counts = Counts("robot/mila", "front")
    for name, level, problem in (
        ("robot/mila: model", DiagnosticStatus.ERROR, "no such device"),
        ("mila: model", DiagnosticStatus.OK, "no such device"),  # another robot's
        ("robot/mila: model", DiagnosticStatus.WARN, ""),
    ):
        message = problem if level == DiagnosticStatus.ERROR else "a model"
        status = DiagnosticStatus(name=name, level=level, hardware_id="mila_ros", message=message)
        counts.diagnostics([status])
        assert counts.problem == problem


def input_status(camera, account):
    values = [KeyValue(key=key, value=str(value)) for key, value in account.items()]
    return DiagnosticStatus(name=f"mila: input {camera}", hardware_id="mila_ros", values=values)


def counted(answered, account, count=8, before=None):
    counts, matcher = Counts("mila", "front"), Matcher()
    if before:
        counts.diagnostics([input_status("front", before)])
    counts.has_begun = True
    for frame in [*play(matcher, answered, {0, 4}, count=count), *matcher.finish()]:
        counts.update(frame)
    other = input_status("left", {"received": 1, "dropped.failed": 99})
    counts.diagnostics([input_status("front", account), other])
    return counts


def test_every_image_is_answered_or_has_a_cause():
    account = {"received": 7, "answered": 4, "dropped.replaced": 2, "dropped.failed": 1}
    counts = counted({0, 1, 4, 5}, account)
    assert counts.dropped() == {"replaced": 2, "failed": 1, "not_received": 1}
    # The node says it answered all 8, and two answers never came here.
    counts = counted({0, 1, 2, 3, 4, 5}, {"received": 8, "answered": 8})
    assert counts.dropped() == {"not_received": 0, "unexplained": 2}
    assert counts.result()["frames"]["answered_by_output"] == {"mask": 6}


def test_what_the_node_had_dropped_before_is_not_counted():
    before = {"received": 100, "dropped.replaced": 40}
    account = {"received": 108, "dropped.replaced": 42, "dropped.unwatched": 1}
    counts = counted({0, 1, 2, 4, 5}, account, before=before)
    assert counts.dropped() == {"replaced": 2, "unwatched": 1, "not_received": 0}


def test_latencies_and_keyframe_intervals_are_those_of_the_frames():
    result = counted({0, 1, 4, 5}, {"received": 8}).result()
    latency = result["latency_ms"]
    assert latency["image_to_answer_published"] == {"p50": 30.0, "p95": 30.0, "p99": 30.0}
    assert latency["image_to_answer_received"]["p99"] == 31.0
    assert latency["stamp_to_answer_received"]["p50"] == 40.0
    assert result["keyframes"] == {
        "count": 2,
        "interval_s": {"p50": 0.4, "p95": 0.4, "p99": 0.4},
        "answers_by_age": {"0": 2, "1": 2},
    }


def test_percentiles_are_numpys_and_of_nothing_there_are_none():
    numbers = np.random.default_rng(0).exponential(size=301)
    expected = {f"p{p}": round(float(np.percentile(numbers, p)), 3) for p in (50, 95, 99)}
    assert percentiles(numbers.tolist()) == expected
    assert percentiles([]) is None


def test_an_extrinsic_is_twelve_numbers_with_a_rotation():
    assert parse_matrix(" ") is None
    found = parse_matrix("0 -1 0 0.1, 0 0 -1 0.2, 1 0 0 0.3")
    expected = [[0, -1, 0, 0.1], [0, 0, -1, 0.2], [1, 0, 0, 0.3], [0, 0, 0, 1]]
    np.testing.assert_array_equal(found, expected)
    for wrong in ("1 2 3", "one", "1 0 0 0 0 1 0 0 0 0 -1 0", "2 0 0 0 0 1 0 0 0 0 1 0"):
        with pytest.raises(MilaError, match="12 numbers"):
            parse_matrix(wrong)
