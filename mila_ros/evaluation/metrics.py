# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of segmentation and motion from their definitions, pooled over a whole data set.

Keys name their convention. Each class takes frames with ``update``, takes in what another process
has counted with ``merge``, and gives figures with ``result``; a figure without any pixel to stand
on is NaN. `depth_metrics`, `normals_metrics`, `threshold_metrics` (edges and saliency) and
`consistency` (segmentation over time) have the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255
UNKNOWN_MOTION = 127


class SegmentationMetrics:
    """Intersection over union in the three conventions of the literature, and accuracies.

    ``segmentation/miou``
        One confusion matrix over the labelled pixels of all images, then the mean over the
        classes that occur or are predicted (Cityscapes, mmseg, MTAN's code since November 2020).
    ``segmentation/miou_per_image``
        IoU of each image over its labelled pixels, mean over the classes that occur or are
        predicted in it, mean over images (MTAN's code from July to November 2020).
    ``segmentation/miou_per_image_legacy``
        The same, but unlabelled pixels count in the union of the class predicted on them: what
        the tables of MTAN and MILA print (MTAN's code before July 2020).
    ``segmentation/pixel_accuracy``, ``segmentation/pixel_accuracy_per_image``
        Share of the labelled pixels that are right; of each image, the mean over images.
    ``segmentation/class_accuracy``
        The mean over the classes that occur of the share of their pixels that is found.

    Images without a labelled pixel count in none of them.

    Args:
        classes: Names by id.
        task: What the keys begin with.

    Attributes:
        confusion: Pixels int64 [true, predicted]; the last column is a prediction of none of the
            classes, which is always wrong.
    """

    def __init__(self, classes: Sequence[str], task: str = "segmentation") -> None:
        self.classes = tuple(classes)
        self.confusion = np.zeros((len(classes), len(classes) + 1), np.int64)
        self._task = task
        self._images = 0
        self._per_image = np.zeros(3)  # mIoU, mIoU legacy, accuracy

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
        self._per_image += [
            np.nanmean(class_iou(labelled, labelled)),
            np.nanmean(class_iou(labelled, matrix)),
            np.trace(labelled) / labelled.sum(),
        ]

    def merge(self, other: SegmentationMetrics) -> None:
        """Add all frames of another of the same classes."""
        self.confusion += other.confusion
        self._images += other._images
        self._per_image += other._per_image

    def iou(self) -> dict[str, float]:
        """Per class, |predicted ∩ true| / |predicted ∪ true|; NaN where both are empty."""
        values = class_iou(self.confusion, self.confusion)
        return dict(zip(self.classes, values.tolist(), strict=True))

    def result(self) -> dict[str, float]:
        """All are shares."""
        true = self.confusion.sum(1)
        hit = np.diagonal(self.confusion)
        miou, miou_legacy, accuracy = (ratio(s, self._images) for s in self._per_image)
        figures = {
            "miou": mean_of_known(class_iou(self.confusion, self.confusion)),
            "miou_per_image": miou,
            "miou_per_image_legacy": miou_legacy,
            "pixel_accuracy": ratio(hit.sum(), true.sum()),
            "pixel_accuracy_per_image": accuracy,
            "class_accuracy": mean_of_known(np.where(true > 0, hit / np.maximum(true, 1), np.nan)),
        }
        return {f"{self._task}/{key}": value for key, value in figures.items()}


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
        """All are shares.

        ``motion/false_share`` is that of the static pixels called moving, ``motion/pixel_accuracy``
        that of all known pixels called what they are.
        """
        wrong = self._predicted + self._true - 2 * self._both
        return {
            "motion/iou": ratio(self._both, self._predicted + self._true - self._both),
            "motion/f1": ratio(2 * self._both, self._predicted + self._true),
            "motion/precision": ratio(self._both, self._predicted),
            "motion/recall": ratio(self._both, self._true),
            "motion/false_share": ratio(self._predicted - self._both, self._known - self._true),
            "motion/pixel_accuracy": ratio(self._known - wrong, self._known),
        }


def class_iou(
    counts: NDArray[np.integer], predicted_in: NDArray[np.integer]
) -> NDArray[np.float64]:
    """IoU by class from counts [classes, classes + 1]; NaN where a class is nowhere.

    ``predicted_in`` says over which pixels predictions count in the union.
    """
    size = len(counts)
    hit = np.diagonal(counts)
    union = counts.sum(1) + predicted_in.sum(0)[:size] - hit
    return np.where(union > 0, hit / np.maximum(union, 1), np.nan)


def mean_of_known(values: NDArray[np.float64]) -> float:
    """The mean of those that are numbers, NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def ratio(part: float, whole: float) -> float:
    """The quotient, NaN where there is nothing to divide by."""
    return float(part / whole) if whole else float("nan")
