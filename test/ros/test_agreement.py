# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The outputs of a frame belong together, to a costmap layer and in a bag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import TINY_DEFAULT
from perception_bench import TYPES, Bench, stamp_of
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_profile_sensor_data,
)
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import String

from mila_ros.data.bags import BagWriter
from mila_ros.ros import publishers
from mila_ros.ros.outputs import OUTPUTS

LATCHED = QoSProfile(
    depth=5,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)
SENSOR = QoSProfile(depth=50, reliability=qos_profile_sensor_data.reliability)


class ExactSync:
    """Gives its function the messages of several topics with one stamp, as message_filters do.

    A set that is incomplete when a later one is complete is dropped.
    """

    def __init__(self, topics: list[str], function: Callable[..., None]) -> None:
        self._topics, self._function = topics, function
        self._open: dict[float, dict[str, Any]] = {}

    def add(self, topic: str, message: Any) -> None:
        found = self._open.setdefault(stamp_of(message), {})
        found[topic] = message
        if len(found) == len(self._topics):
            stamp = stamp_of(message)
            self._open = {at: rest for at, rest in self._open.items() if at > stamp}
            self._function(*(found[topic] for topic in self._topics))


def subscribe(bench: Bench, topics: list[str], function: Callable[..., None]) -> None:
    sync = ExactSync(topics, function)
    for topic in topics:
        bench.client.create_subscription(
            TYPES[topic], f"/mila/{topic}", lambda m, topic=topic: sync.add(topic, m), SENSOR
        )
    bench.wait(lambda: bench.node._cameras["camera"].outputs.watched() >= set(topics))


