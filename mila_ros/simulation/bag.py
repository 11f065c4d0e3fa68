# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated clip as a bag: a camera's topics, and the truth as the perception node says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.bag_messages import (
    DEPTH,
    IMAGE,
    INFO,
    MASK,
    MOTION,
    POSE,
    START_NS,
    MessageFactory,
)
from mila_ros.data.bags import BagWriter
from mila_ros.data.frames import Calibration
from mila_ros.simulation.engine import mujoco
from mila_ros.simulation.recipe import Recipe
from mila_ros.simulation.simulator import SimulatedFrame
from mila_ros.simulation.taxonomy import WORLDS, lookup_table, own_taxonomy

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


def write_bag(recipe: Recipe, seed: int, path: Path) -> None:
    """Simulate a clip into a rosbag2 folder (MCAP); all messages of a frame share its stamp.

    Raises:
        SourceError: It cannot be written, or ``rosbags`` is missing.
        SimulationError: It cannot be rendered.
    """
    table = lookup_table(own_taxonomy(recipe.world), WORLDS[recipe.world][recipe.classes])
    factory = MessageFactory()
    with recipe.simulator(seed) as simulator, BagWriter(path) as writer:
        for topic, type_name in TOPICS.items():
            writer.add_topic(topic, type_name)
        camera = Calibration.pinhole(recipe.width, recipe.height, simulator.opencv_intrinsics)
        for frame in simulator.frames(recipe.frames):
            stamp_ns = START_NS + round(frame.index * 1e9 / recipe.fps)
            for topic, message in _messages(factory, frame, stamp_ns, table, camera).items():
                writer.write(topic, stamp_ns, factory.serialized(message))


def _messages(
    factory: MessageFactory,
    frame: SimulatedFrame,
    stamp_ns: int,
    table: NDArray[np.uint8],
    camera: Calibration,
) -> dict[str, Any]:
    """The messages of a frame by topic."""
    header = factory.header(stamp_ns, _CAMERA_FRAME)
    labels = frame.labels
    return {
        IMAGE: factory.image(header, "rgb8", frame.image),
        INFO: factory.camera_info(header, camera),
        MASK: factory.image(header, "mono8", table[labels.label]),
        DEPTH: factory.image(header, "32FC1", labels.depth),
        MOTION: factory.image(header, "mono8", labels.motion.astype(np.uint8) * 255),
        POSE: _pose(factory, stamp_ns, frame.pose.camera),
    }


def _pose(factory: MessageFactory, stamp_ns: int, pose: NDArray[np.float64]) -> Any:
    turn = np.zeros(4)
    mujoco.mju_mat2Quat(turn, pose[:3, :3].ravel())
    w, x, y, z = (float(value) for value in turn)
    px, py, pz = (float(value) for value in pose[:3, 3])
    return factory.new(
        "geometry_msgs/msg/PoseStamped",
        header=factory.header(stamp_ns, _WORLD_FRAME),
        pose=factory.new(
            "geometry_msgs/msg/Pose",
            position=factory.new("geometry_msgs/msg/Point", x=px, y=py, z=pz),
            orientation=factory.new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        ),
    )
