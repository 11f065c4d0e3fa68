# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``player`` node: plays a bag with ``/clock``, where there is no ``ros2 bag``."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock as ClockMessage

from mila_ros.data.bags import open_bag
from mila_ros.data.frames import SourceError
from mila_ros.data.read_ahead import ReadAhead
from mila_ros.ros import qos
from mila_ros.ros.evaluation_parameters import PLAYER_PARAMETERS
from mila_ros.ros.fixed_parameters import declare_fixed
from mila_ros.ros.source_node import SourceNode
from mila_ros.ros.spin import run_node

CLOCK_PERIOD_S = 0.01
"""Between two messages of the bag, ``/clock`` goes on at 100 Hz of real time."""

ALL_TOPICS = [""]
_SECOND_NS = 1_000_000_000
_LATCHED = "/tf_static"


class Recorded(NamedTuple):
    """A message as it lies in the bag, played for the ``lap``-th time."""

    lap: int
    topic: str
    at_ns: int
    data: bytes


class PlayerNode(SourceNode):
    """Publishes each topic of a bag as it was serialised, at the times of its recording.

    Publishers are reliable, which matches every subscription, and transient local where the
    recorded ones were. One thread reads ahead, one waits until each message is due; a late one
    is published at once, and those after it on time. The node ends with the bag.

    Raises:
        SourceError: no such bag, a ROS 1 bag, nothing to play in it, or a wrong ``wait_for``.
    """

    def __init__(self) -> None:
        super().__init__("player")
        self._set = declare_fixed(self, PLAYER_PARAMETERS)
        if not self._set["bag"]:
            raise SourceError(
                "The parameter bag is empty: say what to play, such as --ros-args -p bag:=drive"
            )
        self._bag = Path(self._set["bag"]).expanduser()
        self._bag_publishers = self._advertise()
        self._clock_publisher = (
            self.create_publisher(ClockMessage, "/clock", 10) if self._set["clock"] else None
        )
        self._wait_for = self._parse_awaited()
        names = ", ".join(sorted(self._bag_publishers))
        self.get_logger().info(f"Playing {self._bag} at {self._set['rate']:g} times: {names}")
        ahead = ReadAhead(self._messages(), lambda message: message, depth=32)
        self._start_player(ahead, self._set["start_delay"])

    def _advertise(self) -> dict[str, Publisher]:
        wanted = [topic for topic in self._set["topics"] if topic]
        with open_bag(self._bag) as reader:
            if not reader.is2:
                raise SourceError(
                    f"the bag {self._bag} is of ROS 1; convert it: "
                    f"rosbags-convert --src {self._bag} --dst {self._bag.stem}"
                )
            recorded = {topic: info for topic, info in reader.topics.items() if info.msgcount}
            for topic in wanted:
                if topic not in recorded:
                    self.get_logger().info(f"{self._bag} has no {topic}.")
            publishers = {
                topic: self._publisher(topic, info)
                for topic, info in recorded.items()
                if (not wanted or topic in wanted) and topic != "/clock"
            }
        played = {topic: publisher for topic, publisher in publishers.items() if publisher}
        if not played:
            there = ", ".join(sorted(recorded)) or "nothing"
            raise SourceError(f"the bag {self._bag} has nothing to play of what is asked: {there}")
        return played

    def _publisher(self, topic: str, info: Any) -> Publisher | None:
        try:
            kind = message_type(info.msgtype)
        except ImportError:
            package = str(info.msgtype).partition("/")[0]
            self.get_logger().warning(f"{topic} is not played: {package} is not installed.")
            return None
        is_latched = topic == _LATCHED or any(
            profile.durability.name == "TRANSIENT_LOCAL"
            for connection in info.connections
            for profile in connection.ext.offered_qos_profiles
        )
        profile = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE)
        if is_latched:
            profile.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
        with qos.naming_bad_overrides(self, topic):
            return self.create_publisher(
                kind,
                topic,
                profile,
                qos_overriding_options=qos.overrides(),
                event_callbacks=qos.publisher_events(self, topic),
            )

    def _awaited(self) -> list[tuple[Publisher, int]]:
        return self._wait_for

    def _parse_awaited(self) -> list[tuple[Publisher, int]]:
        """The parameter ``wait_for``."""
        awaited = []
        for entry in filter(None, self._set["wait_for"]):
            topic, _, number = entry.rpartition(":")
            if not topic or not number.isdecimal():
                raise SourceError(f"wait_for holds {entry!r}; write TOPIC:NUMBER")
            if topic in self._bag_publishers:
                awaited.append((self._bag_publishers[topic], int(number)))
            else:
                self.get_logger().warning(f"{topic} is not played, so nothing waits for it.")
        return awaited

    def _messages(self) -> Iterator[Recorded]:
        """All messages in the order of their recording, over and over with ``loop``."""
        for lap in itertools.count() if self._set["loop"] else range(1):
            with open_bag(self._bag) as reader:
                connections = [c for c in reader.connections if c.topic in self._bag_publishers]
                for connection, at_ns, data in reader.messages(connections):
                    yield Recorded(lap, connection.topic, at_ns, bytes(data))

    def _play(self) -> None:
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        rate, count, lap = self._set["rate"], 0, -1
        begin_ns = start_ns = 0
        for message in self._ahead:
            if message.lap > lap:
                lap, begin_ns, start_ns = message.lap, steady.now().nanoseconds, message.at_ns
            due_ns = begin_ns + round((message.at_ns - start_ns) / rate)
            while (wait_s := (due_ns - steady.now().nanoseconds) * 1e-9) > 0:
                if self._stop.wait(min(wait_s, CLOCK_PERIOD_S)):
                    return
                elapsed_ns = round((steady.now().nanoseconds - begin_ns) * rate)
                self._tell_time(min(start_ns + elapsed_ns, message.at_ns))
            self._tell_time(message.at_ns)
            self._bag_publishers[message.topic].publish(message.data)
            count += 1
        # A sample that a reliable subscriber has not got yet would go down with the process.
        for publisher in self._bag_publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=0.5))
        self.get_logger().info(f"{self._bag}: ended after {count} messages")

    def _tell_time(self, now_ns: int) -> None:
        if self._clock_publisher is not None:
            sec, nanosec = divmod(now_ns, _SECOND_NS)
            self._clock_publisher.publish(ClockMessage(clock=Time(sec=sec, nanosec=nanosec)))


def message_type(name: str) -> type:
    """Return the class of a type such as ``sensor_msgs/msg/Image``.

    Raises:
        ImportError: its package is not installed, or has no such message.
    """
    package, _, message = name.partition("/msg/")
    try:
        found: type = getattr(importlib.import_module(f"{package}.msg"), message)
    except AttributeError as error:
        raise ImportError(f"{package} has no message {message}") from error
    return found


def main() -> int:
    """Entry point of the executable ``player``."""
    return run_node(PlayerNode)


if __name__ == "__main__":
    raise SystemExit(main())
