# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points against a back-projection of the test's own in float64, and pinholes by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, PointField
from std_msgs.msg import Header

from mila_ros.ros.geometry import Pinhole, pinhole, points_message

DTYPE = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("rgb", "u4")])


def calibration(width: int = 640, height: int = 480) -> CameraInfo:
    info = CameraInfo(width=width, height=height)
    info.k = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    info.p = [450.0, 0.0, 310.0, 0.0, 0.0, 460.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def test_the_rectified_cameras_matrix_comes_first() -> None:
    info = calibration()
    assert pinhole(info, 0.0, 640, 480) == Pinhole(450, 460, 310, 230, "camera_info")
    info.p = [0.0] * 12
    assert pinhole(info, 0.0, 640, 480) == Pinhole(500, 510, 320, 240, "camera_info")
    info.k = [0.0] * 9
    assert pinhole(info, 0.0, 640, 480) is None
    info.k[0] = info.k[4] = float("nan")
    assert pinhole(info, 0.0, 640, 480) is None
    assert pinhole(None, 0.0, 640, 480) is None


def test_another_size_scales_the_matrix() -> None:
    halved = pinhole(calibration(), 0.0, 320, 120)
    assert halved == Pinhole(225, 115, 155, 57.5, "camera_info")


def test_region_and_binning_are_counted_in() -> None:
    info = calibration()
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 50, 400, 300
    info.binning_x = info.binning_y = 2
    assert pinhole(info, 0.0, 200, 150) == Pinhole(225, 230, 105, 90, "camera_info")


def test_the_parameter_replaces_the_focal_length() -> None:
    assert pinhole(calibration(), 99.0, 640, 480) == Pinhole(99, 99, 310, 230, "parameter")
    assert pinhole(None, 99.0, 640, 480) == Pinhole(99, 99, 319.5, 239.5, "parameter")


@pytest.mark.parametrize("stride", [1, 2, 3, 64])
def test_points_are_those_of_a_back_projection(stride: int) -> None:
    rng = np.random.default_rng(stride)
    height, width = 37, 50
    depth = rng.uniform(0.1, 90, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = np.nan
    depth[0, 0], depth[6, 6] = np.inf, -np.inf
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    camera = Pinhole(48.5, 51.25, 23.4, 17.9, "camera_info")
    header = Header(frame_id="front_optical")
    message = points_message(depth, rgb, camera, stride, header)
    assert message.header == header
    assert (message.height, message.width) == (-(-height // stride), -(-width // stride))
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ("x", 0, PointField.FLOAT32, 1),
        ("y", 4, PointField.FLOAT32, 1),
        ("z", 8, PointField.FLOAT32, 1),
        ("rgb", 12, PointField.FLOAT32, 1),
    ]
    assert message.point_step == 16 and message.row_step == 16 * message.width
    assert len(message.data) == message.row_step * message.height
    assert not message.is_dense and not message.is_bigendian
    points = np.frombuffer(message.data, DTYPE).reshape(message.height, message.width)
    for row, v in enumerate(range(0, height, stride)):
        for column, u in enumerate(range(0, width, stride)):
            point, z = points[row, column], float(depth[v, u])
            red, green, blue = (int(channel) for channel in rgb[v, u])
            assert point["rgb"] == red * 65536 + green * 256 + blue
            if not np.isfinite(z):
                assert all(np.isnan(point[axis]) for axis in "xyz")
                continue
            expected = ((u - 23.4) * z / 48.5, (v - 17.9) * z / 51.25, z)
            np.testing.assert_allclose([point[a] for a in "xyz"], expected, rtol=3e-7, atol=1e-6)


def test_the_cloud_does_not_follow_the_arrays() -> None:
    depth, rgb = np.ones((4, 5), np.float32), np.full((4, 5, 3), 7, np.uint8)
    message = points_message(depth, rgb, Pinhole(1, 1, 0, 0, ""), 1, Header())
    before = bytes(message.data)
    depth[:], rgb[:] = 9, 9
    assert bytes(message.data) == before
    assert set(np.frombuffer(before, DTYPE)["rgb"]) == {0x070707}
