# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each task is taught: a map of a clip folder, and the value that stands for unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.clip_folder import ClipFolder
from ..data.clip_maps import UNKNOWN, map_path, read_ids, read_normals

STATIC = 0  # in a map of motion


@dataclass(frozen=True)
class Target:
    """A task's label map.

    Attributes:
        folder: Where clips have it.
        unknown: The value of all pixels where there is no map, and of those that it does not know.
        dtype: Of the map.
    """

    folder: str
    unknown: float
    dtype: Any


TARGETS: Mapping[str, Target] = {
    "segmentation": Target("label", 255, np.uint8),
    "depth": Target("depth", np.nan, np.float32),
    "motion": Target("motion", 127, np.uint8),
    "normals": Target("normals", np.nan, np.float32),
    "edges": Target("edges", UNKNOWN, np.uint8),
    "saliency": Target("saliency", UNKNOWN, np.uint8),
    "human_parts": Target("human_parts", UNKNOWN, np.uint8),
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
    return map_path(clip, TARGETS[task].folder, frame).is_file()


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
    return read_normals(clip, frame) if task == "normals" else read_ids(clip, task, frame)


def unknown_target(task: str, size: tuple[int, int]) -> NDArray[Any]:
    """A map [H, W] of a task of which nothing is known; normals [H, W, 3]."""
    target = TARGETS[task]
    shape = (*size, 3) if task == "normals" else size
    return np.full(shape, target.unknown, target.dtype)
