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
# Not among the types that come with rosbags.
_MORE_TYPES = {
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name\n",
    "vision_msgs/msg/LabelInfo": (
        "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n"
    ),
}


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
        self._typestore = typestore()
        self._connections: dict[str, Any] = {}
        try:
            self._writer = rosbag2.Writer(
                path, version=_METADATA_VERSION, storage_plugin=rosbag2.StoragePlugin.MCAP
            )
            self._writer.set_custom_data("recorder", f"mila_ros {__version__}")
            self._writer.open()
        except (rosbag2.WriterError, OSError) as error:
            raise SourceError(f"the bag {path} cannot be written: {error}") from error

    def add_topic(self, topic: str, type_name: str, *, is_latched: bool = False) -> None:
        """Declare a topic with its type, such as ``sensor_msgs/msg/Image``.

        A latched one is played back for subscribers that come later too (``/tf_static``).
        """
        self._connections[topic] = self._writer.add_connection(
            topic,
            type_name,
            typestore=self._typestore,
            offered_qos_profiles=(_latched_qos(),) if is_latched else (),
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


def _latched_qos() -> Any:
    """Reliable, transient local, the last message; no deadline, lifespan or lease."""
    qos = _import("rosbags.interfaces")
    never = qos.QosTime(0x7FFFFFFF, 0xFFFFFFFF)
    return qos.Qos(
        history=qos.QosHistory.KEEP_LAST,
        depth=1,
        reliability=qos.QosReliability.RELIABLE,
        durability=qos.QosDurability.TRANSIENT_LOCAL,
        deadline=never,
        lifespan=never,
        liveliness=qos.QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=never,
        avoid_ros_namespace_conventions=False,
    )


def _import(module: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SourceError(
            "bags are read and written by the rosbags package, which is not installed; "
            "run: pip install rosbags"
        ) from error


def typestore() -> Any:
    """The message definitions of the ROS distribution that is sourced, else those of Jazzy.

    Raises:
        SourceError: ``rosbags`` is not installed.
    """
    typesys = _import("rosbags.typesys")
    name = f"ROS2_{os.environ.get('ROS_DISTRO', '').upper()}"
    store = typesys.get_typestore(getattr(typesys.Stores, name, typesys.Stores.ROS2_JAZZY))
    for type_name, definition in _MORE_TYPES.items():
        if type_name not in store.types:
            store.register(typesys.get_types_from_msg(definition, type_name))
    return store


@contextmanager
def open_bag(path: Path) -> Iterator[Any]:
    """An open ``rosbags.highlevel.AnyReader`` of a bag of any kind.

    Raises:
        SourceError: Not a bag, or a damaged one, also where that shows while it is read.
    """
    highlevel = _import("rosbags.highlevel")
    try:
        with highlevel.AnyReader([path], default_typestore=typestore()) as reader:
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
