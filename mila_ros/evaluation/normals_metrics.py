# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of surface normals from their definitions, over a whole data set."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .metrics import ratio

_BINS_PER_DEGREE = 100


class NormalsMetrics:
    """Angles in degrees between predicted and true normals, pooled over pixels and per image.

    The keys that end in ``_per_image`` are the means over images of each image's own figure, what
    MTAN's averaging over batches is for batches of one.

    Mean and shares are exact; the median is read from a histogram of a hundredth of a degree, so
    that it is right to half of that. A prediction that is zero or not finite counts as 180
    degrees.
    """

    WITHIN_DEG = (11.25, 22.5, 30)

    def __init__(self) -> None:
        self._histogram = np.zeros(180 * _BINS_PER_DEGREE, np.int64)
        self._total = 0.0
        self._within = np.zeros(len(self.WITHIN_DEG), np.int64)
        self._per_image = np.zeros(2 + len(self.WITHIN_DEG))
        self._images = 0

    def update(self, predicted: NDArray[np.float32], true: NDArray[np.float32]) -> None:
        """Add a frame; both [H, W, 3] of any length, the truth zero or not finite where unknown."""
        known = np.isfinite(true).all(-1) & (true != 0).any(-1)
        p, t = predicted[known].astype(np.float64), true[known].astype(np.float64)
        # Exact near 0 and 180 degrees too, where the arc cosine of the product is not.
        across = np.linalg.norm(np.cross(p, t), axis=-1)
        angle = np.degrees(np.arctan2(across, (p * t).sum(-1)))
        angle = np.where(np.isfinite(angle) & (p != 0).any(-1), angle, 180.0)
        if not angle.size:
            return
        within = [np.count_nonzero(angle < limit) for limit in self.WITHIN_DEG]
        self._total += float(angle.sum())
        self._within += within
        shares = np.divide(within, angle.size)
        self._per_image += [angle.mean(), np.median(angle), *shares]
        self._images += 1
        bins = np.minimum((angle * _BINS_PER_DEGREE).astype(np.intp), self._histogram.size - 1)
        self._histogram += np.bincount(bins, minlength=self._histogram.size)

    def merge(self, other: NormalsMetrics) -> None:
        """Add all frames of another."""
        self._histogram += other._histogram
        self._total += other._total
        self._within += other._within
        self._per_image += other._per_image
        self._images += other._images

    def result(self) -> dict[str, float]:
        """mean_angle and median_angle in degrees, the others shares."""
        pixels = int(self._histogram.sum())
        keys = ["mean_angle", "median_angle", *(f"within_{limit:g}" for limit in self.WITHIN_DEG)]
        shares = (ratio(int(count), pixels) for count in self._within)
        pooled = [ratio(self._total, pixels), self._median(pixels), *shares]
        figures = {f"normals/{key}": value for key, value in zip(keys, pooled, strict=True)}
        for key, total in zip(keys, self._per_image, strict=True):
            figures[f"normals/{key}_per_image"] = ratio(total, self._images)
        return figures

    def _median(self, pixels: int) -> float:
        if not pixels:
            return math.nan
        middle = int(np.searchsorted(np.cumsum(self._histogram), pixels / 2))
        return (middle + 0.5) / _BINS_PER_DEGREE
