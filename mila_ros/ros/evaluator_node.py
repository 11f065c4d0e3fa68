# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``evaluator`` node: what the perception node answers against what is true, live."""

from __future__ import annotations

import importlib.util
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from mila_ros.data.bag_messages import TF_STATIC
from mila_ros.data.transforms import StaticTransforms
from mila_ros.errors import MilaError
from mila_ros.evaluation.results import write_json
from mila_ros.ros import qos
from mila_ros.ros.cameras import UNNAMED
from mila_ros.ros.distributions import HAS_MESSAGE_INFO, leave_to_owner
from mila_ros.ros.evaluation_bag import read_transforms, truth_classes
from mila_ros.ros.evaluation_counts import Counts
from mila_ros.ros.evaluation_matching import MatchedFrame, Matcher
from mila_ros.ros.evaluation_parameters import EVALUATOR_PARAMETERS
from mila_ros.ros.evaluation_report import live_parts
from mila_ros.ros.evaluation_scoring import (
    DEPTH,
    MASK,
    MOTION,
    OUTPUTS,
    POINTS,
    Lidar,
    Scoring,
    parse_matrix,
)
from mila_ros.ros.fixed_parameters import declare_fixed
from mila_ros.ros.output_folder import make_output_folder
from mila_ros.ros.spin import run_node
from mila_ros.ros.stamps import header_stamp_ns
from mila_ros.streaming.bundle import read_bundle

RESULT_FILE = "evaluation.json"
BACKLOG = 512
"""Messages that may wait to be scored; then DDS holds back the rest, or drops it."""

SCORING_S = 2.0
"""For what still waits to be scored when the node is ended."""

GRACE_S = 4.5
"""For the results, from a signal on; ``ros2 launch`` sends the next one after five seconds."""


class Times(NamedTuple):
    """Nanoseconds: publication and reception on the system clock, reception on the ROS clock."""

    published_ns: int
    received_ns: int
    received_stamp_ns: int


