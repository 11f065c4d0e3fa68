# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The publishers of one camera: which there are, which are watched, and when they publish.

The outputs of a frame are published one right after the other, in the order of `OUTPUTS`, all
with the header of the input, so that consumers can match them by exact stamp. None is made
unless somebody subscribes to it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Float64, Header

from mila_ros.errors import MilaError
from mila_ros.ros import qos, topics
from mila_ros.ros.geometry import Pinhole
from mila_ros.ros.outputs import OUTPUTS, Answer
from mila_ros.ros.parameters import Settings
from mila_ros.visualization import palette_lut

if TYPE_CHECKING:  # torch is imported when a model is loaded, not when the node starts
    from mila_ros.streaming import Bundle, Frame

KEYFRAME_TOPIC = topics.KEYFRAME.name
LABEL_INFO_TOPIC = topics.LABEL_INFO.name
_COMPRESSED = "/compressed"


class CameraOutputs:
    """The lifecycle publishers of one camera.

    Args:
        node: creates and owns the publishers.
        prefix: of the topics, ``~/`` or ``~/NAME/``.
        bundle: has the tasks that are offered, and the colours. Depth is offered in metres only.
        settings: say which outputs are offered beside the usual ones.

    Raises:
        MilaError: a QoS override that cannot be.
    """

    def __init__(
        self, node: LifecycleNode, prefix: str, bundle: Bundle, settings: Settings
    ) -> None:
        self._node = node
        self._prefix = prefix
        self._lut = palette_lut({label.id: label.color for label in bundle.labels})
        self._labels = label_info(bundle, node.get_clock().now().to_msg())
        offered = offered_topics(bundle, settings)
        self._outputs = {output.topic: output for output in OUTPUTS if output.topic in offered}
        self._publishers: dict[str, Any] = {}
        try:
            for topic, output in self._outputs.items():
                self._create(output.type, topic, qos.output_qos())
            self._create(Header, KEYFRAME_TOPIC, qos.output_qos())
            for timing in topics.TIMINGS:
                self._create(Float64, timing.name, qos.output_qos())
            if self._labels is not None:
                self._create(type(self._labels), LABEL_INFO_TOPIC, qos.latched_qos())
        except MilaError:
            self.destroy()
            raise

    def watched(self) -> frozenset[str]:
        """Return the topics of `OUTPUTS` that somebody subscribes to."""
        return frozenset(topic for topic in self._outputs if self._is_watched(topic))

    def tasks(self, watched: frozenset[str]) -> frozenset[str]:
        """Return the tasks that the network has to run for these topics."""
        outputs = (self._outputs[topic] for topic in watched)
        return frozenset(output.task for output in outputs if output.is_task_run)

    def without_calibration(
        self, watched: frozenset[str], info: CameraInfo | None, camera: Pinhole | None
    ) -> frozenset[str]:
        """Return those of these topics that there can be no message of for lack of one."""
        outputs = (self._outputs[topic] for topic in watched)
        return frozenset(o.topic for o in outputs if o.lacks_calibration(info, camera))

    def publish(self, wanted: frozenset[str], answer: Answer) -> None:
        """Make and publish these outputs; then the keyframe topic, where there is a new one."""
        messages = [
            (self._publishers[topic], output.make(answer, self._lut))
            for topic, output in self._outputs.items()
            if topic in wanted
        ]
        for publisher, message in messages:
            publisher.publish(message)
        if answer.frame is not None and answer.frame.is_keyframe_new:
            self._publishers[KEYFRAME_TOPIC].publish(_keyframe_header(answer.header, answer.frame))

    def publish_timings(self, milliseconds: Mapping[str, float | None]) -> None:
        """Publish the watched ones of `topics.TIMINGS`, by topic; None is not published."""
        for timing in topics.TIMINGS:
            value = milliseconds[timing.name]
            if value is not None and self._is_watched(timing.name):
                self._publishers[timing.name].publish(Float64(data=value))

    def announce_labels(self) -> None:
        """Publish the classes' names, kept for later subscribers, if vision_msgs is there."""
        if self._labels is not None:
            self._publishers[LABEL_INFO_TOPIC].publish(self._labels)

    def destroy(self) -> None:
        """Destroy the publishers."""
        while self._publishers:
            self._node.destroy_lifecycle_publisher(self._publishers.popitem()[1])

    def _is_watched(self, topic: str) -> bool:
        return bool(self._publishers[topic].get_subscription_count())

    def _create(self, message_type: type, name: str, profile: QoSProfile) -> None:
        topic = self._prefix + name
        if name.endswith(_COMPRESSED):  # image_transport's name for it, wherever the mask goes
            mask = self._node.resolve_topic_name(topic.removesuffix(_COMPRESSED))
            topic = self._node.resolve_topic_name(mask + _COMPRESSED)
        with qos.naming_bad_overrides(self._node, topic):
            self._publishers[name] = self._node.create_lifecycle_publisher(
                message_type,
                topic,
                profile,
                event_callbacks=qos.publisher_events(self._node, topic),
                qos_overriding_options=qos.overrides(),
            )


def _keyframe_header(header: Header, frame: Frame) -> Header:
    """Return the header of the frame's keyframe, which may be an earlier frame of its camera."""
    if frame.is_keyframe or frame.keyframe_stamp_ns is None:
        return header
    seconds, nanoseconds = divmod(frame.keyframe_stamp_ns, 1_000_000_000)
    return Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id=header.frame_id)


def offered_tasks(bundle: Bundle) -> frozenset[str]:
    """Return the tasks of the bundle that have outputs: depth only where it is metric."""
    is_relative = bundle.depth is not None and not bundle.depth.metric
    return frozenset(bundle.task_names) - ({"depth"} if is_relative else set())


def offered_topics(bundle: Bundle, settings: Settings) -> frozenset[str]:
    """Return the topics of `OUTPUTS` that there are with this bundle and these settings."""
    tasks = offered_tasks(bundle)
    offered = {output.topic for output in OUTPUTS if output.task in tasks}
    if settings.depth_encoding != "16UC1":
        offered.discard("depth/image_raw")
    return frozenset(offered)


def label_info(bundle: Bundle, stamp: Any) -> Any:
    """Return the classes as a vision_msgs/LabelInfo.

    None where the bundle has no classes or vision_msgs is not installed.
    """
    try:
        from vision_msgs.msg import LabelInfo, VisionClass
    except ImportError:
        return None
    if not bundle.labels:
        return None
    classes = [VisionClass(class_id=label.id, class_name=label.name) for label in bundle.labels]
    return LabelInfo(header=Header(stamp=stamp), class_map=classes, threshold=0.0)


def missing_outputs(bundle: Bundle) -> list[str]:
    """Return a sentence for each output that one might expect of the bundle but does not get."""
    sentences = []
    if bundle.labels and importlib.util.find_spec("vision_msgs") is None:
        sentences.append(
            f"The topic ~/{LABEL_INFO_TOPIC} is not offered because vision_msgs is not installed."
        )
    if bundle.depth is not None and "depth" not in offered_tasks(bundle):
        sentences.append(
            f"The topics ~/depth/* are not offered because the model {bundle.name} knows depth "
            "only up to a factor, not in metres."
        )
    return sentences
