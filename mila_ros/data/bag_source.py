# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images of a bag's topic, with the calibration beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.bags import open_bag
from mila_ros.data.compressed_images import compressed_to_rgb
from mila_ros.data.frames import Calibration, SourceError, SourceFrame
from mila_ros.data.image_encodings import ImageError, image_to_rgb

_IMAGE = "sensor_msgs/msg/Image"
_COMPRESSED = "sensor_msgs/msg/CompressedImage"


class BagSource:
    """The images of one topic of a bag, with its calibration.

    Frames are due at the times at which they were recorded, or at a fixed rate; their stamps
    are those of their headers, or the time of recording where a header has none.

    Args:
        path: The bag.
        topic: An Image or CompressedImage topic; empty takes the only one.
        rate_hz: A fixed rate, None keeps the recorded times.

    Raises:
        SourceError: Not a bag, or no or more than one topic to choose.
    """

    is_live = False
    note = ""

    def __init__(self, path: Path, topic: str, rate_hz: float | None) -> None:
        self.path, self.rate_hz = path, rate_hz
        with open_bag(path) as reader:
            self.topic = _choose_topic(path, _image_topics(reader), topic)
            self.frame_id = _first(reader, self.topic).header.frame_id
            self.calibration = _calibration(reader, self.topic)
        self.name = f"bag {path}, topic {self.topic}"

    def __iter__(self) -> Iterator[SourceFrame]:
        with open_bag(self.path) as reader:
            connections = reader.topics[self.topic].connections
            first_ns: int | None = None
            for index, (connection, at_ns, data) in enumerate(reader.messages(connections)):
                message = reader.deserialize(data, connection.msgtype)
                first_ns = at_ns if first_ns is None else first_ns
                time_ns = round(index * 1e9 / self.rate_hz) if self.rate_hz else at_ns - first_ns
                stamp = message.header.stamp
                stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec or at_ns
                yield self._frame(index, time_ns, stamp_ns, message, connection.msgtype)

    def _frame(
        self, index: int, time_ns: int, stamp_ns: int, message: Any, type_name: str
    ) -> SourceFrame:
        origin = f"message {index} of topic {self.topic} in {self.path}"
        try:
            if type_name == _IMAGE:
                rgb = image_to_rgb(message)
                return SourceFrame(index, time_ns, stamp_ns, origin, pixels=rgb)
            if "compressed rgb" in message.format:
                # Not what it says as a file: the channels are swapped.
                rgb = compressed_to_rgb(message)
                return SourceFrame(index, time_ns, stamp_ns, origin, pixels=rgb)
        except ImageError as error:
            raise SourceError(f"{origin} cannot be read. {error}") from error
        return SourceFrame(index, time_ns, stamp_ns, origin, encoded=message.data.tobytes())


def _image_topics(reader: Any) -> dict[str, int]:
    """Messages by topic, for the topics that have images."""
    return {
        topic: info.msgcount
        for topic, info in reader.topics.items()
        if info.msgtype in (_IMAGE, _COMPRESSED) and info.msgcount
    }


def _choose_topic(path: Path, found: dict[str, int], wanted: str) -> str:
    named = ", ".join(f"{topic} ({count})" for topic, count in sorted(found.items()))
    if not found:
        raise SourceError(f"the bag {path} has no messages of sensor_msgs Image or CompressedImage")
    if wanted:
        if wanted not in found:
            raise SourceError(f"the bag {path} has no image topic {wanted}; it has {named}")
        return wanted
    if len(found) > 1:
        raise SourceError(f"the bag {path} has several image topics; name one of {named}")
    return next(iter(found))


def _first(reader: Any, topic: str) -> Any:
    connection, _, data = next(reader.messages(reader.topics[topic].connections))
    return reader.deserialize(data, connection.msgtype)


def _calibration(reader: Any, topic: str) -> Calibration | None:
    """The first message of the camera_info topic next to the image topic."""
    info_topic = topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
    info = reader.topics.get(info_topic)
    if info is None or info.msgtype != "sensor_msgs/msg/CameraInfo" or not info.msgcount:
        return None
    message = _first(reader, info_topic)
    # ROS 1 has the matrices' names in capitals.
    d, k, r, p = (
        np.asarray(getattr(message, name, getattr(message, name.upper(), ()))) for name in "dkrp"
    )
    # Size and matrices are those of the whole sensor; the images are of a part of it, or coarser.
    roi, binning = message.roi, (max(message.binning_x, 1), max(message.binning_y, 1))
    width, height = roi.width or message.width, roi.height or message.height
    k, p = (_of_part(matrix, (roi.x_offset, roi.y_offset), binning) for matrix in (k, p))
    return Calibration(
        width // binning[0], height // binning[1], k, p, tuple(r.tolist()), tuple(d.tolist()),
        message.distortion_model,
    )  # fmt: skip


def _of_part(
    matrix: NDArray[np.float64], offset: tuple[int, int], binning: tuple[int, int]
) -> tuple[float, ...]:
    """K or P of the image that begins at the offset, with so many pixels made one."""
    rows = matrix.reshape(3, -1).copy()
    rows[:2, 2] -= offset
    rows[:2] /= np.array(binning)[:, None]
    return tuple(rows.ravel().tolist())
