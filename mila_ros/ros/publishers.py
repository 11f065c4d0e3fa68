# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The outputs of one camera: which there are, which are watched, and how each is made.

The outputs of a frame are published one right after the other, in the order of `OUTPUTS`, all
with the header of the input, so that consumers can match them by exact stamp. None is made
unless somebody subscribes to it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mila_ros.data.image_encodings import RgbImage
from mila_ros.errors import MilaError
from mila_ros.ros import qos
from mila_ros.ros.conversions import (
    camera_info_message,
    depth_message,
    mask_message,
    rgb_message,
)
from mila_ros.visualization import colorize_segmentation, overlay_segmentation, palette_lut

if TYPE_CHECKING:  # torch is imported when a model is loaded, not when the node starts
    from mila_ros.streaming import Bundle, Frame


@dataclass(frozen=True)
class Answer:
    """All that the outputs of one frame are made of.

    ``frame`` is None where no watched output needs the network, ``info`` where the camera has
    sent none.
    """

    header: Header
    info: CameraInfo | None
    rgb: RgbImage
    frame: Frame | None
    overlay_alpha: float


Make = Callable[[Answer, NDArray[Any]], Any]


@dataclass(frozen=True)
class Output:
    """A topic below the camera's, its type, the task that it belongs to and how it is made.

    ``make`` gets the colours of the classes too, and returns None where there is no such message
    for the frame. ``is_task_run`` is False where the message is there without the network.
    """

    topic: str
    type: type
    task: str
    make: Make
    is_task_run: bool = True


def _camera_info(answer: Answer, _: object) -> CameraInfo | None:
    if answer.info is None:
        return None
    height, width = answer.rgb.shape[:2]
    return camera_info_message(answer.info, answer.header, width, height)


def _map(field: str, to_message: Callable[[NDArray[Any], Header], Image]) -> Make:
    """A map of the frame as it is."""
    return lambda answer, _: to_message(getattr(answer.frame, field), answer.header)


def _color(answer: Answer, lut: NDArray[Any]) -> Image:
    return rgb_message(colorize_segmentation(answer.frame.segmentation, lut), answer.header)


def _overlay(answer: Answer, lut: NDArray[Any]) -> Image:
    mask = answer.frame.segmentation
    picture = overlay_segmentation(answer.rgb, mask, lut, answer.overlay_alpha)
    return rgb_message(picture, answer.header)


OUTPUTS = (
    Output("segmentation/camera_info", CameraInfo, "segmentation", _camera_info, is_task_run=False),
    Output("segmentation/mask", Image, "segmentation", _map("segmentation", mask_message)),
    Output("segmentation/confidence", Image, "segmentation", _map("confidence", mask_message)),
    Output("segmentation/color", Image, "segmentation", _color),
    Output("segmentation/overlay", Image, "segmentation", _overlay),
    Output("depth/camera_info", CameraInfo, "depth", _camera_info, is_task_run=False),
    Output("depth/image", Image, "depth", _map("depth", depth_message)),
    Output("motion/camera_info", CameraInfo, "motion", _camera_info, is_task_run=False),
    Output("motion/mask", Image, "motion", _map("motion", mask_message)),
)
KEYFRAME_TOPIC = "keyframe"
LABEL_INFO_TOPIC = "segmentation/label_info"


class CameraOutputs:
    """The lifecycle publishers of one camera.

    Args:
        node: creates and owns the publishers.
        prefix: of the topics, ``~/`` or ``~/NAME/``.
        bundle: has the tasks that are offered, and the colours. Depth is offered in metres only.

    Raises:
        MilaError: a QoS override that cannot be.
    """

    def __init__(self, node: LifecycleNode, prefix: str, bundle: Bundle) -> None:
        self._node = node
        self._prefix = prefix
        self._lut = palette_lut({label.id: label.color for label in bundle.labels})
        self._labels = label_info(bundle, node.get_clock().now().to_msg())
        tasks = offered_tasks(bundle)
        self._outputs = {output.topic: output for output in OUTPUTS if output.task in tasks}
        self._publishers: dict[str, Any] = {}
        try:
            for topic, output in self._outputs.items():
                self._create(output.type, topic, qos.output_qos())
            self._create(Header, KEYFRAME_TOPIC, qos.output_qos())
            if self._labels is not None:
                self._create(type(self._labels), LABEL_INFO_TOPIC, qos.latched_qos())
        except MilaError:
            self.destroy()
            raise

    def watched(self) -> frozenset[str]:
        """Return the topics of `OUTPUTS` that somebody subscribes to."""
        return frozenset(
            topic for topic in self._outputs if self._publishers[topic].get_subscription_count() > 0
        )

    def tasks(self, watched: frozenset[str]) -> frozenset[str]:
        """Return the tasks that the network has to run for these topics."""
        outputs = (self._outputs[topic] for topic in watched)
        return frozenset(output.task for output in outputs if output.is_task_run)

    def publish(self, watched: frozenset[str], answer: Answer) -> None:
        """Make and publish the watched outputs; then the keyframe topic, if it was one."""
        messages = [
            (self._publishers[topic], output.make(answer, self._lut))
            for topic, output in self._outputs.items()
            if topic in watched
        ]
        for publisher, message in messages:
            if message is not None:
                publisher.publish(message)
        if answer.frame is not None and answer.frame.is_keyframe:
            self._publishers[KEYFRAME_TOPIC].publish(answer.header)

    def announce_labels(self) -> None:
        """Publish the classes' names, kept for later subscribers, if vision_msgs is there."""
        if self._labels is not None:
            self._publishers[LABEL_INFO_TOPIC].publish(self._labels)

    def destroy(self) -> None:
        """Destroy the publishers."""
        while self._publishers:
            self._node.destroy_lifecycle_publisher(self._publishers.popitem()[1])

    def _create(self, message_type: type, name: str, profile: QoSProfile) -> None:
        topic = self._prefix + name
        with qos.naming_bad_overrides(self._node, topic):
            self._publishers[name] = self._node.create_lifecycle_publisher(
                message_type,
                topic,
                profile,
                event_callbacks=qos.publisher_events(self._node, topic),
                qos_overriding_options=qos.overrides(),
            )


def offered_tasks(bundle: Bundle) -> frozenset[str]:
    """Return the tasks of the bundle that have outputs: depth only where it is metric."""
    is_relative = bundle.depth is not None and not bundle.depth.metric
    return frozenset(bundle.task_names) - ({"depth"} if is_relative else set())


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
