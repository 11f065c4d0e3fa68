# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of faults share: a node that is up, a clock that can be set, the memory in use."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perception_bench import Bench
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image


def active(make_bench: Callable[..., Bench], **overrides: Any) -> Bench:
    """A bench whose node is active; parameters may have dots in their names."""
    bench = make_bench(**{name.replace(".", "__"): value for name, value in overrides.items()})
    assert bench.change("configure") and bench.change("activate")
    return bench


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class SimulatedClock:
    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._topic = bench.client.create_publisher(Clock, "/clock", 10)
        bench.wait(self._topic.get_subscription_count)

    def set(self, seconds: float) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = int(seconds), round(seconds % 1 * 1e9)

        def is_set() -> bool:
            self._topic.publish(message)
            return abs(self._bench.node._now_ns() - seconds * 1e9) < 1e3

        self._bench.wait(is_set)


def at(image: Image, seconds: float) -> Image:
    image.header.stamp.sec, image.header.stamp.nanosec = int(seconds), round(seconds % 1 * 1e9)
    return image
