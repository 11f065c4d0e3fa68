# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How predictions and truth are drawn in the pictures of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.normals import rgb8_from_normals
from mila_ros.data.datasets.pascal_labels import HUMAN_PARTS7
from mila_ros.visualization import Picture, colorize_segmentation, palette_lut

_SPARSE = 0.2  # share of known pixels under which true depth is drawn thicker
_MOST_ERROR = 0.5


def depth_error(predicted: NDArray[np.float32], true: NDArray[np.float32]) -> Picture:
    """|predicted - true| / true of metres [H, W] as grey, white from a half."""
    with np.errstate(invalid="ignore"):
        relative = np.abs(predicted - true) / true
    # Where there is truth and no answer, the error is as large as any.
    relative = np.where(np.isfinite(true) & ~np.isfinite(relative), _MOST_ERROR, relative)
    grey = np.nan_to_num(thick(relative) / _MOST_ERROR, nan=0.0).clip(0, 1) * 255
    return cv2.merge([grey.astype(np.uint8)] * 3)


def thick(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sparse values drawn larger, so that they can be seen in a small picture."""
    known = np.isfinite(values)
    if known.mean() > _SPARSE:
        return values
    grown = cv2.dilate(np.where(known, values, 0).astype(np.float32), np.ones((5, 5), np.uint8))
    return np.where(grown > 0, grown, np.float32(np.nan))


def _grey(level: NDArray[np.uint8]) -> Picture:
    return cv2.merge([level] * 3)


def _grey_truth(ids: NDArray[np.uint8]) -> Picture:
    return _grey(np.where(ids == 255, 127, 255 * ids).astype(np.uint8))


def _parts(ids: NDArray[np.uint8]) -> Picture:
    return colorize_segmentation(ids, _PARTS_LUT)


_PARTS_LUT = palette_lut(HUMAN_PARTS7.colors)
PAINT: Mapping[str, tuple[Callable[..., Picture], Callable[..., Picture]]] = {
    "normals": (rgb8_from_normals, rgb8_from_normals),
    "edges": (_grey, _grey_truth),
    "saliency": (_grey, _grey_truth),
    "human_parts": (_parts, _parts),
}
"""How what was said and what is true are drawn; grey is unknown in the truth of edges."""
