# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags, read and written without ROS: rosbag2 (sqlite3, MCAP) and, to read, ROS 1.

Reading and writing is the ``rosbags`` package's work; it is imported when a bag is opened. The
images of a bag are in `bag_source`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from mila_ros import __version__
from mila_ros.data.frames import SourceError

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
