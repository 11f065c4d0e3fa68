# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of depth and disparity from their definitions, over a whole data set."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .metrics import ratio

_DISTANCES = 10  # intervals of depth that errors are also given by
_OPEN_ENDED_M = 100.0


class DepthMetrics:
    """Errors of metric depth over the pixels whose true depth is known and within range.

    With p predicted and t true, over all answered pixels: ``depth/abs_error`` mean |p - t|,
    ``depth/rel_error`` mean |p - t| / t, ``depth/rmse`` √mean (p - t)², ``depth/log_rmse``
    √mean (ln p - ln t)², ``depth/deltaN`` the share with max(p/t, t/p) < 1.25^N (Eigen et al.,
    NeurIPS 2014, section 4.2). ``depth/coverage`` is the share of the known pixels that are
    answered. ``depth/abs_error_per_image`` and ``depth/rel_error_per_image`` are the means over
    images of each image's own mean, what MTAN's averaging over batches is for batches of one.
    ``depth/median_scale`` is the median over frames of median t / median p;
    ``depth/rel_error_aligned`` is the relative error after each frame is multiplied with its own
    (Zhou et al., CVPR 2017, section 4.2).

    Args:
        max_m: Pixels that are truly farther are left out.
    """

    def __init__(self, max_m: float = math.inf) -> None:
        self.max_m = max_m
        end = max_m if math.isfinite(max_m) else _OPEN_ENDED_M
        self._edges = np.linspace(0, end, _DISTANCES + 1)
        self._sums = np.zeros(8)  # |e|, |e|/t, e², (ln p/t)², δ1, δ2, δ3, |e|/t aligned
        self._per_image = np.zeros(2)  # |e|, |e|/t
        self._by_distance = np.zeros((3, _DISTANCES))  # pixels, |e|, |e|/t
        self._known = self._answered = 0
        self._scales: list[float] = []

    def update(self, predicted: NDArray[np.float32], true: NDArray[np.float32]) -> None:
        """Add a frame; both metres [H, W], the truth not finite or 0 where unknown.

        A prediction that is not finite counts against ``depth/coverage`` and nowhere else.
        """
        known = np.isfinite(true) & (true > 0) & (true <= self.max_m)
        answered = known & np.isfinite(predicted) & (predicted > 0)
        self._known += int(known.sum())
        self._answered += int(answered.sum())
        if not answered.any():
            return
        p, t = predicted[answered].astype(np.float64), true[answered].astype(np.float64)
        scale = float(np.median(t) / np.median(p))
        error, factor = np.abs(p - t), np.maximum(p / t, t / p)
        relative = error / t
        self._sums += [
            error.sum(),
            relative.sum(),
            (error**2).sum(),
            (np.log(factor) ** 2).sum(),
            *(np.count_nonzero(factor < 1.25**n) for n in (1, 2, 3)),
            (np.abs(p * scale - t) / t).sum(),
        ]
        self._per_image += [error.mean(), relative.mean()]
        self._scales.append(scale)
        # What is farther than the last edge belongs to the last interval.
        place = np.minimum((t * (_DISTANCES / self._edges[-1])).astype(np.intp), _DISTANCES - 1)
        for row, weights in zip(self._by_distance, (None, error, relative), strict=True):
            row += np.bincount(place, weights, minlength=_DISTANCES)

    def merge(self, other: DepthMetrics) -> None:
        """Add all frames of another of the same range."""
        self._sums += other._sums
        self._per_image += other._per_image
        self._by_distance += other._by_distance
        self._known += other._known
        self._answered += other._answered
        self._scales += other._scales

    def result(self) -> dict[str, float]:
        """abs_error and rmse in metres, median_scale a factor, the others shares or logarithms."""
        abs_error, rel_error, square, log_square, *rest = (
            ratio(s, self._answered) for s in self._sums
        )
        *delta, aligned = rest
        abs_per_image, rel_per_image = (ratio(s, len(self._scales)) for s in self._per_image)
        return {
            "depth/abs_error": abs_error,
            "depth/rel_error": rel_error,
            "depth/abs_error_per_image": abs_per_image,
            "depth/rel_error_per_image": rel_per_image,
            "depth/rmse": square**0.5,
            "depth/log_rmse": log_square**0.5,
            **{f"depth/delta{n}": value for n, value in enumerate(delta, start=1)},
            "depth/rel_error_aligned": aligned,
            "depth/median_scale": float(np.median(self._scales)) if self._scales else math.nan,
            "depth/coverage": ratio(self._answered, self._known),
        }

    def by_distance(self) -> list[dict[str, float]]:
        """``abs_error`` and ``rel_error`` by true depth, in ten equal intervals of the range.

        Without a range the last of them, from 90 m, is open.
        """
        pixels, errors, relative = self._by_distance
        return [
            {
                "from_m": float(self._edges[n]),
                "to_m": float(self._edges[n + 1]),
                "pixels": float(pixels[n]),
                "abs_error": ratio(errors[n], pixels[n]),
                "rel_error": ratio(relative[n], pixels[n]),
            }
            for n in range(_DISTANCES)
        ]


class DisparityMetrics:
    """Errors of disparity in MTAN's unit, as MTAN's and MILA's tables of Cityscapes have them.

    With p predicted and t true: ``depth/abs_error_mtan`` is the mean |p - t| of an image's known
    pixels, ``depth/rel_error_mtan`` that of |p - t| / t; both are averaged over images.
    """

    def __init__(self) -> None:
        self._per_image = np.zeros(2)
        self._images = 0

    def update(self, predicted: NDArray[np.float32], true: NDArray[np.float32]) -> None:
        """Add a frame; both [H, W], not finite where unknown, which is left out."""
        known = np.isfinite(true) & (true > 0) & np.isfinite(predicted)
        if known.any():
            t = true[known].astype(np.float64)
            error = np.abs(predicted[known] - t)
            self._per_image += [error.mean(), (error / t).mean()]
            self._images += 1

    def merge(self, other: DisparityMetrics) -> None:
        """Add all frames of another."""
        self._per_image += other._per_image
        self._images += other._images

    def result(self) -> dict[str, float]:
        """abs_error_mtan in the unit p / 65535, rel_error_mtan a share."""
        abs_error, rel_error = (ratio(s, self._images) for s in self._per_image)
        return {"depth/abs_error_mtan": abs_error, "depth/rel_error_mtan": rel_error}
