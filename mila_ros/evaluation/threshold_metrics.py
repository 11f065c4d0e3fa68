# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of edges and saliency: the best over all thresholds of a predicted probability.

The classes are used as those of `metrics`. Probabilities are uint8 0..255; at the threshold
t = 1..255 a pixel is one where its probability is t or more.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .metrics import ratio

UNKNOWN = 255
_LEVELS = 256
_RIDGE_SIGMA = 1.0  # pixels


class SaliencyMetrics:
    """``saliency/max_miou``: IoU of the salient pixels of each image, mean over images, the best.

    The best is over thresholds, each the same for all images. An image in which nothing is salient
    and nothing is said to be counts as 1.
    """

    def __init__(self) -> None:
        self._iou = np.zeros(_LEVELS)
        self._images = 0

    def update(self, predicted: NDArray[np.uint8], true: NDArray[np.uint8]) -> None:
        """Add a frame; both uint8 [H, W], the truth 1 salient, 0 not, 255 unknown."""
        known, salient = true != UNKNOWN, true == 1
        if not known.any():
            return
        hit = _at_thresholds(predicted[salient])
        union = _at_thresholds(predicted[known]) + np.count_nonzero(salient) - hit
        self._iou += np.where(union > 0, hit / np.maximum(union, 1), 1.0)
        self._images += 1

    def merge(self, other: SaliencyMetrics) -> None:
        """Add all frames of another."""
        self._iou += other._iou
        self._images += other._images

    def result(self) -> dict[str, float]:
        """``saliency/max_miou``, a share."""
        return {"saliency/max_miou": ratio(self._iou[1:].max(), self._images)}


class EdgeMetrics:
    """``edges/ods_f``: F-measure of edges at the threshold that is best for the whole data set.

    After Martin, Fowlkes and Malik, "Learning to detect natural image boundaries" (PAMI 2004).
    Predictions are thinned to ridges (`ridges`). A predicted edge pixel is right when a true one
    lies within the tolerance, a true one is found when a predicted one does; precision and recall
    are shares of all pixels of all images, F = 2 P R / (P + R).

    The program of the BSDS benchmark, which papers use, thins in its own way and assigns predicted
    to true pixels one to one at least cost, so that a true edge pays for one prediction only: its
    figures are somewhat lower where two edges are predicted close to one.

    Args:
        tolerance: Share of the image's diagonal: 0.0075 in BSDS and PASCAL, 0.011 in NYUD.
    """

    def __init__(self, tolerance: float = 0.0075) -> None:
        self._tolerance = tolerance
        # Pixels by level: predicted edges, those of them that are right, and true edges by the
        # strongest prediction within their reach.
        self._levels = np.zeros((3, _LEVELS), np.int64)

    def update(self, predicted: NDArray[np.uint8], true: NDArray[np.uint8]) -> None:
        """Add a frame; both uint8 [H, W], the truth 1 edge, 0 none, 255 unknown."""
        edges = true == 1
        found = np.where(true == UNKNOWN, 0, ridges(predicted)).astype(np.uint8)
        reach = self._tolerance * float(np.hypot(*true.shape))
        near = cv2.dilate(edges.astype(np.uint8), _disc(reach)) > 0
        strongest = cv2.dilate(found, _disc(reach))
        for row, levels in zip(
            self._levels, (found[found > 0], found[near & (found > 0)], strongest[edges]),
            strict=True,
        ):  # fmt: skip
            row += np.bincount(levels, minlength=_LEVELS)

    def merge(self, other: EdgeMetrics) -> None:
        """Add all frames of another of the same tolerance."""
        self._levels += other._levels

    def result(self) -> dict[str, float]:
        """``edges/ods_f``, a share; NaN without a true edge."""
        predicted, right, found = (row[::-1].cumsum()[::-1][1:] for row in self._levels)
        true = self._levels[2].sum()
        if not true:
            return {"edges/ods_f": float("nan")}
        precision, recall = right / np.maximum(predicted, 1), found / true
        both = precision + recall
        f = np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1), 0.0)
        return {"edges/ods_f": float(f.max())}


def ridges(probability: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A map of edges, uint8 [H, W], with 0 wherever it is not highest across its edge.

    The direction across is that of the strongest downward curvature of the map, smoothed by a
    Gaussian of one pixel; there a pixel must not be lower than its neighbour on the one side, and
    must be higher than that on the other.
    """
    smooth = cv2.GaussianBlur(probability.astype(np.float32), (0, 0), _RIDGE_SIGMA)
    xx, yy, xy = (
        cv2.Sobel(smooth, cv2.CV_32F, *order, borderType=cv2.BORDER_REPLICATE)
        for order in ((2, 0), (0, 2), (1, 1))
    )
    across = np.arctan2(2 * xy, xx - yy) / 2 + np.float32(np.pi / 2)
    # One of the two opposite directions, the same for neighbours: else both of a pair of equals
    # could go, or stay.
    sign = np.where(np.cos(across - np.float32(0.6)) < 0, -1, 1).astype(np.float32)
    dx, dy = sign * np.cos(across), sign * np.sin(across)
    row, column = np.mgrid[: smooth.shape[0], : smooth.shape[1]].astype(np.float32)
    ahead, behind = (
        cv2.remap(
            smooth, column + way * dx, row + way * dy, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for way in (1, -1)
    )  # fmt: skip
    return np.where((smooth >= ahead) & (smooth > behind), probability, 0).astype(np.uint8)


def _at_thresholds(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many values are t or more, by t = 0..255."""
    return np.bincount(values, minlength=_LEVELS)[::-1].cumsum()[::-1]


def _disc(radius: float) -> NDArray[np.uint8]:
    """The pixels within a radius of the middle one."""
    side = int(radius)
    row, column = np.mgrid[-side : side + 1, -side : side + 1]
    return (row**2 + column**2 <= radius**2).astype(np.uint8)
