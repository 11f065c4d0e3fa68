# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the player publishes is what lies in the bag, in its time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mila_ros.data.bag_messages import IMAGE, TF_STATIC, MessageFactory
from mila_ros.data.bags import BagWriter
from mila_ros.data.frames import SourceError
from mila_ros.ros.player_node import PlayerNode, message_type

RELIABLE = QoSProfile(depth=50, reliability=QoSReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
START_NS = 5_000_000_000

pytestmark = pytest.mark.usefixtures("ros_domain")


@pytest.fixture(scope="module")
def bag(tmp_path_factory) -> Path:
    """Five images 50 ms apart, a latched header, and a type that is not installed."""
    factory, path = MessageFactory(), tmp_path_factory.mktemp("player") / "bag"
    with BagWriter(path) as writer:
        writer.add_topic(IMAGE, "sensor_msgs/msg/Image")
        writer.add_topic("/names", "std_msgs/msg/Header", is_latched=True)
        writer.add_topic(TF_STATIC, "tf2_msgs/msg/TFMessage", is_latched=True)
        header = factory.header(START_NS, "eye")
        placed = factory.static_transform(header, "lidar", (0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
        writer.write(TF_STATIC, START_NS, factory.serialized(placed))
        writer.write("/names", START_NS, factory.serialized(header))
        for index in range(5):
            stamp_ns = START_NS + index * 50_000_000
            pixels = np.random.default_rng(index).integers(0, 256, (8, 12, 3), np.uint8)
            image = factory.image(factory.header(stamp_ns, "eye"), "rgb8", pixels)
            writer.write(IMAGE, stamp_ns, factory.serialized(image))
    return path


class Listener:
    """Hears what a player publishes; everything runs on this thread's two executors."""

    def __init__(self, bag: Path, **parameters: Any) -> None:
        args = ["--ros-args", "-p", f"bag:={bag}"]
        for name, value in parameters.items():
            args += ["-p", f"{name}:={value}"]
        rclpy.init(args=args)
        self.node = rclpy.create_node("listener", use_global_arguments=False)
        self.images: list[tuple[float, bytes]] = []
        self.clock: list[int] = []
        self.events: list[tuple[str, int]] = []
        self.node.create_subscription(Image, IMAGE, self._on_image, RELIABLE, raw=True)
        self.node.create_subscription(Clock, "/clock", self._on_clock, RELIABLE)
        self.executors = [SingleThreadedExecutor(), SingleThreadedExecutor()]
        self.executors[0].add_node(self.node)
        self.player: PlayerNode | None = None

    def play(self, until: Callable[[], bool] = lambda: False, timeout_s: float = 15.0) -> bool:
        """Run the player to its end, which returns True, or until something has happened."""
        if self.player is None:
            self.player = PlayerNode()
            self.executors[1].add_node(self.player)
        end = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < end, "it did not happen in time"
            self.executors[0].spin_once(timeout_sec=0.005)
            try:
                self.executors[1].spin_once(timeout_sec=0.0)
            except ExternalShutdownException:
                self.hear()
                return True
        return False

    def hear(self, seconds: float = 0.3) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executors[0].spin_once(timeout_sec=0.02)

    def _on_image(self, data: bytes) -> None:
        self.images.append((time.monotonic(), data))

    def _on_clock(self, message: Clock) -> None:
        self.clock.append(message.clock.sec * 10**9 + message.clock.nanosec)

    def close(self) -> None:
        if self.player is not None:
            self.player.destroy_node()
        self.node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    listeners = []

    def make(bag: Path, **parameters: Any) -> Listener:
        listeners.append(Listener(bag, **parameters))
        return listeners[-1]

    yield make
    for listener in listeners:
        listener.close()


def test_messages_are_those_of_the_bag_in_its_time(bag: Path, listen) -> None:
    listener = listen(bag, wait_for=f"['{IMAGE}:1']", start_delay=0.5, rate=0.5)
    assert listener.play()
    factory = MessageFactory()
    for index, (_, data) in enumerate(listener.images):
        pixels = np.random.default_rng(index).integers(0, 256, (8, 12, 3), np.uint8)
        header = factory.header(START_NS + index * 50_000_000, "eye")
        assert data == factory.serialized(factory.image(header, "rgb8", pixels))
    assert len(listener.images) == 5
    # 200 ms at half the rate; a busy machine is late, but never early.
    took_s = listener.images[-1][0] - listener.images[0][0]
    assert took_s > 0.35
    assert listener.clock == sorted(listener.clock)
    assert listener.clock[0] >= START_NS and listener.clock[-1] == START_NS + 200_000_000
    assert len(set(listener.clock)) > 10  # it goes on between messages


def test_a_loop_takes_the_clock_back(bag: Path, listen) -> None:
    listener = listen(bag, wait_for=f"['{IMAGE}:1']", start_delay=0.5, loop=True, rate=2.0)

    def jumps_back() -> int:
        return sum(new < old for old, new in zip(listener.clock, listener.clock[1:], strict=False))

    listener.play(until=lambda: len(listener.images) >= 12 and jumps_back() >= 2)
    stamps = [deserialize_message(data, Image).header.stamp.nanosec for _, data in listener.images]
    assert stamps[:6] == [0, 50_000_000, 100_000_000, 150_000_000, 200_000_000, 0]


def test_latched_topics_are_there_for_who_comes_late(bag: Path, listen) -> None:
    listener = listen(bag, start_delay=0.0, loop=True)
    listener.play(until=lambda: len(listener.images) >= 1)
    names: list[Header] = []
    listener.node.create_subscription(Header, "/names", names.append, LATCHED)
    listener.play(until=lambda: bool(names))
    assert names[0].frame_id == "eye" and names[0].stamp.sec == 5


def test_only_the_topics_asked_for_and_no_clock(bag: Path, listen) -> None:
    listener = listen(bag, topics="[/names, /nowhere]", clock=False, start_delay=0.3)
    assert listener.play()
    published = {name for name, _ in listener.player.get_topic_names_and_types()}
    assert "/names" in published and listener.images == [] and listener.clock == []


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"bag": "no_such_bag"}, "cannot be read"),
        ({"topics": "[/nowhere]"}, "nothing to play of what is asked"),
        ({"wait_for": "[/camera/image_raw]"}, "write TOPIC:NUMBER"),
    ],
)
def test_mistakes_are_one_sentence(bag: Path, listen, parameters, sentence) -> None:
    listener = listen(**{"bag": bag, **parameters})
    with pytest.raises(SourceError, match=sentence):
        listener.play()


def test_types_that_are_not_installed_are_import_errors() -> None:
    assert message_type("sensor_msgs/msg/Image") is Image
    for name in ("no_such_msgs/msg/Image", "sensor_msgs/msg/NoSuchMessage"):
        with pytest.raises(ImportError):
            message_type(name)
