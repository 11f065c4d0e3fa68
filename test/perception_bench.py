# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bench: the perception node in this process, and a client that talks to it over DDS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Float64, Header
from std_srvs.srv import SetBool

from mila_ros.ros.conversions import rgb_message
from mila_ros.ros.outputs import OUTPUTS
from mila_ros.ros.perception_node import PerceptionNode
from mila_ros.ros.topics import TIMINGS
from mila_ros.streaming import FailedFrame, Frame, FrameRequest

TIMEOUT_S = 20.0
ENDINGS = {Image: "/image", CompressedImage: "/image/compressed", CameraInfo: "/camera_info"}
RELIABLE = QoSProfile(depth=50, reliability=QoSReliabilityPolicy.RELIABLE)
TYPES = {output.topic: output.type for output in OUTPUTS} | {"keyframe": Header}
TYPES |= {timing.name: Float64 for timing in TIMINGS}


def picture(seed: int = 0, size: tuple[int, int] = (64, 128)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def stamp_of(message: Any) -> float:
    header = message if isinstance(message, Header) else message.header
    return header.stamp.sec + header.stamp.nanosec * 1e-9


class Bench:
    """The node under test and a client, each spun by a thread of its own.

    ``received`` holds what came on each watched topic, named below the node: ``depth/image``.
    """

    def __init__(self, overrides: dict[str, Any], node_arguments: dict[str, Any]) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = PerceptionNode(
            context=self._context,
            parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
            **node_arguments,
        )
        self.client = Node("client", context=self._context)
        self.received: dict[str, list[Any]] = {}
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self.client.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._next_stamp_ns = 1_700_000_000_000_000_000
        self._inputs: dict[tuple[str, type], Any] = {}
        self._is_ending = threading.Event()
        nodes = (self.node, self.client)
        self._executors = [SingleThreadedExecutor(context=self._context) for _ in nodes]
        self._threads = []
        for executor, node in zip(self._executors, nodes, strict=True):
            executor.add_node(node)
            self._threads.append(threading.Thread(target=self._spin, args=(executor,)))
            self._threads[-1].start()

    def close(self) -> None:
        if self._is_ending.is_set():
            return
        self._is_ending.set()
        for thread in self._threads:
            thread.join()
        self.node.destroy_node()
        self.client.destroy_node()
        rclpy.shutdown(context=self._context, uninstall_handlers=False)

    def _spin(self, executor: SingleThreadedExecutor) -> None:
        while not self._is_ending.is_set():
            executor.spin_once(timeout_sec=0.05)
        executor.shutdown()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics.update({status.name: status for status in message.status})

    def wait(self, condition: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
        end = time.monotonic() + timeout_s
        while not (result := condition()):
            assert time.monotonic() < end, "timed out"
            time.sleep(0.005)
        return result

    def run(self, function: Callable[[], Any]) -> Any:
        """Run it where the node's callbacks run, as a service call would."""
        task = self._executors[0].create_task(function)
        self.wait(task.done)
        return task.result()

    def change(self, transition: str) -> bool:
        trigger = getattr(self.node, f"trigger_{transition}")
        return self.run(trigger) == TransitionCallbackReturn.SUCCESS

    def state(self) -> str:
        return self.node._state_machine.current_state[1]

    def set(self, name: str, value: Any) -> str:
        """Set a parameter; return the reason of a refusal, '' for none."""
        (result,) = self.run(lambda: self.node.set_parameters([Parameter(name, value=value)]))
        assert result.successful == (not result.reason)
        return result.reason

    def calibrate(self, info: CameraInfo, camera: str = "") -> None:
        """Send a calibration until the node has it."""
        self.send(info, camera)
        name = camera or "camera"
        self.wait(lambda: self.node._cameras[name].info == info)

    def enable(self, data: bool) -> SetBool.Response:
        """Call ~/enable over DDS."""
        client = self.client.create_client(SetBool, "/mila/enable")
        assert client.wait_for_service(timeout_sec=TIMEOUT_S)
        future = client.call_async(SetBool.Request(data=data))
        self.wait(future.done)
        self.client.destroy_client(client)
        return future.result()

    def watch(self, *topics: str) -> None:
        for topic in topics:
            kind = TYPES[topic if topic in TYPES else topic.split("/", 1)[1]]
            self.received[topic] = []
            self.client.create_subscription(
                kind, f"/mila/{topic}", self.received[topic].append, RELIABLE
            )

    def stamp(self, step_s: float = 0.1) -> Header:
        """A header a step later than the last one."""
        self._next_stamp_ns += round(step_s * 1e9)
        header = Header(frame_id="front_optical")
        header.stamp.sec, header.stamp.nanosec = divmod(self._next_stamp_ns, 1_000_000_000)
        return header

    def image(self, seed: int = 0, size: tuple[int, int] = (64, 128)) -> Image:
        return rgb_message(picture(seed, size), self.stamp())

    def send(self, message: Image | CompressedImage | CameraInfo, camera: str = "") -> None:
        prefix = f"/mila/{camera}/input" if camera else "/mila/input"
        kind = type(message)
        if (camera, kind) not in self._inputs:
            topic = prefix + ENDINGS[kind]
            self._inputs[camera, kind] = self.client.create_publisher(kind, topic, RELIABLE)
            self.wait(lambda: self._inputs[camera, kind].get_subscription_count())
            time.sleep(0.2)  # the other side takes a little longer to find this one
        self._inputs[camera, kind].publish(message)

    def connect(self, make: Callable[[], Any] | None = None, camera: str = "") -> None:
        """Send frames until every watched output of the camera has one, then forget them.

        But for camera_info, which needs one, the keyframe topic and the timings.
        """
        topics = [
            topic
            for topic in self.received
            if topic.startswith(f"{camera}/" if camera else "")
            and not topic.endswith(("camera_info", "keyframe", "_ms"))
        ]
        end = time.monotonic() + TIMEOUT_S
        while True:
            message = (make or self.image)()
            self.send(message, camera)
            if self.arrived(stamp_of(message), topics, timeout_s=0.5):
                break
            assert time.monotonic() < end, f"never complete: {self.received}"
        time.sleep(0.1)
        for messages in self.received.values():
            messages.clear()

    def arrived(self, stamp: float, topics: Sequence[str], timeout_s: float = TIMEOUT_S) -> bool:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            stamps = [[stamp_of(message) for message in self.received[topic]] for topic in topics]
            if all(stamp in group for group in stamps):
                return True
            time.sleep(0.005)
        return False

    def answer(self, message: Any, topic: str = "segmentation/mask", camera: str = "") -> Any:
        """Send a message and return what comes on the topic with its stamp."""
        self.send(message, camera)
        return self.answer_with(message.header, topic)

    def answer_with(self, header: Header, topic: str) -> Any:
        """Wait for what comes on the topic with this header's stamp, and return it."""
        stamp = stamp_of(header)
        assert self.arrived(stamp, [topic]), f"no answer on {topic}"
        return next(m for m in self.received[topic] if stamp_of(m) == stamp)

    def status(self, name: str, **values: str) -> DiagnosticStatus:
        """Wait for a status of that name with these values, and return it."""

        def found() -> DiagnosticStatus | None:
            status = self.diagnostics.get(f"mila: {name}")
            if status is None or not values.items() <= as_dict(status).items():
                return None
            return status

        return self.wait(found)


def as_dict(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def watch_steps(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[list[FrameRequest]], object] = lambda requests: None,
) -> list[tuple[FrameRequest, Frame | FailedFrame]]:
    """What the network is asked for and answers from now on; ``before`` is called ahead of it."""
    perception = bench.node._pipeline.perception
    steps: list[tuple[FrameRequest, Frame | FailedFrame]] = []
    step_batch = perception.step_batch

    def watching(requests: list[FrameRequest]) -> Iterator[Frame | FailedFrame]:
        if requests:
            before(requests)
        asked = {request.camera: request for request in requests}
        for outcome in step_batch(requests):
            steps.append((asked[outcome.camera], outcome))
            yield outcome

    monkeypatch.setattr(perception, "step_batch", watching)
    return steps
