# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node that plays a source in a thread of its own, and ends when that does."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher

from mila_ros.data.read_ahead import ReadAhead
from mila_ros.ros.distributions import leave_to_owner

_POLL_S = 0.02
# After 2 seconds, then every minute.
_POLLS_TO_TELL_FIRST = 100
_POLLS_TO_TELL = 3000


class SourceNode(Node, ABC):
    """Two threads: one reads ahead, one waits until each item is due and publishes it.

    Once the player's thread has played, or failed, the executor raises how it ended: an
    ``ExternalShutdownException``, or its error. `_stop` is set when the node is to end.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        leave_to_owner(self)
        self._stop = threading.Event()
        self._outcome: BaseException | None = None

    @abstractmethod
    def _awaited(self) -> list[tuple[Publisher, int]]:
        """The publishers that are waited for, and how many subscriptions each is to have."""

    @abstractmethod
    def _play(self) -> None:
        """Publish what `_ahead` yields, until its end or `_stop`."""

    def destroy_node(self) -> None:
        """Stop both threads, then take the node down."""
        self._stop.set()
        self._ahead.close(timeout_s=1.0)
        self._player.join(1.0)
        super().destroy_node()

    def _start_player(self, ahead: ReadAhead[Any], start_delay_s: float) -> None:
        self._ahead = ahead
        self._player = threading.Thread(
            target=self._run, args=(start_delay_s,), name="player", daemon=True
        )
        self._player.start()
        # On the steady clock: the ROS clock may stand still, or be this node's own making, and
        # must not keep the node from ending.
        self.create_timer(0.05, self._end, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _wait_for_subscribers(self) -> bool:
        """Wait for those that are wanted, and say so; False if the node ends before."""
        polls = 0
        while missing := [
            f"{wanted} subscribers of {publisher.topic_name} (there: {there})"
            for publisher, wanted in self._awaited()
            if (there := publisher.get_subscription_count()) < wanted
        ]:
            if self._stop.wait(_POLL_S):
                return False
            polls += 1
            if polls % _POLLS_TO_TELL == _POLLS_TO_TELL_FIRST:
                self.get_logger().info(f"Waiting for {' and '.join(missing)}")
        return True

    def _run(self, start_delay_s: float) -> None:
        try:
            if self._wait_for_subscribers() and not self._stop.wait(start_delay_s):
                self._play()
            self._outcome = ExternalShutdownException()
        except BaseException as error:  # raised again by _end, in the executor
            self._outcome = error

    def _end(self) -> None:
        """End the node the way its player ended: out of the executor, into `run_node`."""
        if self._outcome is not None:
            raise self._outcome
