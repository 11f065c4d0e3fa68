# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From depth to points: the pinhole of a calibration, and organised clouds.

The cloud is laid out here and not by ``sensor_msgs_py``, which is no wheel: a cloud whose fields
lie in memory as they are computed needs nothing of it, and is there on every machine.
"""

from __future__ import annotations

import math
import sys
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from std_msgs.msg import Header

from mila_ros.data.image_encodings import RgbImage

POINT_BYTES = 16


@dataclass(frozen=True)
class Pinhole:
    """A rectified camera in pixels of an image, whose pixel centres have whole coordinates.

    ``source`` is where fx is from: the ``parameter`` or ``camera_info``.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    source: str


def pinhole(
    info: CameraInfo | None, focal_length_px: float, width: int, height: int
) -> Pinhole | None:
    """Return the pinhole of an image of this size, None where nothing is known of it.

    The calibration's P is taken, which is that of the rectified image, and K where P is empty;
    both are scaled where the calibration is of another size. A positive ``focal_length_px``
    replaces the focal length, and with it alone the optical axis meets the image's middle.
    """
    calibrated = None if info is None else _of_info(info, width, height)
    if focal_length_px > 0:
        if calibrated is None:
            cx, cy = (width - 1) / 2, (height - 1) / 2
        else:
            cx, cy = calibrated.cx, calibrated.cy
        return Pinhole(focal_length_px, focal_length_px, cx, cy, "parameter")
    return calibrated


def _of_info(info: CameraInfo, width: int, height: int) -> Pinhole | None:
    # The size includes the binning: the matrices are those of the full resolution.
    scale_x = width / (info.roi.width or info.width or width)
    scale_y = height / (info.roi.height or info.height or height)
    for fx, fy, cx, cy in (
        (info.p[0], info.p[5], info.p[2], info.p[6]),
        (info.k[0], info.k[4], info.k[2], info.k[5]),
    ):
        if all(map(math.isfinite, (fx, fy, cx, cy))) and fx > 0 and fy > 0:
            return Pinhole(
                float(fx) * scale_x,
                float(fy) * scale_y,
                (float(cx) - info.roi.x_offset) * scale_x,
                (float(cy) - info.roi.y_offset) * scale_y,
                "camera_info",
            )
    return None


def points_message(
    depth: NDArray[np.float32], rgb: RgbImage, camera: Pinhole, stride: int, header: Header
) -> PointCloud2:
    """Return the organised, coloured cloud of a depth image, in the camera's optical frame.

    Pixel (u, v) with depth Z is the point ((u - cx) Z / fx, (v - cy) Z / fy, Z): x to the right,
    y down, z forward (REP 103). Where the depth is not finite, all three are NaN.

    Args:
        depth: float32 [H, W], metres along the optical axis.
        rgb: uint8 [H, W, 3].
        camera: of an image of this size.
        stride: 1 for a point per pixel, n for the pixels of every n-th row and column, from the
            first on: the cloud is then ceil(H / n) by ceil(W / n).
        header: of the image.

    Returns:
        The fields x, y, z and rgb, float32 each; the bytes of rgb are those of the integer
        0x00RRGGBB, as PCL and RViz have it.
    """
    height, width = depth.shape
    z = np.where(np.isfinite(depth), depth, np.float32(np.nan))[::stride, ::stride]
    columns = (np.arange(0, width, stride) - camera.cx) / camera.fx
    rows = (np.arange(0, height, stride) - camera.cy) / camera.fy
    points = np.empty((*z.shape, 4), np.float32)
    np.multiply(z, columns.astype(np.float32), out=points[..., 0])
    np.multiply(z, rows.astype(np.float32)[:, None], out=points[..., 1])
    points[..., 2] = z
    red, green, blue = np.moveaxis(rgb[::stride, ::stride].astype(np.uint32), -1, 0)
    points.view(np.uint32)[..., 3] = red << 16 | green << 8 | blue
    data = array("B")
    data.frombytes(memoryview(points).cast("B"))
    message = PointCloud2(header=header, height=z.shape[0], width=z.shape[1])
    message.fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate(("x", "y", "z", "rgb"))
    ]
    message.is_bigendian = sys.byteorder == "big"
    message.is_dense = False
    message.point_step = POINT_BYTES
    message.row_step = POINT_BYTES * z.shape[1]
    message.data = data
    return message
