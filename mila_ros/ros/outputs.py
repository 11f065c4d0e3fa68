# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The outputs of a frame: how the message of each topic is made."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from mila_ros.data.image_encodings import RgbImage
from mila_ros.ros.conversions import (
    camera_info_message,
    depth_message,
    mask_message,
    millimetre_message,
    png_message,
    rgb_message,
    vectors_message,
)
from mila_ros.ros.geometry import Pinhole, points_message
from mila_ros.ros.parameters import Settings
from mila_ros.ros.topics import FRAME_OUTPUTS
from mila_ros.visualization import colorize_segmentation, overlay_segmentation

if TYPE_CHECKING:  # torch is imported when a model is loaded, not when the node starts
    from mila_ros.streaming import Frame


@dataclass(frozen=True)
class Answer:
    """All that the outputs of one frame are made of.

    ``frame`` is None where no output needs the network, ``info`` where the camera has sent none,
    ``pinhole`` where neither it nor the parameters tell the focal length; what needs one of them
    is then not asked for, see `Output.lacks_calibration`.
    """

    header: Header
    info: CameraInfo | None
    pinhole: Pinhole | None
    rgb: RgbImage
    frame: Frame | None
    settings: Settings


Make = Callable[[Answer, NDArray[Any]], Any]


@dataclass(frozen=True)
class Output:
    """A topic below the camera's, its message type, its task, and how its message is made.

    ``make`` gets the colours of the classes too. ``is_task_run`` is False where the message is
    there without the network.
    """

    topic: str
    type: type
    task: str
    make: Make
    is_task_run: bool

    def lacks_calibration(self, info: CameraInfo | None, camera: Pinhole | None) -> bool:
        """Whether there can be no message because the calibration is missing, or empty."""
        if self.type is CameraInfo:
            return info is None
        return self.type is PointCloud2 and camera is None


def message_type(name: str) -> type:
    """Return the class of a type as `topics` names it, ``sensor_msgs/Image``.

    Raises:
        ImportError: its package is not installed.
    """
    package, _, type_name = name.partition("/")
    kind: type = getattr(importlib.import_module(f"{package}.msg"), type_name)
    return kind


def _camera_info(answer: Answer, _: object) -> CameraInfo:
    height, width = answer.rgb.shape[:2]
    return camera_info_message(answer.info, answer.header, width, height)


def _map(field: str, to_message: Callable[[NDArray[Any], Header], Image | CompressedImage]) -> Make:
    """A map of the frame as it is."""
    return lambda answer, _: to_message(getattr(answer.frame, field), answer.header)


def _color(answer: Answer, lut: NDArray[Any]) -> Image:
    return rgb_message(colorize_segmentation(answer.frame.segmentation, lut), answer.header)


def _overlay(answer: Answer, lut: NDArray[Any]) -> Image:
    mask, alpha = answer.frame.segmentation, answer.settings.segmentation_overlay_alpha
    return rgb_message(overlay_segmentation(answer.rgb, mask, lut, alpha), answer.header)


def _points(answer: Answer, _: object) -> PointCloud2:
    stride = answer.settings.depth_points_stride
    return points_message(answer.frame.depth, answer.rgb, answer.pinhole, stride, answer.header)


_MAKE: dict[str, Make] = {
    "segmentation/camera_info": _camera_info,
    "segmentation/mask": _map("segmentation", mask_message),
    "segmentation/mask/compressed": _map("segmentation", png_message),
    "segmentation/confidence": _map("confidence", mask_message),
    "segmentation/color": _color,
    "segmentation/overlay": _overlay,
    "depth/camera_info": _camera_info,
    "depth/image": _map("depth", depth_message),
    "depth/image_raw": _map("depth", millimetre_message),
    "depth/points": _points,
    "motion/camera_info": _camera_info,
    "motion/mask": _map("motion", mask_message),
    "motion/mask/compressed": _map("motion", png_message),
    "normals/camera_info": _camera_info,
    "normals/image": _map("normals", vectors_message),
    "edges/camera_info": _camera_info,
    "edges/image": _map("edges", mask_message),
    "saliency/camera_info": _camera_info,
    "saliency/mask": _map("saliency", mask_message),
    "human_parts/camera_info": _camera_info,
    "human_parts/mask": _map("human_parts", mask_message),
    "human_parts/mask/compressed": _map("human_parts", png_message),
}

OUTPUTS = tuple(
    Output(
        topic.name,
        message_type(topic.type),
        topic.task,
        _MAKE[topic.name],
        is_task_run=_MAKE[topic.name] is not _camera_info,
    )
    for topic in FRAME_OUTPUTS
)
"""In the order in which they are published."""
