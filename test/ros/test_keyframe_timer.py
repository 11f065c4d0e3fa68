# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The timer goes through the cameras in turn, on the node's clock."""

from __future__ import annotations

import time

from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock

from mila_ros.ros.keyframe_timer import KeyframeTimer


def spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.01)


def test_cameras_take_turns_at_equal_distances(ros) -> None:
    node, executor = ros.create_node("timer"), SingleThreadedExecutor()
    executor.add_node(node)
    calls: list[tuple[str, float]] = []
    timer = KeyframeTimer(
        node, ["front", "left"], 0.4, lambda name: calls.append((name, time.monotonic()))
    )
    spin(executor, 1.7)
    timer.destroy()
    count = len(calls)
    assert 7 <= count <= 8  # every 0.2 s
    assert [name for name, _ in calls[:4]] == ["front", "left", "front", "left"]
    spin(executor, 0.5)
    assert len(calls) == count
    node.destroy_node()


def test_a_clock_at_half_the_rate_halves_the_keyframes(ros) -> None:
    node = ros.create_node(
        "simulated",
        parameter_overrides=[ros.parameter.Parameter("use_sim_time", value=True)],
    )
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    topic = node.create_publisher(Clock, "/clock", 10)
    calls: list[str] = []
    KeyframeTimer(node, ["front"], 0.1, calls.append)

    def play(begin_s: float, rate: float) -> int:
        calls.clear()
        for step in range(41):  # 20 ms of wall time a step
            now = begin_s + 0.02 * rate * step
            message = Clock()
            message.clock.sec, message.clock.nanosec = int(now), round(now % 1 * 1e9)
            topic.publish(message)
            spin(executor, 0.02)
        return len(calls)

    play(100.0, 1.0)  # the clock's first message is a jump
    whole, half = play(101.0, 1.0), play(102.0, 0.5)
    assert abs(whole - 8) <= 1 and abs(half - 4) <= 1
    spin(executor, 0.3)
    assert len(calls) - half <= 1  # a clock that stands still asks for nothing
    node.destroy_node()
