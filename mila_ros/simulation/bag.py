# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated clip as a bag: a camera's topics, and the truth as the perception node says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.bags import BagWriter
from mila_ros.simulation.dataset import Recipe
from mila_ros.simulation.engine import SimulationError, mujoco
from mila_ros.simulation.simulator import SimulatedFrame
from mila_ros.simulation.taxonomy import WORLDS, lookup_table, own_taxonomy

IMAGE, INFO = "/camera/image_raw", "/camera/camera_info"
MASK, DEPTH = "/ground_truth/segmentation/mask", "/ground_truth/depth/image"
MOTION, POSE = "/ground_truth/motion/mask", "/ground_truth/camera_pose"
TOPICS = {
    IMAGE: "sensor_msgs/msg/Image",
    INFO: "sensor_msgs/msg/CameraInfo",
    MASK: "sensor_msgs/msg/Image",
    DEPTH: "sensor_msgs/msg/Image",
    MOTION: "sensor_msgs/msg/Image",
    POSE: "geometry_msgs/msg/PoseStamped",
}
"""All topics with their types. Depth is in metres, +inf in the sky; motion is 0 or 255."""

_CAMERA_FRAME, _WORLD_FRAME = "camera_optical", "map"
# A stamp of 0 means "not set" to ROS.
_START_NS = 1_000_000_000


def write_bag(recipe: Recipe, seed: int, path: Path) -> None:
    """Simulate a clip into a rosbag2 folder (MCAP); all messages of a frame share its stamp.

    Raises:
        SourceError: It cannot be written.
        SimulationError: It cannot be rendered, or ``rosbags`` is missing.
    """
    table = lookup_table(own_taxonomy(recipe.world), WORLDS[recipe.world][recipe.classes])
    messages = _Messages()
    with recipe.simulator(seed) as simulator, BagWriter(path) as writer:
        for topic, type_name in TOPICS.items():
            writer.add_topic(topic, type_name)
        intrinsics = simulator.opencv_intrinsics
        for frame in simulator.frames(recipe.frames):
            stamp_ns = _START_NS + round(frame.index * 1e9 / recipe.fps)
            for topic, message in messages.of(frame, stamp_ns, table, intrinsics).items():
                writer.write(topic, stamp_ns, messages.serialized(message))


class _Messages:
    """Makes messages without ROS."""

    def __init__(self) -> None:
        try:
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise SimulationError(
                "bags are written by the rosbags package, which is not installed; "
                "run: pip install rosbags"
            ) from error
        self._store = get_typestore(Stores.ROS2_JAZZY)

    def of(
        self,
        frame: SimulatedFrame,
        stamp_ns: int,
        table: NDArray[np.uint8],
        intrinsics: NDArray[np.float64],
    ) -> dict[str, Any]:
        """The messages of a frame by topic."""
        header = self._header(stamp_ns, _CAMERA_FRAME)
        labels = frame.labels
        return {
            IMAGE: self._image(header, "rgb8", frame.image),
            INFO: self._info(header, frame.image.shape, intrinsics),
            MASK: self._image(header, "mono8", table[labels.label]),
            DEPTH: self._image(header, "32FC1", labels.depth),
            MOTION: self._image(header, "mono8", labels.motion.astype(np.uint8) * 255),
            POSE: self._pose(stamp_ns, frame.pose.camera),
        }

    def serialized(self, message: Any) -> bytes:
        """A message as CDR."""
        return bytes(self._store.serialize_cdr(message, message.__msgtype__))

    def _new(self, type_name: str, **fields: Any) -> Any:
        return self._store.types[type_name](**fields)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        stamp = self._new("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
        return self._new("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def _image(self, header: Any, encoding: str, pixels: NDArray[Any]) -> Any:
        height, width = pixels.shape[:2]
        data = np.ascontiguousarray(pixels).view(np.uint8).ravel()
        return self._new(
            "sensor_msgs/msg/Image", header=header, height=height, width=width, encoding=encoding,
            is_bigendian=0, step=data.size // height, data=data,
        )  # fmt: skip

    def _info(self, header: Any, shape: tuple[int, ...], k: NDArray[np.float64]) -> Any:
        roi = self._new(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False,
        )  # fmt: skip
        return self._new(
            "sensor_msgs/msg/CameraInfo", header=header, height=shape[0], width=shape[1],
            distortion_model="plumb_bob", d=np.zeros(5), k=k.ravel(), r=np.eye(3).ravel(),
            p=np.c_[k, np.zeros(3)].ravel(), binning_x=0, binning_y=0, roi=roi,
        )  # fmt: skip

    def _pose(self, stamp_ns: int, pose: NDArray[np.float64]) -> Any:
        turn = np.zeros(4)
        mujoco.mju_mat2Quat(turn, pose[:3, :3].ravel())
        w, x, y, z = (float(value) for value in turn)
        px, py, pz = (float(value) for value in pose[:3, 3])
        return self._new(
            "geometry_msgs/msg/PoseStamped",
            header=self._header(stamp_ns, _WORLD_FRAME),
            pose=self._new(
                "geometry_msgs/msg/Pose",
                position=self._new("geometry_msgs/msg/Point", x=px, y=py, z=pz),
                orientation=self._new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
            ),
        )
