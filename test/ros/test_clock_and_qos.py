# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS clock drives the keyframes; QoS matches whoever can match, and says who cannot."""

from __future__ import annotations

import itertools
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest
from perception_bench import stamp_of
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from mila_ros.ros import publishers
from mila_ros.ros.qos import describe, latched_qos
from mila_ros.streaming import read_bundle

MASK = "segmentation/mask"
BEST_EFFORT = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


class SimulatedClock:
    def __init__(self, bench) -> None:
        self._bench = bench
        self._topic = bench.client.create_publisher(Clock, "/clock", RELIABLE)
        bench.wait(self._topic.get_subscription_count)

    def set(self, seconds: float) -> None:
        message = Clock()
        message.clock.sec, nanoseconds = int(seconds), round(seconds % 1 * 1e9)
        message.clock.nanosec = nanoseconds

        def is_set() -> bool:
            self._topic.publish(message)
            return abs(self._bench.node._now_ns() - seconds * 1e9) < 1e3

        self._bench.wait(is_set)


def active(make_bench, **overrides):
    bench = make_bench(**overrides)
    assert bench.change("configure") and bench.change("activate")
    return bench


def test_keyframes_come_by_the_ros_clock_and_not_by_the_stamps(make_bench) -> None:
    bench = active(
        make_bench,
        use_sim_time=True,
        keyframe_period_s=0.5,
        keyframe_max_age_s=60.0,
        max_gap_s=60.0,
    )
    clock = SimulatedClock(bench)
    bench.watch(MASK, "keyframe")
    clock.set(1000.0)
    bench.connect()
    bench.received["keyframe"].clear()
    sent = []
    for number in range(13):
        clock.set(1010.0 + 0.125 * number)
        time.sleep(0.05)  # the clock's own message and the timer that it wakes come first
        sent.append(bench.image(number))
        sent[-1].header = bench.stamp(0.01)
        bench.answer(sent[-1])
    bench.wait(lambda: len(bench.received["keyframe"]) >= 4)
    stamps = [stamp_of(message) for message in sent]
    taken = [stamps.index(stamp_of(message)) for message in bench.received["keyframe"]]
    # The first follows the jump of the clock; from then on there is one in each 0.5 s.
    assert [after - before for before, after in itertools.pairwise(taken)][1:] == [4, 4]
    clock.set(2000.0)
    assert bench.set("keyframe_period_s", 10.0) == ""
    bench.answer(bench.image())
    clock.set(2010.5)
    time.sleep(0.05)
    bench.answer(bench.image())
    bench.received["keyframe"].clear()
    for number in range(4):
        clock.set(2011.0 + number)
        time.sleep(0.05)
        bench.answer(bench.image(number))
    assert bench.received["keyframe"] == []


def test_a_clock_that_goes_back_starts_the_streams_afresh(make_bench) -> None:
    bench = active(make_bench, use_sim_time=True, keyframe_policy="every", keyframe_every=1000)
    clock = SimulatedClock(bench)
    clock.set(1000.0)
    bench.watch(MASK, "keyframe")
    bench.connect()
    bench.answer(bench.image())
    before = bench.node._pipeline.perception.resets("camera").get("time_jump_back", 0)
    clock.set(900.0)
    bench.answer(bench.image())
    assert len(bench.received["keyframe"]) == 1
    bench.status("input camera", **{"resets.time_jump_back": str(before + 1)})


def test_latency_is_told_where_the_stamps_are_of_the_clock(bench) -> None:
    bench.watch(MASK)
    bench.connect()
    bench.status("processing", **{"latency_ms.p50": "n/a"})
    for _ in range(3):
        image = bench.image()
        image.header.stamp = bench.client.get_clock().now().to_msg()
        bench.answer(image)

    def latency() -> float | None:
        values = {pair.key: pair.value for pair in bench.status("processing").values}
        text = values["latency_ms.p50"]
        return None if text == "n/a" else float(text)

    assert 0 < bench.wait(latency) < 5000


