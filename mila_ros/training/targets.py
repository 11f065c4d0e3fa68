# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each task is taught: a map of a clip folder, and the value that stands for unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.clip_folder import ClipError, ClipFolder
from ..data.datasets.normals import decode_normals


@dataclass(frozen=True)
class Target:
    """A task's label map.

    Attributes:
        folder: Where clips have it.
        unknown: The value of all pixels where there is no map, and of those that it does not know.
        dtype: Of the map.
        largest: The largest id; None where the clip folder knows, or values are not ids.
    """

    folder: str
    unknown: float
    dtype: Any
    largest: int | None = None


TARGETS: Mapping[str, Target] = {
    "segmentation": Target("label", 255, np.uint8),
    "depth": Target("depth", np.nan, np.float32),
    "motion": Target("motion", 127, np.uint8),
    "normals": Target("normals", np.nan, np.float32),
    "edges": Target("edges", 255, np.uint8, 1),
    "saliency": Target("saliency", 255, np.uint8, 1),
    "human_parts": Target("human_parts", 255, np.uint8, 6),
}
"""By task; all but normals [H, W, 3] are [H, W]. In a map of depth, unknown pixels are 0."""


def known(task: str, target: Tensor) -> Tensor:
    """Where a task's targets say something: bool [B, H, W] of [B, H, W], or of [B, 3, H, W]."""
    if task == "normals":
        return target.isfinite().all(1)
    if task == "depth":
        return target > 0
    return target != TARGETS[task].unknown


def has_target(clip: ClipFolder, frame: int, task: str) -> bool:
    """Whether a clip has a task's map of a frame."""
    return _path(clip, frame, task).is_file()


def read_target(clip: ClipFolder, frame: int, task: str) -> NDArray[Any] | None:
    """A task's map as its files have it: segmentation in the clip's own ids, depth in metres.

    None without a map of this frame.

    Raises:
        ClipError: It cannot be read, or holds what it must not.
    """
    if task == "segmentation":
        return clip.label(frame)
    if task == "depth":
        depth = clip.depth(frame)
        return None if depth is None else np.nan_to_num(depth, nan=0.0)
    if task == "motion":
        return clip.motion(frame)
    path = _path(clip, frame, task)
    if not path.is_file():
        return None
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ClipError(f"{path} cannot be read: {error.strerror}") from error
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise ClipError(f"{path} is damaged or not an image")
    if pixels.shape[:2] != (clip.height, clip.width):
        raise ClipError(f"{path} is not {clip.width}x{clip.height} as the clip is")
    if task == "normals":
        if pixels.dtype != np.uint16 or pixels.ndim != 3:
            raise ClipError(f"{path} must be a uint16 picture of three channels")
        return decode_normals(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise ClipError(f"{path} must be a uint8 picture of one channel")
    wrong = pixels[(pixels > TARGETS[task].largest) & (pixels != TARGETS[task].unknown)]
    if wrong.size:
        raise ClipError(f"{path} holds {wrong[0]}, which is none of its values")
    return pixels


def unknown_target(task: str, size: tuple[int, int]) -> NDArray[Any]:
    """A map [H, W] of a task of which nothing is known; normals [H, W, 3]."""
    target = TARGETS[task]
    shape = (*size, 3) if task == "normals" else size
    return np.full(shape, target.unknown, target.dtype)


def _path(clip: ClipFolder, frame: int, task: str) -> Path:
    return clip.path / TARGETS[task].folder / f"{clip.images[frame].stem}.png"
