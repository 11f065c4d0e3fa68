# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The maps that a clip folder may hold beside those of `ClipFolder`, a PNG for each image.

``edges/``, ``saliency/`` and ``human_parts/`` are uint8 ids with 255 for unknown, ``normals/``
(`encode_normals`) and ``flow/`` (KITTI's encoding) uint16 of three channels.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.clip_folder import ClipError, ClipFolder
from mila_ros.data.compressed_images import encoded_size
from mila_ros.data.datasets.normals import decode_normals
from mila_ros.data.image_encodings import ImageError

LARGEST_ID = {"edges": 1, "saliency": 1, "human_parts": 6}
UNKNOWN = 255

NEAREST = cv2.INTER_NEAREST_EXACT
"""How maps are resized: by the centres of pixels, as pictures are, and not by their corners."""


def read_ids(clip: ClipFolder, kind: str, index: int) -> NDArray[np.uint8] | None:
    """A map of ids, uint8 [H, W], 255 unknown; ``kind`` is a key of `LARGEST_ID`.

    None where there is no map of this frame.

    Raises:
        ClipError: It cannot be read, or holds what it must not; here and below.
    """
    path = map_path(clip, kind, index)
    pixels = _read(clip, path)
    if pixels is None:
        return None
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise ClipError(f"{path} must be a uint8 picture of one channel")
    wrong = pixels[(pixels > LARGEST_ID[kind]) & (pixels != UNKNOWN)]
    if wrong.size:
        raise ClipError(f"{path} holds {wrong[0]}, which is none of its values")
    return pixels


def read_normals(clip: ClipFolder, index: int) -> NDArray[np.float32] | None:
    """Unit normals, float32 [H, W, 3], NaN unknown; None where there is no map of this frame."""
    rgb = _read_triple(clip, map_path(clip, "normals", index))
    return None if rgb is None else decode_normals(rgb)


def read_flow(clip: ClipFolder, index: int) -> NDArray[np.float32] | None:
    """By how many pixels each pixel moves to the next frame, float32 [H, W, 2], NaN unknown.

    None where there is no map of this frame.
    """
    rgb = _read_triple(clip, map_path(clip, "flow", index))
    if rgb is None:
        return None
    flow = (rgb[..., :2].astype(np.float32) - np.float32(2**15)) / np.float32(64)
    flow[rgb[..., 2] == 0] = np.nan
    return flow


def map_path(clip: ClipFolder, kind: str, index: int) -> Path:
    """Where a clip has a map of a frame, if it has one."""
    return clip.path / kind / f"{clip.images[index].stem}.png"


def _read_triple(clip: ClipFolder, path: Path) -> NDArray[np.uint16] | None:
    """Uint16 [H, W, 3] RGB."""
    pixels = _read(clip, path)
    if pixels is None:
        return None
    if pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ClipError(f"{path} must be a uint16 picture of three channels")
    return np.ascontiguousarray(pixels[..., ::-1])


def _read(clip: ClipFolder, path: Path) -> NDArray[Any] | None:
    if not path.is_file():
        return None
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ClipError(f"{path} cannot be read: {error.strerror}") from error
    pixels = None
    with suppress(ImageError):
        if encoded_size(data) != (clip.width, clip.height):  # before it is decoded
            raise ClipError(f"{path} is not {clip.width}x{clip.height} as the clip is")
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ClipError(f"{path} is damaged or not an image")
    return pixels
