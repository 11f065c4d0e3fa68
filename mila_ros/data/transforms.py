# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Static transforms between frames, as ``/tf_static`` has them, without tf2."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class StaticTransforms:
    """The tree of frames; where a frame's transform comes twice, the later one counts."""

    def __init__(self) -> None:
        self._to_parent: dict[str, tuple[str, Matrix]] = {}

    def add(self, transforms: Iterable[Any]) -> None:
        """Add ``geometry_msgs/TransformStamped`` of rclpy or rosbags."""
        for stamped in transforms:
            child = _bare(stamped.child_frame_id)
            self._to_parent[child] = _bare(stamped.header.frame_id), matrix(stamped.transform)

    def lookup(self, target: str, source: str) -> Matrix | None:
        """Return what takes points of ``source`` to ``target``, [4, 4]; None if not connected."""
        target, source = _bare(target), _bare(source)
        neighbours: dict[str, list[tuple[str, Matrix]]] = {}
        for child, (parent, transform) in self._to_parent.items():
            neighbours.setdefault(child, []).append((parent, transform))
            neighbours.setdefault(parent, []).append((child, np.linalg.inv(transform)))
        found, queue = {source: np.eye(4)}, deque([source])
        while queue and target not in found:
            frame = queue.popleft()
            for neighbour, transform in neighbours.get(frame, []):
                if neighbour not in found:
                    found[neighbour] = transform @ found[frame]
                    queue.append(neighbour)
        return found.get(target)


def matrix(transform: Any) -> Matrix:
    """Return a ``geometry_msgs/Transform`` as [4, 4]; its quaternion need not be of length 1."""
    q, t = transform.rotation, transform.translation
    x, y, z, w = np.array([q.x, q.y, q.z, q.w]) / max(
        np.linalg.norm([q.x, q.y, q.z, q.w]), np.finfo(float).tiny
    )
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), t.x],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w), t.y],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y), t.z],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def _bare(frame: str) -> str:
    """The frame's name without the slash that ROS 1 put before it."""
    return frame.lstrip("/")
