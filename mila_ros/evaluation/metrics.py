# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics from their definitions, summed over pixels of a whole data set.

Keys name their convention: ``segmentation/miou`` is that of one confusion matrix over the data
set. Each class takes frames with :meth:`update` and gives figures with :meth:`result`; a figure
without any pixel to stand on is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255
UNKNOWN_MOTION = 127


class SegmentationMetrics:
    """Mean intersection over union and pixel accuracy.

    Args:
        classes: Names by id.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.confusion = np.zeros((len(classes), len(classes)), np.int64)  # [true, predicted]

    def update(self, predicted: NDArray[np.uint8], true: NDArray[np.uint8]) -> None:
        """Add a frame; both uint8 [H, W]. Pixels labelled 255 are left out."""
        count = len(self.classes)
        labelled = true != UNLABELLED
        pairs = true[labelled].astype(np.int64) * count + predicted[labelled]
        self.confusion += np.bincount(pairs, minlength=count**2).reshape(count, count)

    def iou(self) -> dict[str, float]:
        """Per class, |predicted ∩ true| / |predicted ∪ true|; NaN where both are empty."""
        hit = np.diag(self.confusion)
        union = self.confusion.sum(0) + self.confusion.sum(1) - hit
        return {
            name: float(h / u) if u else float("nan")
            for name, h, u in zip(self.classes, hit, union, strict=True)
        }

    def result(self) -> dict[str, float]:
        """The mean leaves out classes that neither occur nor are predicted."""
        iou = [value for value in self.iou().values() if not np.isnan(value)]
        total = self.confusion.sum()
        return {
            "segmentation/miou": float(np.mean(iou)) if iou else float("nan"),
            "segmentation/pixel_accuracy": _ratio(np.trace(self.confusion), total),
        }


class DepthMetrics:
    """Errors of metric depth over the pixels whose true depth is known and within range.

    Args:
        max_m: Pixels that are truly farther are left out.
    """

    def __init__(self, max_m: float = float("inf")) -> None:
        self.max_m = max_m
        self._sums = np.zeros(6)  # |e|, |e|/true, e², δ1, δ2, δ3
        self._known = 0
        self._answered = 0

    def update(self, predicted: NDArray[np.float32], true: NDArray[np.float32]) -> None:
        """Add a frame; both metres [H, W], the truth NaN where unknown.

        A prediction that is not finite counts against ``depth/coverage`` and nowhere else.
        """
        known = np.isfinite(true) & (true > 0) & (true <= self.max_m)
        answered = known & np.isfinite(predicted) & (predicted > 0)
        self._known += int(known.sum())
        self._answered += int(answered.sum())
        p, t = predicted[answered].astype(np.float64), true[answered].astype(np.float64)
        error, ratio = np.abs(p - t), np.maximum(p / t, t / p)
        self._sums += [error.sum(), (error / t).sum(), (error**2).sum()] + [
            np.count_nonzero(ratio < 1.25**n) for n in (1, 2, 3)
        ]

    def result(self) -> dict[str, float]:
        """abs_error and rmse in metres, the others are shares."""
        abs_error, rel_error, square, *delta = (_ratio(s, self._answered) for s in self._sums)
        return {
            "depth/abs_error": abs_error,
            "depth/rel_error": rel_error,
            "depth/rmse": square**0.5,
            **{f"depth/delta{n}": value for n, value in enumerate(delta, start=1)},
            "depth/coverage": _ratio(self._answered, self._known),
        }


class MotionMetrics:
    """Intersection over union, F1, precision and recall of the moving pixels."""

    def __init__(self) -> None:
        self._both = self._predicted = self._true = 0

    def update(self, predicted: NDArray[np.uint8], true: NDArray[np.uint8]) -> None:
        """Add a frame; both uint8 [H, W] of 0 and 255, the truth 127 where unknown."""
        known = true != UNKNOWN_MOTION
        said, moving = predicted[known] > UNKNOWN_MOTION, true[known] > UNKNOWN_MOTION
        self._both += int(np.count_nonzero(said & moving))
        self._predicted += int(np.count_nonzero(said))
        self._true += int(np.count_nonzero(moving))

    def result(self) -> dict[str, float]:
        """All four are shares."""
        return {
            "motion/iou": _ratio(self._both, self._predicted + self._true - self._both),
            "motion/f1": _ratio(2 * self._both, self._predicted + self._true),
            "motion/precision": _ratio(self._both, self._predicted),
            "motion/recall": _ratio(self._both, self._true),
        }


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
