# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of depth and surface normals from their definitions, pooled over a whole data set."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .metrics import ratio

_DISTANCES = 10  # intervals of depth that errors are also given by
_OPEN_ENDED_M = 100.0
_BINS_PER_DEGREE = 100


class DepthMetrics:
    """Errors of metric depth over the pixels whose true depth is known and within range.

    With p predicted and t true, over all answered pixels: ``depth/abs_error`` mean |p - t|,
    ``depth/rel_error`` mean |p - t| / t, ``depth/rmse`` √mean (p - t)², ``depth/log_rmse``
    √mean (ln p - ln t)², ``depth/deltaN`` the share with max(p/t, t/p) < 1.25^N (Eigen et al.,
    NeurIPS 2014, section 4.2). ``depth/coverage`` is the share of the known pixels that are
    answered. ``depth/median_scale`` is the median over frames of median t / median p;
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
        self._scales.append(scale)
        # What is farther than the last edge belongs to the last interval.
        place = np.minimum((t * (_DISTANCES / self._edges[-1])).astype(np.intp), _DISTANCES - 1)
        for row, weights in zip(self._by_distance, (None, error, relative), strict=True):
            row += np.bincount(place, weights, minlength=_DISTANCES)

    def merge(self, other: DepthMetrics) -> None:
        """Add all frames of another of the same range."""
        self._sums += other._sums
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
        return {
            "depth/abs_error": abs_error,
            "depth/rel_error": rel_error,
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


class NormalsMetrics:
    """Angles in degrees between predicted and true normals, pooled over pixels.

    Mean and shares are exact; the median is read from a histogram of a hundredth of a degree, so
    that it is right to half of that. A prediction that is not finite counts as 180 degrees.
    """

    WITHIN_DEG = (11.25, 22.5, 30)

    def __init__(self) -> None:
        self._histogram = np.zeros(180 * _BINS_PER_DEGREE, np.int64)
        self._total = 0.0
        self._within = np.zeros(len(self.WITHIN_DEG), np.int64)

    def update(self, predicted: NDArray[np.float32], true: NDArray[np.float32]) -> None:
        """Add a frame; both [H, W, 3] of any length, the truth not finite where unknown."""
        known = np.isfinite(true).all(-1)
        p, t = predicted[known].astype(np.float64), true[known].astype(np.float64)
        # Exact near 0 and 180 degrees too, where the arc cosine of the product is not.
        across = np.linalg.norm(np.cross(p, t), axis=-1)
        angle = np.degrees(np.arctan2(across, (p * t).sum(-1)))
        angle = np.where(np.isfinite(angle), angle, 180.0)
        self._total += float(angle.sum())
        self._within += [np.count_nonzero(angle < limit) for limit in self.WITHIN_DEG]
        bins = np.minimum((angle * _BINS_PER_DEGREE).astype(np.intp), self._histogram.size - 1)
        self._histogram += np.bincount(bins, minlength=self._histogram.size)

    def merge(self, other: NormalsMetrics) -> None:
        """Add all frames of another."""
        self._histogram += other._histogram
        self._total += other._total
        self._within += other._within

    def result(self) -> dict[str, float]:
        """mean_angle and median_angle in degrees, the others shares."""
        pixels = int(self._histogram.sum())
        return {
            "normals/mean_angle": ratio(self._total, pixels),
            "normals/median_angle": self._median(pixels),
            **{
                f"normals/within_{limit:g}": ratio(int(count), pixels)
                for limit, count in zip(self.WITHIN_DEG, self._within, strict=True)
            },
        }

    def _median(self, pixels: int) -> float:
        if not pixels:
            return math.nan
        middle = int(np.searchsorted(np.cumsum(self._histogram), pixels / 2))
        return (middle + 0.5) / _BINS_PER_DEGREE
