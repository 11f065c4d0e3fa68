# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node, the live evaluation and the offline one see through the same camera.

A cloud that the node makes of a depth image, taken for a LiDAR's, must project to that very image,
whatever the calibration says about rectification, binning, a region of interest or another size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_msgs.msg import Header

from mila_ros.data.bag_messages import IMAGE, INFO, POINTS
from mila_ros.data.bags import BagWriter
from mila_ros.data.transforms import StaticTransforms
from mila_ros.evaluation.bag_sources import open_bag_source
from mila_ros.ros.conversions import camera_info_message, rgb_message
from mila_ros.ros.evaluation_scoring import Lidar
from mila_ros.ros.geometry import pinhole, points_message

WIDTH, HEIGHT = 24, 16
HEADER = Header(frame_id="eye")
HEADER.stamp.sec = 7


def info(width: int = WIDTH, height: int = HEIGHT, **fields: Any) -> CameraInfo:
    """Of a raw image whose K is not the P of the rectified one."""
    message = CameraInfo(header=HEADER, width=width, height=height, distortion_model="plumb_bob")
    message.d = [-0.3, 0.1, 0.0, 0.0, 0.0]
    message.k = [30.0, 0.0, 13.0, 0.0, 31.0, 7.0, 0.0, 0.0, 1.0]
    message.p = [25.0, 0.0, 11.5, 0.0, 0.0, 26.0, 8.25, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def part(**numbers: int) -> CameraInfo:
    """Of a sensor of 60x40, of which the image is a part, or all in coarser pixels."""
    message = info(60, 40, binning_x=numbers.pop("binning", 0))
    message.binning_y = message.binning_x
    for name, number in numbers.items():
        setattr(message.roi, name, number)
    return message


CALIBRATIONS = {
    "P is not K": (info(), (25.0, 26.0, 11.5, 8.25)),
    "P is empty": (info(p=[0.0] * 12), (30.0, 31.0, 13.0, 7.0)),
    "twice the size": (info(2 * WIDTH, 2 * HEIGHT), (12.5, 13.0, 5.75, 4.125)),
    "another shape": (info(2 * WIDTH, HEIGHT), (12.5, 26.0, 5.75, 8.25)),
    "a region": (part(x_offset=6, y_offset=4, width=24, height=16), (25.0, 26.0, 5.5, 4.25)),
    "binning": (info(2 * WIDTH, 2 * HEIGHT, binning_x=2, binning_y=2), (12.5, 13.0, 5.75, 4.125)),
    "a region, binned": (
        part(x_offset=2, y_offset=4, width=48, height=32, binning=2),
        (12.5, 13.0, 4.75, 2.125),
    ),
    "a region, resized": (
        part(x_offset=2, y_offset=4, width=48, height=32),
        (12.5, 13.0, 4.75, 2.125),
    ),
}


def bag_of(path: Path, message: CameraInfo, cloud: PointCloud2) -> Path:
    image = rgb_message(np.zeros((HEIGHT, WIDTH, 3), np.uint8), HEADER)
    with BagWriter(path) as bag:
        for topic, content in ((INFO, message), (IMAGE, image), (POINTS, cloud)):
            bag.add_topic(topic, f"sensor_msgs/msg/{type(content).__name__}")
            bag.write(topic, 7_000_000_000, bytes(serialize_message(content)))
    return path


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_a_cloud_projects_to_the_depth_that_it_was_made_of(kind: str, tmp_path: Path) -> None:
    message, expected = CALIBRATIONS[kind]
    camera = pinhole(message, 0.0, WIDTH, HEIGHT)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx(expected)
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 50, (HEIGHT, WIDTH)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.3] = np.nan
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cloud = points_message(depth, rgb, camera, 1, HEADER)
    # One frame for camera and cloud: what is between them is not what is tested.
    described = camera_info_message(message, HEADER, WIDTH, HEIGHT)
    live = Lidar(StaticTransforms(), np.eye(4)).depth(cloud, "eye", described)
    source = open_bag_source(bag_of(tmp_path / "bag", message, cloud), ())
    (frame,) = source.frames()
    np.testing.assert_array_equal(live, depth)
    np.testing.assert_array_equal(frame.truth.depth, depth)
    assert source.focal_px == pytest.approx(camera.fx)  # by which both scale the network's depth


def test_an_uncalibrated_camera_has_no_focal_length(tmp_path: Path) -> None:
    empty = CameraInfo(header=HEADER, width=WIDTH, height=HEIGHT)
    cloud = PointCloud2(header=HEADER)
    assert pinhole(empty, 0.0, WIDTH, HEIGHT) is None
    assert open_bag_source(bag_of(tmp_path / "bag", empty, cloud), ()).focal_px is None
