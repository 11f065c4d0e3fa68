# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Surface normals in pictures: 8 bits as data sets publish them, 16 bits as clip folders keep them.

Both are RGB pictures of (x, y, z).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def normals_from_rgb8(
    rgb: NDArray[np.uint8], known: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Unit normals float32 [H, W, 3] from uint8 [H, W, 3], n = 2 v / 255 - 1, made unit length.

    NaN outside of ``known`` [H, W], and where the vector is shorter than a half: the grey of
    (127 or 128) stands for no normal.
    """
    vectors = rgb.astype(np.float32) * np.float32(2 / 255) - 1
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    good = length > 0.5
    if known is not None:
        good &= known[..., None]
    return np.where(good, vectors / np.maximum(length, 1e-6), np.float32(np.nan))


def rgb8_from_normals(normals: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture uint8 [H, W, 3] of unit normals float32 [H, W, 3], black where unknown."""
    return np.nan_to_num((normals + 1) * 127.5, nan=0.0).clip(0, 255).astype(np.uint8)


def encode_normals(normals: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Unit normals as uint16 [H, W, 3] RGB: 0 unknown, else 1 + (n + 1) / 2 · 65534."""
    values = np.rint(1 + (normals.astype(np.float64) + 1) / 2 * 65534)
    return np.nan_to_num(values, nan=0.0).astype(np.uint16)


def decode_normals(rgb: NDArray[np.uint16]) -> NDArray[np.float32]:
    """What `encode_normals` wrote: unit normals float32 [H, W, 3], NaN unknown."""
    vectors = (rgb.astype(np.float32) - 1) * np.float32(2 / 65534) - 1
    return np.where((rgb == 0).all(-1, keepdims=True), np.float32(np.nan), vectors)
