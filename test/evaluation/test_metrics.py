# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mila_ros.evaluation.metrics import DepthMetrics, MotionMetrics, SegmentationMetrics


def test_segmentation_by_hand():
    metrics = SegmentationMetrics(["a", "b", "c", "never"])
    true = np.array([[0, 0, 1, 255]], np.uint8)
    metrics.update(np.array([[0, 1, 1, 2]], np.uint8), true)
    metrics.update(np.array([[0, 0, 2, 0]], np.uint8), true)
    # a: 3 hits of 4 true, 3 predicted; b: 1 hit of 2 true, 2 predicted; c: 0 of 1 predicted.
    iou = metrics.iou()
    assert iou["a"] == 3 / 4 and iou["b"] == 1 / 3 and iou["c"] == 0
    assert math.isnan(iou["never"])
    assert metrics.result() == {
        "segmentation/miou": pytest.approx((3 / 4 + 1 / 3 + 0) / 3),
        "segmentation/pixel_accuracy": pytest.approx(4 / 6),
    }


def test_depth_by_hand():
    metrics = DepthMetrics(max_m=50)
    true = np.array([[10, 20, np.nan, 60, 40, 5]], np.float32)
    predicted = np.array([[12, 20, 3, 60, np.inf, 10]], np.float32)
    metrics.update(predicted, true)
    result = metrics.result()
    assert result["depth/abs_error"] == pytest.approx((2 + 0 + 5) / 3)
    assert result["depth/rel_error"] == pytest.approx((0.2 + 0 + 1) / 3)
    assert result["depth/rmse"] == pytest.approx(math.sqrt((4 + 0 + 25) / 3))
    assert result["depth/delta1"] == pytest.approx(2 / 3)  # 1.2 and 1 pass, 2 does not
    assert result["depth/delta3"] == pytest.approx(2 / 3)
    assert result["depth/coverage"] == pytest.approx(3 / 4)


def test_depth_pools_pixels_not_frames():
    metrics = DepthMetrics()
    metrics.update(np.full((1, 3), 2, np.float32), np.full((1, 3), 1, np.float32))
    metrics.update(np.full((1, 1), 1, np.float32), np.full((1, 1), 1, np.float32))
    assert metrics.result()["depth/abs_error"] == pytest.approx(0.75)


def test_motion_by_hand():
    metrics = MotionMetrics()
    metrics.update(
        np.array([[255, 255, 0, 0, 255]], np.uint8), np.array([[255, 0, 255, 0, 127]], np.uint8)
    )
    assert metrics.result() == {
        "motion/iou": pytest.approx(1 / 3),
        "motion/f1": pytest.approx(1 / 2),
        "motion/precision": 0.5,
        "motion/recall": 0.5,
    }


def test_nothing_measured_is_nan():
    for metrics in (SegmentationMetrics(["a"]), DepthMetrics(), MotionMetrics()):
        assert all(math.isnan(value) for value in metrics.result().values())