@pytest.mark.parametrize("camera", [BEST_EFFORT, RELIABLE])
@pytest.mark.parametrize("consumer", [BEST_EFFORT, RELIABLE])
def test_every_camera_and_every_consumer_match(bench, camera, consumer) -> None:
    got: list[Image] = []
    bench.client.create_subscription(Image, f"/mila/{MASK}", got.append, consumer)
    topic = bench.client.create_publisher(Image, "/mila/input/image", camera)

    def is_answered() -> bool:
        topic.publish(bench.image())
        return bool(got)

    bench.wait(is_answered)


def mismatch(bench, monkeypatch, connect) -> str:
    """What the node warns of when ``connect`` makes an endpoint that cannot match.

    Taken from the logger: reading ``capfd`` in a loop loses what is written between its reading
    and its truncating.
    """
    said: list[str] = []
    monkeypatch.setattr(bench.node.get_logger(), "warning", said.append)
    connect()
    return bench.wait(lambda: next((line for line in said if "does not match" in line), None))


def test_a_consumer_that_cannot_match_is_named(bench, monkeypatch) -> None:
    text = mismatch(
        bench,
        monkeypatch,
        lambda: bench.client.create_subscription(Image, f"/mila/{MASK}", lambda _: None, LATCHED),
    )
    assert (
        f"A subscriber of /mila/{MASK} does not match this node's publisher in its durability"
        in text
    )
    assert "/client (reliable, transient local, sensor_msgs/msg/Image)" in text


def test_a_camera_that_cannot_match_an_override_is_named(make_bench, monkeypatch) -> None:
    name = "qos_overrides./mila/input/image.subscription.reliability"
    bench = active(make_bench, **{name.replace(".", "__"): "reliable"})
    (info,) = bench.client.get_subscriptions_info_by_topic("/mila/input/image")
    assert info.qos_profile.reliability == QoSReliabilityPolicy.RELIABLE
    text = mismatch(
        bench,
        monkeypatch,
        lambda: bench.client.create_publisher(Image, "/mila/input/image", BEST_EFFORT),
    )
    assert "A publisher of /mila/input/image does not match this node's subscription" in text
    assert "/client (best effort, volatile, sensor_msgs/msg/Image)" in text


def test_a_calibration_that_is_sent_once_reaches_who_asks_for_it(make_bench) -> None:
    topic = "/mila/input/camera_info"
    prefix = f"qos_overrides.{topic}.subscription".replace(".", "__")
    wanted = {"durability": "transient_local", "reliability": "reliable"}
    bench = make_bench(**{f"{prefix}__{policy}": value for policy, value in wanted.items()})
    bench.client.create_publisher(CameraInfo, topic, latched_qos()).publish(CameraInfo(width=7))
    assert bench.change("configure") and bench.change("activate")
    assert bench.wait(lambda: bench.node._cameras["camera"].info).width == 7


def test_endpoints_have_the_promised_qos(bench) -> None:
    (subscription,) = bench.client.get_subscriptions_info_by_topic("/mila/input/image")
    (publisher,) = bench.client.get_publishers_info_by_topic("/mila/depth/image")
    assert describe(subscription.qos_profile) == "best effort, volatile"
    assert describe(publisher.qos_profile) == "reliable, volatile"


def test_labels_are_kept_for_who_comes_late(make_bench, monkeypatch) -> None:
    monkeypatch.setattr(
        publishers, "label_info", lambda bundle, _: String(data=bundle.labels[0].name)
    )
    bench = active(make_bench)
    got: list[String] = []
    topic = "/mila/segmentation/label_info"
    bench.client.create_subscription(String, topic, got.append, LATCHED)
    bench.wait(lambda: got)
    assert got[0].data == "class_0"


def test_label_info_holds_every_class(tiny_model, monkeypatch) -> None:
    bundle = read_bundle(tiny_model)
    assert publishers.label_info(bundle, None) is None
    messages = ModuleType("vision_msgs.msg")
    messages.LabelInfo = messages.VisionClass = lambda **fields: SimpleNamespace(**fields)
    monkeypatch.setitem(sys.modules, "vision_msgs", ModuleType("vision_msgs"))
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", messages)
    monkeypatch.setattr(publishers, "Header", lambda stamp: SimpleNamespace(stamp=stamp))
    info = publishers.label_info(bundle, "now")
    assert info.header.stamp == "now"
    assert [(entry.class_id, entry.class_name) for entry in info.class_map] == [
        (label.id, label.name) for label in bundle.labels
    ]
