# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags, read and written without ROS: rosbag2 (sqlite3, MCAP) and, to read, ROS 1.

Reading and writing is the ``rosbags`` package's work; it is imported when a bag is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from mila_ros import __version__
from mila_ros.data.compressed_images import compressed_to_rgb
from mila_ros.data.frames import Calibration, SourceError, SourceFrame
from mila_ros.data.image_encodings import ImageError, image_to_rgb

_IMAGE = "sensor_msgs/msg/Image"
_COMPRESSED = "sensor_msgs/msg/CompressedImage"
_BAG_SUFFIXES = (".bag", ".mcap", ".db3")
# The last metadata version that Humble reads too: 9 has QoS as a list, where Humble wants a text.
_METADATA_VERSION = 8


def is_bag(path: Path) -> bool:
    """Whether the path looks like a bag: a rosbag2 folder, or a file with a bag's suffix."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file()
    return path.suffix in _BAG_SUFFIXES


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
        with _reader(path) as reader:
            self.topic = _choose_topic(path, _image_topics(reader), topic)
            self.frame_id = _first(reader, self.topic).header.frame_id
            self.calibration = _calibration(reader, self.topic)
        self.name = f"bag {path}, topic {self.topic}"

    def __iter__(self) -> Iterator[SourceFrame]:
        with _reader(self.path) as reader:
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


class BagWriter:
    """Writes serialised messages to a new rosbag2 folder in the MCAP format.

    The file holds every type's definition, so that any reader can decode it.

    Args:
        path: The folder; must not exist.

    Raises:
        SourceError: It exists, or cannot be made.
    """

    def __init__(self, path: str | Path) -> None:
        rosbag2 = _import("rosbags.rosbag2")
        self._typestore = _typestore()
        self._connections: dict[str, Any] = {}
        try:
            self._writer = rosbag2.Writer(
                path, version=_METADATA_VERSION, storage_plugin=rosbag2.StoragePlugin.MCAP
            )
            self._writer.set_custom_data("recorder", f"mila_ros {__version__}")
            self._writer.open()
        except (rosbag2.WriterError, OSError) as error:
            raise SourceError(f"the bag {path} cannot be written: {error}") from error

    def add_topic(self, topic: str, type_name: str) -> None:
        """Declare a topic with its type, such as ``sensor_msgs/msg/Image``."""
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, typestore=self._typestore
        )

    def write(self, topic: str, time_ns: int, data: bytes) -> None:
        """Append a message, serialised as CDR, with the time at which it was received."""
        self._writer.write(self._connections[topic], time_ns, data)

    def serialize(self, message: Any) -> bytes:
        """A message of `rosbags` as CDR."""
        return bytes(self._typestore.serialize_cdr(message, message.__msgtype__))

    def close(self) -> None:
        """Write the index and the metadata; without this the bag is not readable."""
        self._writer.close()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _import(module: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SourceError(
            "bags are read and written by the rosbags package, which is not installed; "
            "run: pip install rosbags"
        ) from error


def _typestore() -> Any:
    """The message definitions of the ROS distribution that is sourced, else those of Jazzy."""
    typesys = _import("rosbags.typesys")
    name = f"ROS2_{os.environ.get('ROS_DISTRO', '').upper()}"
    return typesys.get_typestore(getattr(typesys.Stores, name, typesys.Stores.ROS2_JAZZY))


@contextmanager
def _reader(path: Path) -> Iterator[Any]:
    """An open reader of a bag of any kind."""
    highlevel = _import("rosbags.highlevel")
    try:
        with highlevel.AnyReader([path], default_typestore=_typestore()) as reader:
            yield reader
    except SourceError:
        raise
    except Exception as error:  # a damaged bag raises anything from struct, sqlite, yaml, zstd …
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SourceError(f"the bag {path} cannot be read: {reason}") from error


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
        tuple(np.asarray(getattr(message, name, getattr(message, name.upper(), ()))).tolist())
        for name in "dkrp"
    )
    return Calibration(message.width, message.height, k, p, r, d, message.distortion_model)
