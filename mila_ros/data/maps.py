# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Masks and depth images of bags and topics as arrays; messages of rclpy or rosbags."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.image_encodings import ImageError

_MASKS = {"mono8": np.uint8, "8UC1": np.uint8}
_DEPTHS = {"32FC1": np.float32, "16UC1": np.uint16, "mono16": np.uint16}


def mask_map(message: Any) -> NDArray[np.uint8]:
    """Return a ``mono8`` or ``8UC1`` Image as uint8 [H, W].

    Raises:
        ImageError: another encoding, or fewer bytes than the header promises.
    """
    return _pixels(message, _MASKS, "mask")


def depth_map(message: Any) -> NDArray[np.float32]:
    """Return a depth Image as float32 [H, W] metres, NaN where unknown.

    ``32FC1`` is in metres, as it is; ``16UC1`` in millimetres, 0 unknown (REP 118).

    Raises:
        ImageError: as for `mask_map`.
    """
    pixels = _pixels(message, _DEPTHS, "depth")
    if pixels.dtype == np.float32:
        return pixels
    metres = pixels.astype(np.float32) * np.float32(0.001)
    metres[pixels == 0] = np.nan
    return metres


def _pixels(message: Any, encodings: dict[str, Any], what: str) -> NDArray[Any]:
    if message.encoding not in encodings:
        raise ImageError(
            "encoding",
            f"A {what} image is {message.encoding!r}; it must be one of {', '.join(encodings)}.",
        )
    dtype = np.dtype(encodings[message.encoding]).newbyteorder(">" if message.is_bigendian else "<")
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(memoryview(message.data), np.uint8)
    if height < 1 or width < 1 or step < width * dtype.itemsize or data.size < step * height:
        raise ImageError(
            "size", f"A {what} image of {width}x{height} has {data.size} bytes in rows of {step}."
        )
    rows = data[: step * height].reshape(height, step)[:, : width * dtype.itemsize]
    return np.ascontiguousarray(rows).view(dtype).astype(dtype.newbyteorder("="), copy=False)
