# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``recorder`` node: a camera and its answers into a bag, pictures and a summary."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from mila_ros.data.bags import BagWriter
from mila_ros.ros import qos
from mila_ros.ros.distributions import HAS_MESSAGE_INFO, leave_to_owner
from mila_ros.ros.fixed_parameters import declare_fixed
from mila_ros.ros.output_folder import make_output_folder
from mila_ros.ros.recording import NOT_RECEIVED, Recording
from mila_ros.ros.recording_parameters import RECORDER_PARAMETERS
from mila_ros.ros.snapshots import Colors, Snapshots
from mila_ros.ros.spin import run_node
from mila_ros.ros.stamps import header_stamp_ns

OUTPUT_IMAGES = (
    "segmentation/mask", "segmentation/confidence", "depth/image", "motion/mask", "normals/image",
    "edges/image", "saliency/mask", "human_parts/mask",
)  # fmt: skip
OUTPUT_INFOS = tuple(dict.fromkeys(f"{t.partition('/')[0]}/camera_info" for t in OUTPUT_IMAGES))
KEYFRAME = "keyframe"
DIAGNOSTICS = "diagnostics"
BAG_FOLDER = "bag"
SUMMARY_FILE = "summary.json"
TICK_S = 0.1


class RecorderNode(Node):
    """Subscribes to the camera and to every output, without deserialising what it only stores.

    The camera's and the node's publishers must be reliable to match; ``qos_overrides`` of a
    topic's subscription take a best-effort camera.
    """

    def __init__(self) -> None:
        super().__init__("recorder")
        leave_to_owner(self)
        self._set = declare_fixed(self, RECORDER_PARAMETERS)
        self._is_raw = self._set["transport"] == "raw"
        self._directory = Path(self._set["output"]).expanduser()
        colors = Colors.of_model(self._set["model"])
        make_output_folder(self._directory, "a recording", BAG_FOLDER, SUMMARY_FILE)
        prefix = self.resolve_topic_name(self._set["perception"].rstrip("/"))
        self._recording = Recording("image", OUTPUT_IMAGES, prefix.strip("/"))
        self._snapshots = Snapshots(
            self._directory, colors, self._image_type, self._set["picture_period_s"]
        )
        self._bag = BagWriter(self._directory / BAG_FOLDER) if self._set["bag"] else None
        self._names: dict[str, str] = {}
        self._problem = ""
        self._subscribe_all()
        self._reported = (time.monotonic(), 0, 0)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        if self._set["picture_period_s"]:
            self.create_timer(TICK_S, self._tick, clock=steady)
        if self._set["report"] != "none":
            self.create_timer(1.0, self._report, clock=steady)
        self.get_logger().info(f"Recording to {self._directory}")

    @property
    def _image_type(self) -> type[Image] | type[CompressedImage]:
        return Image if self._is_raw else CompressedImage

    def destroy_node(self) -> None:
        """Complete the bag, the summary and the last picture, then take the node down."""
        if self._bag is not None:
            self._bag.close()
        summary = json.dumps(self.summary(), indent=1)
        (self._directory / SUMMARY_FILE).write_text(summary + "\n", "utf-8")
        self._snapshots.close(timeout_s=1.0)
        super().destroy_node()

    def summary(self) -> dict[str, object]:
        """What ``summary.json`` holds."""
        latest = "publication" if HAS_MESSAGE_INFO else "reception, for lack of it in ROS 2 Humble"
        return {
            **self._recording.summary(),
            "latency_ms_is": f"header stamp to {latest} of the frame's last output",
            "topics": self._names,
        }

    def _subscribe_all(self) -> None:
        image = self.resolve_topic_name("image_raw")
        self._subscribe(
            "image", self._image_type, image if self._is_raw else f"{image}/compressed",
            self._on_image,
        )  # fmt: skip
        self._subscribe("camera_info", CameraInfo, "camera_info", self._on_other)
        prefix = self._set["perception"].rstrip("/")
        for name in OUTPUT_IMAGES:
            self._subscribe(name, Image, f"{prefix}/{name}", partial(self._on_output, name))
        for name in OUTPUT_INFOS:
            self._subscribe(name, CameraInfo, f"{prefix}/{name}", self._on_other)
        self._subscribe(KEYFRAME, Header, f"{prefix}/{KEYFRAME}", self._on_keyframe)
        self._subscribe(DIAGNOSTICS, DiagnosticArray, "/diagnostics", self._on_diagnostics)

    def _subscribe(
        self, name: str, kind: type, topic: str, handle: Callable[[bytes, int, int], None]
    ) -> None:
        """Store and count every message of a topic, then hand it on with its two times."""

        def receive(data: bytes, info: Mapping[str, int]) -> None:
            now_ns = time.time_ns()
            if self._bag is not None:
                if name not in self._recording.topics:  # so that the bag has no empty topics
                    self._bag.add_topic(resolved, type_name)
                self._bag.write(resolved, now_ns, data)
            self._recording.count(name, now_ns)
            handle(data, info.get("source_timestamp") or now_ns, now_ns)

        self._names[name] = resolved = self.resolve_topic_name(topic)
        type_name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        with qos.naming_bad_overrides(self, topic):
            self.create_subscription(
                kind,
                topic,
                receive if HAS_MESSAGE_INFO else lambda data: receive(data, {}),
                QoSProfile(depth=50, reliability=QoSReliabilityPolicy.RELIABLE),
                raw=True,
                event_callbacks=qos.subscription_events(self, topic),
                qos_overriding_options=qos.overrides(),
            )

    def _on_image(self, data: bytes, published_ns: int, received_ns: int) -> None:
        index = self._recording.frames_in - 1
        self._snapshots.image(index, header_stamp_ns(data), data, time.monotonic())

    def _on_output(self, name: str, data: bytes, published_ns: int, received_ns: int) -> None:
        stamp_ns = header_stamp_ns(data)
        self._recording.output(stamp_ns, published_ns, received_ns)
        self._snapshots.output(name, stamp_ns, data, time.monotonic())

    def _on_keyframe(self, data: bytes, published_ns: int, received_ns: int) -> None:
        self._recording.keyframes += 1
        self._snapshots.keyframe(header_stamp_ns(data))

    def _on_diagnostics(self, data: bytes, published_ns: int, received_ns: int) -> None:
        statuses = deserialize_message(data, DiagnosticArray).status
        self._recording.diagnostics(statuses, received_ns)
        self._problem = "; ".join(
            status.message
            for status in statuses
            if status.hardware_id == "mila_ros"
            and status.level == DiagnosticStatus.ERROR
            and self._recording.concerns(status.name)
        )

    def _on_other(self, data: bytes, published_ns: int, received_ns: int) -> None:
        """Stored and counted, which is all."""

    def _tick(self) -> None:
        self._snapshots.tick(time.monotonic())

    def _report(self) -> None:
        now_s, recording = time.monotonic(), self._recording
        answered = max(recording.frames_out.values(), default=0)
        before_s, before_in, before_out = self._reported
        self._reported = now_s, recording.frames_in, answered
        seconds = now_s - before_s
        dropped, is_settled = recording.dropped(), recording.is_settled()
        if not is_settled:
            dropped.pop(NOT_RECEIVED, None)  # frames under way are still among them
        report = {
            "is_ready": self.count_publishers(self._names[KEYFRAME]) > 0,
            "is_settled": is_settled,
            "problem": self._problem,
            "frames_in": recording.frames_in,
            "frames_out": answered,
            "rate_in_hz": round((recording.frames_in - before_in) / seconds, 1),
            "rate_out_hz": round((answered - before_out) / seconds, 1),
            "latency_ms": recording.latency_ms(),
            "keyframes": recording.keyframes,
            "dropped": sum(dropped.values()),
        }
        line = json.dumps(report) if self._set["report"] == "json" else report_text(report)
        print(line, file=sys.stdout, flush=True)


def report_text(report: Mapping[str, object]) -> str:
    """The report as a line for people."""
    latency = report["latency_ms"]
    text = "n/a"
    if isinstance(latency, Mapping):
        text = " ".join(f"{name} {value:.0f}" for name, value in latency.items()) + " ms"
    return (
        f"in {report['frames_in']} ({report['rate_in_hz']} Hz)   "
        f"out {report['frames_out']} ({report['rate_out_hz']} Hz)   latency {text}   "
        f"keyframes {report['keyframes']}   dropped {report['dropped']}"
    )


def main() -> int:
    """Entry point of the executable ``recorder``."""
    return run_node(RecorderNode)


if __name__ == "__main__":
    raise SystemExit(main())