def info_for(bench: Bench, width: int = 128, height: int = 64) -> CameraInfo:
    info = CameraInfo(header=bench.stamp(), width=width, height=height)
    info.k = [100.0, 0.0, width / 2, 0.0, 100.0, height / 2, 0.0, 0.0, 1.0]
    info.p = [100.0, 0.0, width / 2, 0.0, 0.0, 100.0, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def test_all_outputs_of_a_frame_meet_in_an_exact_sync(make_bench) -> None:
    bench = make_bench(depth__encoding="16UC1")
    assert bench.change("configure") and bench.change("activate")
    topics = [output.topic for output in OUTPUTS if output.task in TINY_DEFAULT]
    sets: dict[float, tuple[Any, ...]] = {}
    subscribe(bench, topics, lambda *found: sets.setdefault(stamp_of(found[0]), found))
    bench.calibrate(info_for(bench))
    bench.wait(lambda: bench.send(bench.image()) or sets)
    for seed in range(10):
        image = bench.image(seed, (48, 100))
        stamp = stamp_of(image)
        bench.send(image)
        messages = bench.wait(lambda stamp=stamp: sets.get(stamp))
        assert len(messages) == len(topics)
        assert all(message.header == image.header for message in messages)


class CostmapLayer:
    """Plays Nav2's semantic segmentation layer: what it subscribes to, asks for and refuses.

    Masks before the labels are ignored; a mask, its confidence and its cloud are matched by
    exact stamp; a cloud that has not a point per pixel is refused; points that are not finite
    are left out; each of the others marks a tile of the ground with a class.
    """

    def __init__(self, bench: Bench, label_type: type) -> None:
        self.labels: Any = None
        self.refused: list[str] = []
        self.marks: dict[float, dict[tuple[int, int], tuple[int, int]]] = {}
        bench.client.create_subscription(
            label_type, "/mila/segmentation/label_info", self._on_labels, LATCHED
        )
        topics = ["segmentation/mask", "segmentation/confidence", "depth/points"]
        subscribe(bench, topics, self._on_observation)

    def _on_labels(self, labels: Any) -> None:
        self.labels = labels

    def _on_observation(self, mask: Image, confidence: Image, cloud: PointCloud2) -> None:
        if self.labels is None:
            return
        if (cloud.width, cloud.height) != (mask.width, mask.height):
            self.refused.append(f"{cloud.width}x{cloud.height}")
            return
        assert mask.encoding == confidence.encoding == "mono8"
        assert cloud.header.frame_id == mask.header.frame_id
        offsets = {field.name: field.offset for field in cloud.fields}
        tiles: dict[tuple[int, int], tuple[int, int]] = {}
        for v in range(mask.height):
            for u in range(mask.width):
                point = v * mask.width + u  # the layer counts pixels so, whatever the step
                at = point * cloud.point_step
                x, z = (
                    np.frombuffer(cloud.data, np.float32, 1, at + offsets[name])[0] for name in "xz"
                )
                if not np.isfinite(z):
                    continue
                tile, seen = (int(x // 2), int(z // 2)), confidence.data[point]
                if tile not in tiles or seen > tiles[tile][1]:
                    tiles[tile] = (mask.data[point], seen)
        self.marks[stamp_of(mask)] = tiles


def test_a_costmap_layer_is_served(make_bench, monkeypatch) -> None:
    monkeypatch.setattr(
        publishers, "label_info", lambda bundle, _: String(data=f"{len(bundle.labels)} classes")
    )
    bench = make_bench()
    assert bench.change("configure") and bench.change("activate")
    bench.calibrate(info_for(bench))
    layer = CostmapLayer(bench, String)  # long after the labels were published
    bench.wait(lambda: layer.labels)
    assert layer.labels.data == "5 classes"
    bench.wait(lambda: bench.send(bench.image(0, (24, 32))) or layer.marks)
    bench.watch("segmentation/mask", "depth/image")
    bench.connect(lambda: bench.image(0, (24, 32)))
    image = bench.image(1, (24, 32))
    mask = bench.answer(image)
    depth = bench.answer_with(image.header, "depth/image")
    tiles = bench.wait(lambda: layer.marks.get(stamp_of(image)))
    assert layer.refused == []
    metres = np.frombuffer(depth.data, np.float32).reshape(24, 32)
    known = np.isfinite(metres)
    assert known.any() and len(tiles) > 3
    assert {int(z // 2) for z in metres[known]} == {z for _, z in tiles}
    assert {label for label, _ in tiles.values()} <= set(mask.data)
    assert bench.set("depth.points_stride", 2) == ""
    bench.wait(lambda: bench.send(bench.image(2, (24, 32))) or layer.refused)
    assert set(layer.refused) == {"16x12"}


@pytest.mark.parametrize("topic", ["segmentation/mask", "motion/mask"])
def test_masks_survive_a_bag_bit_for_bit(bench, tmp_path: Path, topic: str) -> None:
    topics = [topic, f"{topic}/compressed", "depth/image", "depth/points"]
    bench.watch(*topics)
    bench.calibrate(info_for(bench))
    bench.connect()
    for seed in range(3):
        image = bench.image(seed, (49, 101))
        bench.send(image)
        assert bench.arrived(stamp_of(image), topics)
    with BagWriter(tmp_path / "bag") as bag:
        for name in topics:
            bag.add_topic(f"/mila/{name}", f"sensor_msgs/msg/{TYPES[name].__name__}")
            for number, message in enumerate(bench.received[name]):
                bag.write(f"/mila/{name}", number, bytes(serialize_message(message)))
    with AnyReader([tmp_path / "bag"]) as reader:
        read: dict[str, list[Any]] = {}
        for connection, _, data in reader.messages():
            name = connection.topic.removeprefix("/mila/")
            read.setdefault(name, []).append(reader.deserialize(data, connection.msgtype))
    for name in topics:
        assert len(read[name]) == 3
        for found, sent in zip(read[name], bench.received[name], strict=True):
            stamp = sent.header.stamp
            assert (found.header.stamp.sec, found.header.stamp.nanosec) == (
                stamp.sec,
                stamp.nanosec,
            )
            assert found.header.frame_id == sent.header.frame_id
            assert found.data.tobytes() == bytes(sent.data)
            if TYPES[name] is not CompressedImage:
                assert (found.height, found.width) == (sent.height, sent.width) == (49, 101)
    for plain, packed in zip(read[topic], read[f"{topic}/compressed"], strict=True):
        mask = cv2.imdecode(packed.data, cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, plain.data.reshape(49, 101))
