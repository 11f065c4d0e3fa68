# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``camera`` node: publishes a folder, clip, video, webcam or bag as a camera would."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from mila_ros.data.frame_sources import open_source
from mila_ros.data.frames import NO_CALIBRATION, Calibration, SourceError, SourceFrame
from mila_ros.data.read_ahead import ReadAhead
from mila_ros.ros import qos
from mila_ros.ros.conversions import image_message
from mila_ros.ros.fixed_parameters import declare_fixed
from mila_ros.ros.recording_parameters import CAMERA_PARAMETERS
from mila_ros.ros.source_node import SourceNode
from mila_ros.ros.spin import run_node

DEFAULT_FRAME_ID = "camera_optical"
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Ready:
    """A frame with its message, complete but for the stamp."""

    due_ns: int
    stamp_ns: int
    image: Image | CompressedImage
    info: CameraInfo


class CameraNode(SourceNode):
    """Publishes ``image_raw`` or ``image_raw/compressed``, and ``camera_info`` with it.

    Two threads: one reads, decodes and builds messages a few frames ahead, one waits until each
    is due and publishes it. A frame that is late by more than an interval moves all that follow:
    nothing is skipped and nothing sent in a burst. The node ends when the source does.
    """

    def __init__(self) -> None:
        super().__init__("camera")
        self._set = declare_fixed(self, CAMERA_PARAMETERS)
        if not self._set["source"]:
            raise SourceError(
                "The parameter source is empty: say what to publish, such as "
                "--ros-args -p source:=street.mp4"
            )
        self.source = open_source(
            self._set["source"], topic=self._set["topic"], rate_hz=self._set["rate"]
        )
        self._frame_id = self._set["frame_id"] or self.source.frame_id or DEFAULT_FRAME_ID
        self._is_raw = self._set["transport"] == "raw"
        self._advertise()
        self._log_source()
        ahead = ReadAhead(self._frames(), self._prepare, newest_only=self.source.is_live)
        self._start_player(ahead, self._set["start_delay"])

    def _advertise(self) -> None:
        # image_transport's name for it, wherever image_raw is remapped to.
        topic = self.resolve_topic_name("image_raw")
        kind: type[Image] | type[CompressedImage] = Image
        if not self._is_raw:
            topic, kind = f"{topic}/compressed", CompressedImage
        self._image_publisher = self._create_publisher(kind, topic)
        self._info_publisher = self._create_publisher(CameraInfo, "camera_info")

    def _create_publisher(self, message_type: type, topic: str) -> Publisher:
        with qos.naming_bad_overrides(self, topic):
            return self.create_publisher(
                message_type,
                topic,
                QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE),
                qos_overriding_options=qos.overrides(),
                event_callbacks=qos.publisher_events(self, topic),
            )

    def _log_source(self) -> None:
        rate = f"at {self.source.rate_hz:g} Hz" if self.source.rate_hz else "in its own time"
        topic = self._image_publisher.topic_name
        self.get_logger().info(f"Publishing {self.source.name} {rate} on {topic}")
        if self.source.note:
            self.get_logger().warning(self.source.note)

    def _frames(self) -> Iterator[SourceFrame]:
        """The source's frames, over and over with ``loop``, their times ever increasing."""
        start_ns = 0
        while True:
            last_ns, interval_ns = 0, round(SECOND_NS / (self.source.rate_hz or 10))
            for frame in self.source:
                interval_ns = frame.time_ns - last_ns or interval_ns
                last_ns = frame.time_ns
                yield replace(frame, time_ns=start_ns + frame.time_ns)
            if not self._set["loop"]:
                return
            start_ns += last_ns + interval_ns

    def _prepare(self, frame: SourceFrame) -> Ready:
        header = Header(frame_id=self._frame_id)
        if self._is_raw:
            rgb = frame.rgb()
            height, width = rgb.shape[:2]
            if self._set["encoding"] == "bgr8":
                rgb = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
            image = image_message(rgb, self._set["encoding"], header)
        else:
            image, width, height = self._compressed(frame, header)
        calibration = self.source.calibration or Calibration(
            width, height, k=NO_CALIBRATION, p=(0.0,) * 12, r=NO_CALIBRATION, d=()
        )
        return Ready(frame.time_ns, frame.stamp_ns, image, camera_info(calibration, header))

    def _compressed(self, frame: SourceFrame, header: Header) -> tuple[CompressedImage, int, int]:
        image = CompressedImage(header=header, format=frame.format or "jpeg")
        encoded = frame.encoded
        if encoded is None:
            bgr = cv2.cvtColor(frame.rgb(), cv2.COLOR_RGB2BGR)
            options = [cv2.IMWRITE_JPEG_QUALITY, self._set["jpeg_quality"]]
            encoded = cv2.imencode(".jpg", bgr, options)[1].tobytes()
        width, height = frame.size()
        image.data = array("B", encoded)
        return image, width, height

    def _awaited(self) -> list[tuple[Publisher, int]]:
        return [(self._image_publisher, self._set["wait_for_subscribers"])]

    def _play(self) -> None:
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        start_ns: int | None = None
        count = last_due_ns = 0
        for ready in self._ahead:
            now_ns = clock.now().nanoseconds
            if start_ns is None or self.source.is_live:
                start_ns = now_ns - ready.due_ns
            wait_ns = start_ns + ready.due_ns - now_ns
            if -wait_ns > ready.due_ns - last_due_ns:
                start_ns -= wait_ns
            elif wait_ns > 0 and self._stop.wait(wait_ns * 1e-9):
                break
            last_due_ns = ready.due_ns
            self._publish(ready)
            count += 1
        # A sample that a reliable subscriber has not got yet would go down with the process.
        self._image_publisher.wait_for_all_acked(Duration(seconds=0.5))
        self.get_logger().info(f"{self.source.name}: ended after {count} frames")

    def _publish(self, ready: Ready) -> None:
        if self._set["stamps"] == "now":
            stamp = self.get_clock().now().to_msg()
        else:
            stamp = Time(sec=ready.stamp_ns // SECOND_NS, nanosec=ready.stamp_ns % SECOND_NS)
        ready.image.header.stamp = ready.info.header.stamp = stamp
        # The calibration first: who gets the image then has it already.
        self._info_publisher.publish(ready.info)
        self._image_publisher.publish(ready.image)


def camera_info(calibration: Calibration, header: Header) -> CameraInfo:
    """The calibration as a message."""
    return CameraInfo(
        header=Header(frame_id=header.frame_id),
        height=calibration.height,
        width=calibration.width,
        distortion_model=calibration.distortion_model,
        d=list(calibration.d),
        k=list(calibration.k),
        r=list(calibration.r),
        p=list(calibration.p),
    )


def main() -> int:
    """Entry point of the executable ``camera``."""
    return run_node(CameraNode)


if __name__ == "__main__":
    raise SystemExit(main())
