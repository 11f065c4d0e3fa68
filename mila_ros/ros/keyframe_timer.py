# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS timer by which the slow network is scheduled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from rclpy.node import Node


class KeyframeTimer:
    """Asks for a keyframe of each camera once in a period, one camera after the other.

    The timer runs on the node's clock, so that with ``use_sim_time`` a bag that is played at
    half the rate keeps its keyframes; and it goes through the cameras in turn, so that no two
    keyframes fall together.

    Args:
        node: The timer is its.
        cameras: Names, at least one.
        period_s: Seconds from keyframe to keyframe of a camera.
        request: Makes the next frame of a camera a keyframe.
    """

    def __init__(
        self, node: Node, cameras: Sequence[str], period_s: float, request: Callable[[str], None]
    ) -> None:
        self.period_s = period_s
        self._node = node
        self._request = request
        self._turns = itertools.cycle(cameras)
        self._timer = node.create_timer(period_s / len(cameras), self._next)

    def destroy(self) -> None:
        """End the timer."""
        self._node.destroy_timer(self._timer)

    def _next(self) -> None:
        self._request(next(self._turns))