class EvaluatorNode(Node):
    """Subscribes to images, answers and truths, matches them by stamp, and scores them.

    Callbacks note times and put what came in a queue; a thread of its own matches and scores, so
    that the times are not those of the scoring. The node ends after ``end_after_s`` of silence,
    and leaves its results in ``destroy_node``. Publishers must be reliable to match;
    ``qos_overrides`` of a topic's subscription take best-effort ones.

    Raises:
        MilaError: no such model or classes, an evaluation in the folder already.
    """

    def __init__(self) -> None:
        super().__init__("evaluator")
        leave_to_owner(self)
        self._set = declare_fixed(self, EVALUATOR_PARAMETERS)
        self._transforms = StaticTransforms()
        lidar = None
        if self._set["depth_truth"] == "points":
            lidar = Lidar(self._transforms, parse_matrix(self._set["lidar_to_camera"]))
            if self._set["bag"]:
                read_transforms(Path(self._set["bag"]).expanduser(), self._transforms)
        bundle = read_bundle(self._set["model"])
        self._scoring = Scoring(
            bundle,
            truth_classes(
                self._set["truth_classes"],
                self._set["bag"],
                self._image_topic,
                tuple(label.name for label in bundle.labels),
            ),
            self._set["max_depth_m"],
            lidar,
            self._set["bag"] or self.resolve_topic_name("image_raw"),
        )
        name = self.resolve_topic_name(self._set["perception"].rstrip("/")).strip("/")
        self._counts = Counts(name, self._set["camera"] or UNNAMED)
        self._matcher = Matcher(round(self._set["tolerance_s"] * 1e9))
        self._folder = Path(self._set["output"]).expanduser()
        make_output_folder(self._folder, "an evaluation", RESULT_FILE)
        self._events: queue.Queue[Callable[[], None] | None] = queue.Queue(BACKLOG)
        self._failure: BaseException | None = None
        self._is_complete = self._is_cut = False
        self._heard_s: float | None = None
        self._subscribe_all(lidar)
        self._scorer = threading.Thread(target=self._score, name="scorer", daemon=True)
        self._scorer.start()
        self.create_timer(0.1, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"Evaluating {self._set['perception']} to {self._folder}")

    def destroy_node(self) -> None:
        """Score what is left as far as there is time, write the results, take the node down."""
        self._put(None)
        self._scorer.join(None if self._is_complete else SCORING_S)
        if self._scorer.is_alive():
            self._is_cut = True
            left = self._events.qsize()
            self.get_logger().warning(f"Ended before {left} messages of the last ones were scored.")
            self._scorer.join()
        if self._failure is None:
            self._write()
        super().destroy_node()

    def result(self) -> dict[str, Any]:
        """What ``evaluation.json`` holds: that of ``mila evaluate``, and ``live``."""
        names = ("perception", "camera", "depth_truth", "tolerance_s")
        settings = {name: self._set[name] for name in names}
        settings["keyframes"] = "keyframes as the node chose them; K is the longest interval seen"
        live = {**self._counts.result(), "not_scored": dict(self._scoring.not_scored)}
        return {**self._scoring.document(settings), "live": live}

    @property
    def _image_topic(self) -> str:
        topic = self.resolve_topic_name("image_raw")
        return topic if self._set["transport"] == "raw" else f"{topic}/compressed"

    def _subscribe_all(self, lidar: Lidar | None) -> None:
        kind = Image if self._set["transport"] == "raw" else CompressedImage
        self._subscribe(kind, self._image_topic, self._on_image)
        prefix = "/".join([self._set["perception"].rstrip("/"), self._set["camera"]]).rstrip("/")
        for name in OUTPUTS:
            self._subscribe(Image, f"{prefix}/{name}", partial(self._on_output, name))
        self._subscribe(Header, f"{prefix}/keyframe", self._on_keyframe)
        truths = [MASK, MOTION] + ([DEPTH] if lidar is None else [])
        for name in truths:
            self._subscribe(Image, f"ground_truth/{name}", partial(self._on_truth, name))
        if lidar is not None:
            self._subscribe(PointCloud2, "lidar/points", partial(self._on_truth, POINTS))
            self._subscribe(CameraInfo, "camera_info", self._on_info)
        if lidar is not None and lidar.to_camera is None:
            self._subscribe_transforms()
        self.create_subscription(
            DiagnosticArray, "/diagnostics", lambda message: self._put(
                partial(self._on_diagnostics, message)
            ), 10,
        )  # fmt: skip

    def _subscribe(self, kind: type, topic: str, handle: Callable[[bytes, Times], None]) -> None:
        """Note when a message came, and leave the rest to the scorer's thread."""

        def receive(data: bytes, info: Mapping[str, int]) -> None:
            self._heard_s = time.monotonic()
            now_ns, ros_ns = time.time_ns(), self.get_clock().now().nanoseconds
            times = Times(
                info.get("source_timestamp") or now_ns,
                info.get("received_timestamp") or now_ns,
                ros_ns,
            )
            self._put(partial(handle, data, times))

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

    def _subscribe_transforms(self) -> None:
        if importlib.util.find_spec("tf2_msgs") is None:
            if not self._set["bag"]:
                self.get_logger().warning(
                    f"{TF_STATIC} cannot be subscribed to, because tf2_msgs is not installed: "
                    "give lidar_to_camera, or bag."
                )
            return
        kind = importlib.import_module("tf2_msgs.msg").TFMessage

        def add(message: Any) -> None:
            self._put(partial(self._transforms.add, message.transforms))

        self.create_subscription(kind, TF_STATIC, add, qos.latched_qos(depth=100))

    def _put(self, event: Callable[[], None] | None) -> None:
        # Without end where the scorer has failed, whose error `_tick` raises.
        while self._failure is None:
            try:
                return self._events.put(event, timeout=0.1)
            except queue.Full:
                continue

    def _on_image(self, data: bytes, times: Times) -> None:
        self._counts.has_begun = True
        self._matcher.image(header_stamp_ns(data), times.published_ns)

    def _on_output(self, name: str, data: bytes, times: Times) -> None:
        self._matcher.output(
            name,
            header_stamp_ns(data),
            data,
            times.published_ns,
            times.received_ns,
            times.received_stamp_ns,
        )

    def _on_truth(self, name: str, data: bytes, _: Times) -> None:
        self._matcher.truth(name, header_stamp_ns(data), data)

    def _on_keyframe(self, data: bytes, times: Times) -> None:
        self._matcher.keyframe(header_stamp_ns(data), times.published_ns)

    def _on_info(self, data: bytes, _: Times) -> None:
        self._scoring.set_info(data)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._counts.diagnostics(message.status)
        if self._counts.problem and not self._counts.has_begun:
            raise MilaError(f"{self._set['perception']} has no model: {self._counts.problem}")

    def _score(self) -> None:
        """What the scorer's thread does."""
        try:
            while (event := self._events.get()) is not None and not self._is_cut:
                event()
                self._take(self._matcher.closed())
            self._take(self._matcher.finish())
        except BaseException as error:  # raised again by _tick, in the executor
            self._failure = error

    def _take(self, frames: Iterable[MatchedFrame]) -> None:
        for frame in frames:
            self._counts.update(frame)
            if frame.outputs:
                self._scoring.update(frame)

    def _tick(self) -> None:
        """End where the scorer failed, or where everybody has been silent for long."""
        if self._failure is not None:
            raise self._failure
        patience_s, heard_s = self._set["end_after_s"], self._heard_s
        if patience_s and heard_s is not None and time.monotonic() - heard_s > patience_s:
            self._is_complete = True
            raise ExternalShutdownException

    def _write(self) -> None:
        result = self.result()
        write_json(result, self._folder / RESULT_FILE)
        if "results" not in result:
            self.get_logger().warning("No answer was scored; see the counts in evaluation.json.")
            return
        try:
            # Where matplotlib is not installed there is the JSON file alone.
            from mila_ros.evaluation.report import write_page

            interval = result["settings"]["keyframe_every"][0]
            page = write_page(self._folder, result, interval, live_parts(result["live"]))
            self.get_logger().info(f"Evaluated; see {page}")
        except (MilaError, ImportError) as error:
            self.get_logger().warning(f"There is no report page: {error}")


def main() -> int:
    """Entry point of the executable ``evaluator``."""
    return run_node(EvaluatorNode, grace_s=GRACE_S)


if __name__ == "__main__":
    raise SystemExit(main())
