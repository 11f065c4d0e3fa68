# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A clip folder as a bag: a camera's topics, its labels, and its depth as a LiDAR would say it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.bag_messages import (
    DEPTH,
    IMAGE,
    INFO,
    LABEL_INFO,
    MASK,
    MOTION,
    POINTS,
    START_NS,
    TF_STATIC,
    MessageFactory,
)
from mila_ros.data.bags import BagWriter
from mila_ros.data.clip_folder import ClipError, ClipFolder
from mila_ros.data.frames import Calibration, SourceError
from mila_ros.data.point_clouds import back_project
from mila_ros.data.unfinished import unfinished

LIDAR_FRAME = "lidar"
LIDAR_IN_CAMERA = ((0.5, -0.5, 0.5, 0.5), (0.0, 0.0, 0.0))
"""Quaternion and translation of the LiDAR: in the camera's place, x forward, y left, z up."""

_DEFAULT_FPS = 10.0


def write_clip_bag(
    clip: ClipFolder, path: Path, *, is_compressed: bool = False, has_points: bool = False
) -> Iterator[int]:
    """Write the clip as a rosbag2 folder (MCAP), frame by frame.

    Args:
        clip: One without a frame rate is written at 10 Hz.
        path: The bag; must not exist. It appears there when it is complete.
        is_compressed: Images as the JPEG or PNG files that they are, else as rgb8.
        has_points: Depth also as a PointCloud2 of the frame ``lidar``, with its ``/tf_static``.

    Yields:
        The number of each frame once it is written.

    Raises:
        SourceError: The bag cannot be written.
        ClipError: A file of the clip cannot be used; points, but no depth or no K.
    """
    if has_points and (clip.intrinsics is None or clip.metres_per_unit is None):
        raise ClipError(f"{clip.path} has no K or no depth, of which points could be made")
    try:
        # Files in a bag bear its name, so it must have it from the beginning.
        with unfinished(path) as bag:
            yield from _write(clip, bag, is_compressed, has_points)
            bag.rename(path)
    except OSError as error:
        raise SourceError(f"the bag {path} cannot be written: {error.strerror or error}") from error


def _write(clip: ClipFolder, path: Path, is_compressed: bool, has_points: bool) -> Iterator[int]:
    factory = MessageFactory()
    period_ns = 1e9 / (clip.fps or _DEFAULT_FPS)
    with BagWriter(path) as writer:
        for topic, type_name in _topics(clip, is_compressed, has_points).items():
            writer.add_topic(topic, type_name, is_latched=topic in (TF_STATIC, LABEL_INFO))
        header = factory.header(START_NS, clip.frame_id)
        if clip.classes:
            names = factory.label_info(header, clip.classes)
            writer.write(LABEL_INFO, START_NS, factory.serialized(names))
        if has_points:
            placed = factory.static_transform(header, LIDAR_FRAME, *LIDAR_IN_CAMERA)
            writer.write(TF_STATIC, START_NS, factory.serialized(placed))
        for index in range(len(clip)):
            stamp_ns = START_NS + round(index * period_ns)
            for topic, message in _messages(
                factory, clip, index, stamp_ns, is_compressed, has_points
            ):
                writer.write(topic, stamp_ns, factory.serialized(message))
            yield index


def to_lidar(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points of the camera's optical frame in the frame ``lidar``, both [N, 3]."""
    return np.stack([points[:, 2], -points[:, 0], -points[:, 1]], axis=-1)


def _image_topic(is_compressed: bool) -> str:
    return f"{IMAGE}/compressed" if is_compressed else IMAGE


def _topics(clip: ClipFolder, is_compressed: bool, has_points: bool) -> dict[str, str]:
    image = "sensor_msgs/msg/Image"
    topics = {_image_topic(is_compressed): "sensor_msgs/msg/CompressedImage"}
    if not is_compressed:
        topics = {IMAGE: image}
    if clip.intrinsics is not None:
        topics[INFO] = "sensor_msgs/msg/CameraInfo"
    for folder, topic in (("label", MASK), ("depth", DEPTH), ("motion", MOTION)):
        if (clip.path / folder).is_dir():
            topics[topic] = image
    if clip.classes:
        topics[LABEL_INFO] = "vision_msgs/msg/LabelInfo"
    if has_points:
        topics |= {POINTS: "sensor_msgs/msg/PointCloud2", TF_STATIC: "tf2_msgs/msg/TFMessage"}
    return topics


def _messages(
    factory: MessageFactory,
    clip: ClipFolder,
    index: int,
    stamp_ns: int,
    is_compressed: bool,
    has_points: bool,
) -> Iterator[tuple[str, Any]]:
    """The messages of a frame, the calibration before its image and the truth behind it."""
    header = factory.header(stamp_ns, clip.frame_id)
    if clip.intrinsics is not None:
        camera = Calibration.pinhole(clip.width, clip.height, clip.intrinsics)
        yield INFO, factory.camera_info(header, camera)
    if is_compressed:
        yield _image_topic(True), factory.compressed_image(header, clip.encoded(index))
    else:
        yield IMAGE, factory.image(header, "rgb8", clip.image(index))
    label, depth, motion = clip.label(index), clip.depth(index), clip.motion(index)
    if label is not None:
        yield MASK, factory.image(header, "mono8", label)
    if motion is not None:
        yield MOTION, factory.image(header, "mono8", motion)
    if depth is None:
        return
    yield DEPTH, factory.image(header, "32FC1", depth)
    if has_points:
        assert clip.intrinsics is not None
        points = to_lidar(back_project(depth, clip.intrinsics))
        yield POINTS, factory.point_cloud(factory.header(stamp_ns, LIDAR_FRAME), points)
