# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exact optical flow from depth and the poses of camera and geoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mila_ros.simulation.camera import Labels
from mila_ros.simulation.geometry import Floats
from mila_ros.simulation.world import World


@dataclass(frozen=True)
class Pose:
    """Where the camera [4, 4] and every geom (positions [N, 3], rotations [N, 3, 3]) are."""

    camera: Floats
    positions: Floats
    rotations: Floats

    @classmethod
    def of(cls, world: World) -> Pose:
        """The pose that the world has now."""
        return cls(world.camera_pose(), *world.geom_poses())


def optical_flow(labels: Labels, intrinsics: Floats, now: Pose, then: Pose) -> NDArray[np.float32]:
    """By how many pixels what is seen at each pixel moves from one pose to another.

    Args:
        labels: The truth at the pose ``now``.
        intrinsics: K, pixel centres at half pixels.
        now: The pose at which the labels were taken.
        then: The other pose, before or after.

    Returns:
        float32 [H, W, 2], to the right and down; the sky moves as if infinitely far; NaN for what
        is behind the camera then. What is hidden then has flow too.
    """
    height, width = labels.depth.shape
    (fx, _, cx), (_, fy, cy) = intrinsics[:2]
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    ray = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones_like(u)], -1)
    nothing = labels.geom < 0
    depth = np.where(nothing, 1.0, labels.depth)[..., None]
    world = (ray * depth) @ now.camera[:3, :3].T + now.camera[:3, 3]
    geom = labels.geom
    on_geom = np.einsum("hwji,hwj->hwi", now.rotations[geom], world - now.positions[geom])
    world = np.einsum("hwij,hwj->hwi", then.rotations[geom], on_geom) + then.positions[geom]
    seen = (world - then.camera[:3, 3]) @ then.camera[:3, :3]
    seen[nothing] = ray[nothing] @ now.camera[:3, :3].T @ then.camera[:3, :3]
    z = np.where(seen[..., 2] > 0.01, seen[..., 2], np.nan)
    return np.stack(
        [seen[..., 0] / z * fx + cx - u, seen[..., 1] / z * fy + cy - v], -1
    ).astype(np.float32)  # fmt: skip
