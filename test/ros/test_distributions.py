# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What Humble lacks and what Kilted adds, taken away and put in place of what there is here.

Humble and Kilted themselves are not what these tests run on: the wheels are of Jazzy.
"""

from __future__ import annotations

import ast
import importlib
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from perception_bench import TYPES, Bench
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from mila_ros.ros import distributions, recorder_node
from mila_ros.ros.conversions import mask_message, rgb_message

PACKAGE = Path(distributions.__file__).parents[1]

# Held against rclpy's branch humble at b488272 (November 2024): each is there, by this name.
IN_HUMBLE = {
    "rclpy.clock": {"Clock", "ClockType", "JumpThreshold", "TimeJump"},
    "rclpy.duration": {"Duration"},
    "rclpy.exceptions": {"InvalidParameterTypeException", "InvalidParameterValueException"},
    "rclpy.executors": {"ExternalShutdownException", "SingleThreadedExecutor"},
    "rclpy.lifecycle": {"LifecycleNode", "LifecycleState", "TransitionCallbackReturn"},
    "rclpy.node": {"Node"},
    "rclpy.parameter": {"Parameter"},
    "rclpy.publisher": {"Publisher"},
    "rclpy.qos": {
        "QoSDurabilityPolicy",
        "QoSPolicyKind",
        "QoSProfile",
        "QoSReliabilityPolicy",
        "qos_policy_name_from_kind",
    },
    "rclpy.qos_overriding_options": {"InvalidQosOverridesError", "QoSOverridingOptions"},
    "rclpy.serialization": {"deserialize_message"},
    "rclpy.signals": {"SignalHandlerOptions"},
    "rclpy.subscription": {"Subscription"},
}


def test_only_one_module_imports_what_humble_lacks() -> None:
    """A new import of rclpy is to be looked up in Humble, and entered here."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path == Path(distributions.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rclpy"):
                names = {alias.name for alias in node.names}
                assert names <= IN_HUMBLE.get(node.module, set()), (path.name, node.module, names)


@pytest.fixture
def humble(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`distributions` as Humble would have it."""
    events = {name: type(name, (), {}) for name in ("PublisherEventCallbacks",)}
    events["SubscriptionEventCallbacks"] = type("SubscriptionEventCallbacks", (), {})
    monkeypatch.setitem(sys.modules, "rclpy.event_handler", None)
    monkeypatch.setitem(sys.modules, "rclpy.qos_event", SimpleNamespace(**events))
    monkeypatch.delattr(Subscription, "CallbackType")
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, distributions.__name__)
        yield importlib.import_module(distributions.__name__)
    sys.modules[distributions.__name__] = distributions


def test_the_events_are_found_where_humble_has_them(humble: ModuleType) -> None:
    assert humble is not distributions
    assert humble.PublisherEventCallbacks is sys.modules["rclpy.qos_event"].PublisherEventCallbacks
    assert not humble.HAS_MESSAGE_INFO


def test_every_output_is_made_of_what_humble_takes_unchecked(bench: Bench, monkeypatch) -> None:
    """There anything but an ``array('B')`` is checked byte by byte, for up to a second."""
    given: list[type] = []
    for kind in (Image, CompressedImage, PointCloud2):
        data = kind.data

        def set_data(message: Any, value: Any, data: Any = data) -> None:
            assert isinstance(value, array) and value.typecode == "B"
            given.append(type(message))
            data.fset(message, value)

        monkeypatch.setattr(kind, "data", property(data.fget, set_data))
    topics = list(bench.node._cameras["camera"].outputs._outputs)
    bench.watch(*topics)
    info = CameraInfo(width=128, height=64)
    info.k = [100.0, 0.0, 64.0, 0.0, 100.0, 32.0, 0.0, 0.0, 1.0]
    bench.calibrate(info)
    bench.connect()
    given.clear()
    image = bench.image()
    bench.send(image)
    for topic in topics:
        assert bench.answer_with(image.header, topic).header == image.header
    made = {topic: TYPES[topic] for topic in topics if TYPES[topic] is not CameraInfo}
    assert len(given) >= len(made) and set(given) == set(made.values())


def test_the_recorder_does_without_times_of_publication(
    ros_domain: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    monkeypatch.setattr(recorder_node, "HAS_MESSAGE_INFO", False)
    values = {"output": tmp_path / "out", "model": tiny_model, "bag": "false", "report": "none"}
    options = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *options])
    try:
        recorder, executor = recorder_node.RecorderNode(), SingleThreadedExecutor()
        camera = rclpy.create_node("camera")
        for node in (recorder, camera):
            executor.add_node(node)
        picture = np.zeros((8, 16, 3), np.uint8)
        header = Header(stamp=camera.get_clock().now().to_msg(), frame_id="front")
        messages = {
            "image_raw": rgb_message(picture, header),
            "/mila/segmentation/mask": mask_message(picture[..., 0], header),
        }
        profile = QoSProfile(depth=10)
        topics = {n: camera.create_publisher(Image, n, profile) for n in messages}
        for _ in range(400):
            for name, topic in topics.items():
                if topic.get_subscription_count():
                    topic.publish(messages[name])
            executor.spin_once(timeout_sec=0.05)
            if len(recorder.summary()["messages"]) == len(messages):
                break
        summary = recorder.summary()
        assert set(summary["messages"]) == {"image", "segmentation/mask"}
        assert summary["latency_ms"] == summary["received_latency_ms"]
        assert "Humble" in summary["latency_ms_is"]
        recorder.destroy_node()
        camera.destroy_node()
    finally:
        rclpy.try_shutdown()


def test_a_node_is_left_to_who_made_it() -> None:
    """From Kilted on the context destroys the nodes that it knows when it shuts down."""
    left: list[object] = []
    node = SimpleNamespace(context=SimpleNamespace(untrack_node=left.append))
    distributions.leave_to_owner(node)
    assert left == [node]
    distributions.leave_to_owner(SimpleNamespace(context=object()))  # up to Jazzy it knows none


@pytest.mark.parametrize(
    ("module", "name"),
    [("source", "name"), ("recorder", '"recorder"'), ("evaluator", '"evaluator"')],
)
def test_every_node_is_left_to_who_made_it(module: str, name: str) -> None:
    source = (PACKAGE / "ros" / f"{module}_node.py").read_text(encoding="utf-8")
    assert f"super().__init__({name})\n        leave_to_owner(self)\n" in source


@pytest.mark.parametrize("module", ["camera", "player"])
def test_nodes_that_play_a_source_are_made_alike(module: str) -> None:
    source = (PACKAGE / "ros" / f"{module}_node.py").read_text(encoding="utf-8")
    assert "(SourceNode):\n" in source and f'super().__init__("{module}")\n' in source
