# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LiDAR points and depth images, each as the other.

A pixel's centre has whole coordinates, as in OpenCV and ROS: pixel (u, v) covers u ± 0.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.errors import MilaError

FLOAT32 = 7
"""``sensor_msgs/PointField.FLOAT32``."""


class PointCloudError(MilaError):
    """A PointCloud2 without what its fields promise."""


def points_xyz(message: Any) -> NDArray[np.float32]:
    """Return the points of a ``sensor_msgs/PointCloud2`` of rclpy or rosbags, float32 [N, 3].

    Raises:
        PointCloudError: x, y or z is missing or no float32, or the data is shorter than
            ``row_step`` times ``height``.
    """
    offsets = {field.name: field.offset for field in message.fields if field.datatype == FLOAT32}
    missing = [name for name in "xyz" if name not in offsets]
    if missing:
        raise PointCloudError(f"A point cloud has no float32 field {missing[0]}.")
    width, height, step = message.width, message.height, message.point_step
    row_step = message.row_step or width * step
    data = np.frombuffer(memoryview(message.data), np.uint8)
    is_short = data.size < row_step * height or row_step < width * step
    # NumPy counts the bytes of a record in a C int.
    if is_short or not max(offsets.values()) + 4 <= step < 2**31:
        raise PointCloudError(
            f"A point cloud of {width}x{height} points of {step} bytes has {data.size} bytes "
            f"in rows of {row_step}."
        )
    rows = data[: row_step * height].reshape(height, row_step)[:, : width * step]
    order = ">" if message.is_bigendian else "<"
    layout = np.dtype(
        {
            "names": list("xyz"),
            "formats": [f"{order}f4"] * 3,
            "offsets": [offsets[name] for name in "xyz"],
            "itemsize": step,
        }
    )
    records = np.ascontiguousarray(rows).reshape(-1).view(layout)
    return np.stack([records[name] for name in "xyz"], axis=-1).astype(np.float32)


def project(
    points: NDArray[np.floating[Any]], intrinsics: NDArray[np.float64], width: int, height: int
) -> NDArray[np.float32]:
    """Return the depth image that points make in a pinhole camera.

    Args:
        points: [N, 3] metres in the camera's optical frame: x right, y down, z forward.
        intrinsics: [3, 3] in pixels, of the rectified image.
        width: Of the image.
        height: Of the image.

    Returns:
        float32 [height, width] metres along z, NaN where no point falls. Of several points in a
        pixel the nearest counts; what is not in front of the camera or not finite is left out.
    """
    depth = np.full((height, width), np.inf, np.float32)
    xyz = points[np.isfinite(points).all(axis=1) & (points[:, 2] > 0)].astype(np.float64)
    pixels = np.rint(xyz @ intrinsics[:2].T / xyz[:, 2:])
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    columns, rows = pixels[inside].astype(np.intp).T
    np.minimum.at(depth, (rows, columns), xyz[inside, 2].astype(np.float32))
    depth[np.isinf(depth)] = np.nan
    return depth


def back_project(
    depth: NDArray[np.float32], intrinsics: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the points of a depth image, float32 [N, 3] in the optical frame, row by row.

    Args:
        depth: [H, W] metres; what is not finite and over 0 has no point.
        intrinsics: [3, 3] in pixels.
    """
    rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
    z = depth[rows, columns].astype(np.float64)
    rays = np.stack([columns, rows, np.ones(len(rows))]) * z
    return np.asarray((np.linalg.inv(intrinsics) @ rays).T, np.float32)
