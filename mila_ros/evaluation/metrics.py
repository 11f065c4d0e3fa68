# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of segmentation and motion from their definitions, pooled over a whole data set.

Keys name their convention. Each class takes frames with ``update``, takes in what another process
has counted with ``merge``, and gives figures with ``result``; a figure without any pixel to stand
on is NaN. `geometry_metrics` has those of depth and normals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255
UNKNOWN_MOTION = 127


class SegmentationMetrics:
    """Intersection over union, in the three conventions of the literature, and pixel accuracy.

    ``segmentation/miou``
        One confusion matrix over the labelled pixels of all images, then the mean over the
        classes that occur or are predicted (Cityscapes, mmseg, MTAN's code since November 2020).
    ``segmentation/miou_per_image``
        IoU of each image over its labelled pixels, mean over the classes that occur or are
        predicted in it, mean over images (MTAN's code from July to November 2020).
    ``segmentation/miou_per_image_legacy``
        The same, but unlabelled pixels count in the union of the class predicted on them: what
        the tables of MTAN and MILA print (MTAN's code before July 2020).

    Images without a labelled pixel count in none of them.

    Args:
        classes: Names by id.

    Attributes:
        confusion: Pixels int64 [true, predicted]; the last column is a prediction of none of the
            classes, which is always wrong.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.confusion = np.zeros((len(classes), len(classes) + 1), np.int64)
        self._images = 0
        self._per_image = self._per_image_legacy = 0.0

    def update(self, predicted: NDArray[np.uint8], true: NDArray[np.uint8]) -> None:
        """Add a frame; both uint8 [H, W] of class ids, 255 for none."""
        count = len(self.classes)
        # Row and column `count` stand for no class.
        pairs = np.minimum(true, count).astype(np.int32) * (count + 1) + np.minimum(
            predicted, count
        )
        matrix = np.bincount(pairs.ravel(), minlength=(count + 1) ** 2)
        matrix = matrix.reshape(count + 1, count + 1)
        labelled = matrix[:count]
        if not labelled.any():
            return
        self.confusion += labelled
        self._images += 1
        self._per_image += float(np.nanmean(_iou(labelled, labelled)))
        self._per_image_legacy += float(np.nanmean(_iou(labelled, matrix)))

    def merge(self, other: SegmentationMetrics) -> None:
        """Add all frames of another of the same classes."""
        self.confusion += other.confusion
        self._images += other._images
        self._per_image += other._per_image
        self._per_image_legacy += other._per_image_legacy

    def iou(self) -> dict[str, float]:
        """Per class, |predicted ∩ true| / |predicted ∪ true|; NaN where both are empty."""
        return dict(zip(self.classes, _iou(self.confusion, self.confusion).tolist(), strict=True))

    def result(self) -> dict[str, float]:
        """All are shares."""
        values = np.array(list(self.iou().values()))
        seen = values[~np.isnan(values)]
        return {
            "segmentation/miou": float(seen.mean()) if seen.size else float("nan"),
            "segmentation/miou_per_image": ratio(self._per_image, self._images),
            "segmentation/miou_per_image_legacy": ratio(self._per_image_legacy, self._images),
            "segmentation/pixel_accuracy": ratio(np.trace(self.confusion), self.confusion.sum()),
        }


class MotionMetrics:
    """What is said to move by itself against what does."""

    def __init__(self) -> None:
        self._both = self._predicted = self._true = self._known = 0

    def update(self, predicted: NDArray[np.uint8], true: NDArray[np.uint8]) -> None:
        """Add a frame; both uint8 [H, W] of 0 and 255, the truth 127 where unknown."""
        known = true != UNKNOWN_MOTION
        said, moving = predicted[known] > UNKNOWN_MOTION, true[known] > UNKNOWN_MOTION
        self._both += int(np.count_nonzero(said & moving))
        self._predicted += int(np.count_nonzero(said))
        self._true += int(np.count_nonzero(moving))
        self._known += int(np.count_nonzero(known))

    def merge(self, other: MotionMetrics) -> None:
        """Add all frames of another."""
        self._both += other._both
        self._predicted += other._predicted
        self._true += other._true
        self._known += other._known

    def result(self) -> dict[str, float]:
        """All are shares; ``motion/false_share`` is that of the static pixels called moving."""
        return {
            "motion/iou": ratio(self._both, self._predicted + self._true - self._both),
            "motion/f1": ratio(2 * self._both, self._predicted + self._true),
            "motion/precision": ratio(self._both, self._predicted),
            "motion/recall": ratio(self._both, self._true),
            "motion/false_share": ratio(self._predicted - self._both, self._known - self._true),
        }


class TemporalConsistency:
    """Whether a surface keeps its class from one frame to the next.

    The segmentation of a frame is carried to the next frame along the true optical flow, each
    pixel to the nearest one, and held against the segmentation there: the mean IoU of the two,
    after the temporal consistency of Liu et al., "Efficient semantic video segmentation with
    per-frame inference" (ECCV 2020), here with true flow and one confusion matrix over all pairs
    of frames. Only pixels count whose true class is the same at both ends, which leaves out what
    is hidden by something else then.

    Args:
        classes: Names by id.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._agreement = np.zeros((len(classes) + 1,) * 2, np.int64)

    def update(
        self,
        before: tuple[NDArray[np.uint8], NDArray[np.uint8]],
        now: tuple[NDArray[np.uint8], NDArray[np.uint8]],
        flow: NDArray[np.float32],
    ) -> None:
        """Add a pair of successive frames.

        Args:
            before: Predicted and true class ids of the earlier frame, uint8 [H, W], 255 for none.
            now: Those of the later one.
            flow: By how many pixels each pixel of the earlier frame moves, right and down,
                float32 [H, W, 2]; NaN where unknown.
        """
        height, width = flow.shape[:2]
        row, column = np.nonzero(np.isfinite(flow).all(-1) & (before[1] != UNLABELLED))
        moved = flow[row, column]
        to_column = np.rint(column + moved[:, 0].astype(np.float64))
        to_row = np.rint(row + moved[:, 1].astype(np.float64))
        inside = (to_column >= 0) & (to_column < width) & (to_row >= 0) & (to_row < height)
        source = row[inside], column[inside]
        target = to_row[inside].astype(np.intp), to_column[inside].astype(np.intp)
        same = before[1][source] == now[1][target]
        size = len(self._agreement)
        carried, found = (
            np.minimum(ids[same], size - 1).astype(np.int64)
            for ids in (before[0][source], now[0][target])
        )
        pairs = np.bincount(carried * size + found, minlength=size**2)
        self._agreement += pairs.reshape(size, size)

    def merge(self, other: TemporalConsistency) -> None:
        """Add all pairs of another of the same classes."""
        self._agreement += other._agreement

    def result(self) -> dict[str, float]:
        """``temporal/consistency``, 0..1."""
        values = _iou(self._agreement[:-1], self._agreement)
        seen = values[~np.isnan(values)]
        return {"temporal/consistency": float(seen.mean()) if seen.size else float("nan")}


def _iou(counts: NDArray[np.integer], predicted_in: NDArray[np.integer]) -> NDArray[np.float64]:
    """IoU by class from counts [classes, classes + 1]; NaN where a class is nowhere.

    ``predicted_in`` says over which pixels predictions count in the union.
    """
    size = len(counts)
    hit = np.diagonal(counts)
    union = counts.sum(1) + predicted_in.sum(0)[:size] - hit
    return np.where(union > 0, hit / np.maximum(union, 1), np.nan)


def ratio(part: float, whole: float) -> float:
    """The quotient, NaN where there is nothing to divide by."""
    return float(part / whole) if whole else float("nan")
