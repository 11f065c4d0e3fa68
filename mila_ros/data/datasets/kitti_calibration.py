# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI's calibration and motion: cameras, laser scanner and IMU (Geiger et al., IJRR 2013).

``T_b_a`` takes homogeneous points of frame a to frame b. Pixel centres are at whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.datasets.files import read_lines

Matrix = NDArray[np.float64]

EARTH_RADIUS_M = 6378137.0


def read_calibration(path: Path) -> dict[str, NDArray[np.float64]]:
    """The numbers of each line ``KEY: n n n`` of a calibration file.

    Raises:
        DatasetError: The file is missing.
    """
    values = {}
    for line in read_lines(path):
        key, _, numbers = line.partition(":")
        try:
            values[key.strip()] = np.array([float(number) for number in numbers.split()])
        except ValueError:  # the date of the calibration
            continue
    return values


@dataclass(frozen=True)
class Calibration:
    """Camera 2 (left, colour) of a day's recordings, after rectification.

    Attributes:
        projection: P_rect_02, float64 [3, 4]: from rectified camera-0 coordinates to pixels.
        T_rect_velo: Rectified camera 0 from the laser scanner, float64 [4, 4].
        T_velo_imu: Laser scanner from IMU, float64 [4, 4].
    """

    projection: Matrix
    T_rect_velo: Matrix
    T_velo_imu: Matrix

    @classmethod
    def read(cls, folder: Path) -> Calibration:
        """From the three calib_*.txt of a day's folder.

        Raises:
            DatasetError: One of them is missing or lacks a line.
        """
        cameras = read_calibration(folder / "calib_cam_to_cam.txt")
        velo = read_calibration(folder / "calib_velo_to_cam.txt")
        imu = read_calibration(folder / "calib_imu_to_velo.txt")
        try:
            rectification = np.eye(4)
            rectification[:3, :3] = cameras["R_rect_00"].reshape(3, 3)
            return cls(
                projection=cameras["P_rect_02"].reshape(3, 4),
                T_rect_velo=rectification @ _rigid(velo),
                T_velo_imu=_rigid(imu),
            )
        except (KeyError, ValueError) as error:
            raise DatasetError(
                f"the calib_*.txt in {folder} are not KITTI's: {error} is missing or has another "
                "number of values"
            ) from error

    @property
    def intrinsics(self) -> Matrix:
        """The matrix K [3, 3] of camera 2."""
        return self.projection[:, :3].copy()

    @property
    def T_velo_camera(self) -> Matrix:
        """Laser scanner from camera 2, whose centre lies beside that of camera 0."""
        T_camera_rect = np.eye(4)
        T_camera_rect[:3, 3] = np.linalg.solve(self.intrinsics, self.projection[:, 3])
        return np.linalg.inv(T_camera_rect @ self.T_rect_velo)

    def project(self, points: Matrix) -> tuple[Matrix, Matrix]:
        """Pixels float64 [N, 2] and depth in metres [N] of points [N, 3] of the laser scanner."""
        homogeneous = np.column_stack([points, np.ones(len(points))])
        image = homogeneous @ (self.projection @ self.T_rect_velo).T
        depth = image[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            return image[:, :2] / depth[:, None], depth


def sparse_depth(
    points: Matrix, calibration: Calibration, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Depth in metres, float32 [H, W], from points [N, 3]; the nearest of a pixel, else NaN.

    Args:
        points: Of the laser scanner, metres.
        calibration: Of the same day.
        size: Height and width.
    """
    pixels, depth = calibration.project(points[points[:, 0] > 0])
    seen = depth > 0
    columns, rows = np.rint(pixels[seen]).T
    inside = (columns >= 0) & (columns < size[1]) & (rows >= 0) & (rows < size[0])
    nearest = np.full(size, np.inf, np.float32)
    where = rows[inside].astype(int), columns[inside].astype(int)
    np.minimum.at(nearest, where, depth[seen][inside].astype(np.float32))
    return np.where(np.isfinite(nearest), nearest, np.float32(np.nan))


def world_from_imu(oxts: Sequence[Matrix]) -> list[Matrix]:
    """T_world_imu, float64 [4, 4], of each oxts line; the world's x points east, y north, z up.

    Args:
        oxts: Of each frame latitude, longitude (degrees), altitude (m), roll, pitch, yaw (rad).
    """
    scale = np.cos(np.radians(oxts[0][0])) * EARTH_RADIUS_M
    poses = []
    for latitude, longitude, altitude, roll, pitch, yaw in (line[:6] for line in oxts):
        pose = np.eye(4)
        pose[:3, :3] = _turn(2, yaw) @ _turn(1, pitch) @ _turn(0, roll)
        pose[:3, 3] = (
            scale * np.radians(longitude),
            scale * np.log(np.tan(np.radians(90 + latitude) / 2)),
            altitude,
        )
        poses.append(pose)
    origin = poses[0][:3, 3].copy()
    for pose in poses:  # thousands of kilometres would cost the digits that motion needs
        pose[:3, 3] -= origin
    return poses


def _turn(axis: int, angle: float) -> Matrix:
    """Rotation by an angle in radians about x, y or z."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[a, a] = turn[b, b] = np.cos(angle)
    turn[b, a] = np.sin(angle)
    turn[a, b] = -turn[b, a]
    return turn


def _rigid(values: dict[str, NDArray[np.float64]]) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, :3] = values["R"].reshape(3, 3)
    matrix[:3, 3] = values["T"]
    return matrix
