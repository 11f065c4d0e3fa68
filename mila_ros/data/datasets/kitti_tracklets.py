# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI's tracklets: 3D boxes of objects over time, and which of them move in the world.

A tracklet gives boxes in the laser scanner's frame. Carried into the world by the vehicle's own
motion, a parked car's box stays where it is, and that of a driving one does not.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.datasets.kitti_calibration import Calibration, Matrix

FRAMES_A_SECOND = 10.0

MOVING_M_PER_S = 0.7
"""Half a walking pace: over a second it is more than boxes drawn by people jitter."""

WINDOW = 5
"""Frames before and after over which a box's speed is measured."""

STATIC, UNKNOWN, MOVING = 0, 127, 255


@dataclass(frozen=True)
class Tracklet:
    """An object's boxes in consecutive frames.

    Attributes:
        kind: ``Car``, ``Pedestrian`` …
        size: Height, width and length in metres.
        first: The first frame's index.
        positions: Centres of the boxes' lower faces in the laser scanner's frame [N, 3].
        yaws: Their rotation about the scanner's z axis, radians [N].
    """

    kind: str
    size: tuple[float, float, float]
    first: int
    positions: Matrix
    yaws: Matrix

    def has(self, frame: int) -> bool:
        """Whether there is a box in the frame."""
        return self.first <= frame < self.first + len(self.positions)

    def corners(self, frame: int) -> Matrix:
        """The box's eight corners in the laser scanner's frame [8, 3]."""
        height, width, length = self.size
        signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0, 1)])
        yaw = self.yaws[frame - self.first]
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        box: Matrix = (signs * (length, width, height)) @ turn.T
        return box + self.positions[frame - self.first]


def read_tracklets(path: Path) -> list[Tracklet]:
    """The tracklets of a drive's tracklet_labels.xml.

    Raises:
        DatasetError: The file is missing or is not such a file.
    """
    try:
        items = ElementTree.parse(path).getroot().findall("tracklets/item")
        return [_tracklet(item) for item in items]
    except (OSError, ElementTree.ParseError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as KITTI's tracklets: {error}") from error


def speed(tracklet: Tracklet, frame: int, T_world_velo: Sequence[Matrix]) -> float:
    """Speed of a box in the world in metres a second, over `WINDOW` frames to either side.

    NaN for a box that is there in one frame only.
    """
    last = min(tracklet.first + len(tracklet.positions), len(T_world_velo)) - 1
    start, end = max(tracklet.first, frame - WINDOW), min(last, frame + WINDOW)
    if end <= start:
        return float("nan")
    places = [
        T_world_velo[n][:3, :3] @ tracklet.positions[n - tracklet.first] + T_world_velo[n][:3, 3]
        for n in (start, end)
    ]
    return float(np.linalg.norm(places[1] - places[0]) / (end - start) * FRAMES_A_SECOND)


def motion_mask(
    tracklets: Sequence[Tracklet],
    frame: int,
    T_world_velo: Sequence[Matrix],
    calibration: Calibration,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """0 static, 255 moving, 127 unknown, uint8 [H, W], from the boxes of a frame.

    A box covers the convex hull of its corners' pixels; nearer boxes cover farther ones. What no
    box covers is static. A box behind the camera, even in part, is left out.
    """
    mask = np.full(size, STATIC, np.uint8)
    boxes = []
    for tracklet in tracklets:
        if not tracklet.has(frame):
            continue
        pixels, depth = calibration.project(tracklet.corners(frame))
        if depth.min() > 0.1:
            boxes.append((float(depth.mean()), pixels, speed(tracklet, frame, T_world_velo)))
    for _, pixels, metres_per_second in sorted(boxes, key=lambda box: -box[0]):
        value = MOVING if metres_per_second > MOVING_M_PER_S else STATIC
        hull = cv2.convexHull(np.rint(np.clip(pixels, -1e4, 1e4)).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, UNKNOWN if np.isnan(metres_per_second) else value)
    return mask


def _tracklet(item: ElementTree.Element) -> Tracklet:
    def numbers(parent: ElementTree.Element, *names: str) -> list[float]:
        return [float(parent.findtext(name, "missing")) for name in names]

    poses = item.findall("poses/item")
    height, width, length = numbers(item, "h", "w", "l")
    return Tracklet(
        kind=item.findtext("objectType", ""),
        size=(height, width, length),
        first=int(item.findtext("first_frame", "missing")),
        positions=np.array([numbers(pose, "tx", "ty", "tz") for pose in poses]).reshape(-1, 3),
        yaws=np.array([numbers(pose, "rz")[0] for pose in poses]),
    )
