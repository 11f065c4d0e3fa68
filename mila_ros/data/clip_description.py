# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a clip folder's ``camera.json`` and ``labels.json`` say, checked value by value.

Each function raises ClipError, which names the file, for what contradicts the layout.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.compressed_images import encoded_size
from mila_ros.data.image_encodings import ImageError
from mila_ros.errors import MilaError

_DEPTH_UNIT = re.compile(
    r"(?:uint16\s*,\s*)?(?:(?P<mm>millimet(?:re|er)s)|met(?:re|er)s\s*\*\s*(?P<factor>\d{1,9}))"
    r"(?:\s*,\s*0\s*=[^,]*)?"
)
WRITTEN_DEPTH_UNIT = "uint16, metres * 256, 0 = unknown"
"""The unit in which this package writes depth."""


class ClipError(MilaError):
    """A clip folder that is not one, or a file in it that cannot be used."""


def parse_depth_unit(text: object, where: Path) -> float:
    """Metres per unit of a depth map, from a text such as ``uint16, metres * 256, 0 = unknown``.

    Raises:
        ClipError: Neither ``millimetres`` nor ``metres * FACTOR``.
    """
    match = _DEPTH_UNIT.fullmatch(text.strip().lower()) if isinstance(text, str) else None
    if match is None or match["factor"] is not None and int(match["factor"]) == 0:
        raise ClipError(
            f"{where} gives the depth as {text!r}; it must be "
            '"uint16, millimetres, 0 = unknown" or "uint16, metres * FACTOR, 0 = unknown"'
        )
    return 0.001 if match["mm"] else 1.0 / int(match["factor"])


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        ClipError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClipError(f"{path} cannot be read: {error.strerror}") from error


def read_json(path: Path) -> dict[str, object]:
    """The object that a JSON file holds, empty where there is no file.

    Raises:
        ClipError: It holds something else.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise ClipError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ClipError(f"{path} must hold a JSON object")
    return content


def clip_size(where: Path, head: dict[str, object], first: Path) -> tuple[int, int]:
    """Width and height as the description has them, else those of the first image."""
    if "width" in head or "height" in head:
        width, height = head.get("width"), head.get("height")
        if type(width) is not int or type(height) is not int or min(width, height) < 1:
            raise ClipError(f"{where} must give width and height as whole numbers over 0")
        return width, height
    try:
        return encoded_size(read_bytes(first))
    except ImageError as error:
        raise ClipError(f"{first} cannot be read. {error}") from error


def clip_fps(where: Path, fps: object) -> float | None:
    """Frames a second, None where unknown."""
    if fps is None:
        return None
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < 10_000:
        raise ClipError(f"{where} gives the fps as {fps!r}; it must be a number over 0, or null")
    return float(fps)


def clip_classes(where: Path, labels: dict[str, object]) -> tuple[tuple[str, ...], int]:
    """Class names by id, and the id of no class."""
    classes = labels.get("classes", [])
    void_id = labels.get("void", 255)
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ClipError(f"{where} must give the classes as a list of names")
    if type(void_id) is not int or not 0 <= void_id <= 255 or void_id < len(classes):
        raise ClipError(f"{where} must give void as an id in 0..255 that no class has")
    return tuple(classes), void_id


def clip_matrix(
    where: Path, camera: dict[str, object], key: str, shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Finite numbers of this shape, None where unknown."""
    value = camera.get(key)
    if value is None:
        return None
    try:
        matrix = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        matrix = np.empty(0)
    if matrix.shape != shape or not np.isfinite(matrix).all():
        size = " x ".join(str(side) for side in shape)
        raise ClipError(f"{where} must give {key} as {size} finite numbers, or null")
    return matrix
