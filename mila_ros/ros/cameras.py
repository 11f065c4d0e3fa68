# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera of the node, and what travels from its callback to the worker."""

from __future__ import annotations

from dataclasses import dataclass

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mila_ros.data.image_encodings import ImageError
from mila_ros.ros.camera_statistics import CameraStatistics
from mila_ros.ros.conversions import check_message
from mila_ros.ros.parameters import Settings
from mila_ros.ros.publishers import CameraOutputs

UNNAMED = "camera"
"""What the single camera without a name is called in diagnostics."""


@dataclass
class Camera:
    """A camera's topics, publishers and accounts, and the calibration that came last."""

    info_topic: str
    outputs: CameraOutputs
    statistics: CameraStatistics
    info: CameraInfo | None = None

    def restart(self) -> None:
        """Forget what belongs to a time of being active; the calibration is the camera's."""
        self.statistics.restart()

    def set_info(self, info: CameraInfo) -> None:
        """Keep the calibration for the images to come."""
        self.info = info


@dataclass(frozen=True)
class Incoming:
    """A message that passed the checks, and what held when it came."""

    message: Image | CompressedImage
    info: CameraInfo | None
    settings: Settings

    @property
    def stamp_ns(self) -> int:
        """The header's stamp in nanoseconds; 0 is none."""
        return nanoseconds(self.message)

    @property
    def encoding(self) -> str:
        """What the message says that its data is: 'bgr8', 'jpeg'."""
        return self.message.encoding if isinstance(self.message, Image) else self.message.format


def nanoseconds(message: Image | CompressedImage | CameraInfo) -> int:
    """Return the stamp of the message's header in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec * 1_000_000_000 + stamp.nanosec)


def check_incoming(message: Image | CompressedImage, max_pixels: int) -> None:
    """Raise ImageError, as in `check_message`, or with ``negative_stamp``; decodes nothing."""
    check_message(message, max_pixels)
    if message.header.stamp.sec < 0:
        seconds = message.header.stamp.sec
        raise ImageError("negative_stamp", f"The stamp lies before 1970: {seconds} s.")


def describe_format(message: Image | CompressedImage) -> str:
    """Return encoding and size in words, the size where it is not hidden in the data."""
    if isinstance(message, Image):
        return f"{message.encoding} {message.width}x{message.height}"
    return message.format
