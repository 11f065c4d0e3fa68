# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of streams share: a video, playing it, and comparing what comes out."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.streaming import Frame, Perception

T0 = 1_700_000_000_000_000_000
STEP = 100_000_000
MAPS = ("segmentation", "confidence", "depth", "motion", "normals")
Image = NDArray[np.uint8]


def video(frames: int, seed: int = 0, size: tuple[int, int] = (72, 96)) -> list[Image]:
    """Blobs that drift."""
    rng = np.random.default_rng(seed)
    height, width = size
    field = rng.integers(0, 256, (height // 6, width // 6 + frames, 3), dtype=np.uint8)
    wide = cv2.resize(field, (width + 6 * frames, height), interpolation=cv2.INTER_CUBIC)
    return [wide[:, 4 * n : 4 * n + width].copy() for n in range(frames)]


def play(
    perception: Perception,
    images: list[Image],
    camera: str = "front",
    start: int = 0,
    **arguments: Any,
) -> list[Frame]:
    return [
        perception.step(image, stamp_ns=T0 + (start + n) * STEP, camera=camera, **arguments)
        for n, image in enumerate(images)
    ]


def assert_same(ours: Frame, theirs: Frame) -> None:
    for name in MAPS:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
