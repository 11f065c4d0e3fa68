# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Surface normals from exact depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mila_ros.simulation.geometry import Floats


def surface_normals(
    depth: NDArray[np.float32], intrinsics: Floats, geom: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Unit normals towards the camera in its axes (x right, y down, z forward).

    On a plane 1/z is affine in the pixel, so differences of 1/z give the plane exactly. Along
    each axis the one-sided difference is taken that stays on the geom and bends less.

    Args:
        depth: Metres [H, W]; not finite where there is nothing.
        intrinsics: K, pixel centres at half pixels.
        geom: Number of the geom at each pixel [H, W], negative for none.

    Returns:
        float32 [H, W, 3]; NaN where there is nothing, or a geom is one pixel wide.
    """
    inverse = 1.0 / depth.astype(np.float64)
    slope_u, known_u = _slope(inverse, geom)
    slope_down, known_down = _slope(inverse.T, geom.T)
    slope_v, known_v = slope_down.T, known_down.T
    height, width = inverse.shape
    u, v = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    # nx X + ny Y + nz Z = d  gives  1/Z = (nx (u - cx) / fx + ny (v - cy) / fy + nz) / d
    nx, ny = slope_u * intrinsics[0, 0], slope_v * intrinsics[1, 1]
    nz = inverse - slope_u * (u - intrinsics[0, 2]) - slope_v * (v - intrinsics[1, 2])
    normal = -np.stack([nx, ny, nz], -1)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    known = (known_u & known_v & (geom >= 0))[..., None] & (length > 0)
    return np.where(known, normal / np.maximum(length, 1e-12), np.nan).astype(np.float32)


def _slope(inverse: Floats, geom: NDArray[np.int32]) -> tuple[Floats, NDArray[np.bool_]]:
    """The difference to a neighbour in a row on the same geom, and where there is one."""
    padded = np.pad(inverse, ((0, 0), (2, 2)), mode="edge")
    step = np.diff(padded, axis=1)
    backward, forward = step[:, 1:-2], step[:, 2:-1]
    bend_backward = np.abs(backward - step[:, :-3])
    bend_forward = np.abs(step[:, 3:] - forward)
    neighbours = np.pad(geom, ((0, 0), (1, 1)), constant_values=-2)
    has_backward, has_forward = neighbours[:, :-2] == geom, neighbours[:, 2:] == geom
    take_forward = has_forward & (~has_backward | (bend_forward < bend_backward))
    return np.where(take_forward, forward, backward), has_backward | has_forward
