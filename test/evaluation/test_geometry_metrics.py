# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of depth and normals against figures by hand and a float64 reference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mila_ros.evaluation.depth_metrics import DepthMetrics, DisparityMetrics
from mila_ros.evaluation.normals_metrics import NormalsMetrics


def test_depth_by_hand():
    metrics = DepthMetrics(max_m=50)
    true = np.array([[10, 20, np.nan, 60, 40, 5]], np.float32)
    predicted = np.array([[12, 20, 3, 60, np.inf, 10]], np.float32)
    metrics.update(predicted, true)
    result = metrics.result()
    assert result["depth/abs_error"] == pytest.approx((2 + 0 + 5) / 3)
    assert result["depth/rel_error"] == pytest.approx((0.2 + 0 + 1) / 3)
    assert result["depth/rmse"] == pytest.approx(math.sqrt((4 + 0 + 25) / 3))
    assert result["depth/log_rmse"] == pytest.approx(
        math.sqrt((math.log(1.2) ** 2 + math.log(2) ** 2) / 3)
    )
    assert result["depth/delta1"] == pytest.approx(2 / 3)  # 1.2 and 1 pass, 2 does not
    assert result["depth/delta3"] == pytest.approx(2 / 3)
    assert result["depth/coverage"] == pytest.approx(3 / 4)
    # Medians of the three answered pixels: true 10, predicted 12.
    assert result["depth/median_scale"] == pytest.approx(10 / 12)
    assert result["depth/rel_error_aligned"] == pytest.approx((0 + 1 / 6 + 2 / 3) / 3)


def test_alignment_is_each_frames_own():
    metrics = DepthMetrics()
    true = np.array([[2.0, 4.0, 8.0]], np.float32)
    for factor in (0.5, 1.0, 4.0):
        metrics.update(true * np.float32(factor), true)
    result = metrics.result()
    assert result["depth/rel_error_aligned"] == pytest.approx(0, abs=1e-12)
    assert result["depth/median_scale"] == 1.0  # the median of 2, 1 and 1/4
    assert result["depth/rel_error"] == pytest.approx((0.5 + 0 + 3) / 3)


def test_depth_pools_pixels_not_frames():
    metrics = DepthMetrics()
    metrics.update(np.full((1, 3), 2, np.float32), np.full((1, 3), 1, np.float32))
    metrics.update(np.full((1, 1), 1, np.float32), np.full((1, 1), 1, np.float32))
    assert metrics.result()["depth/abs_error"] == pytest.approx(0.75)
    assert metrics.result()["depth/abs_error_per_image"] == pytest.approx(0.5)


def test_relative_error_of_images_by_hand_and_merged():
    parts = [DepthMetrics(), DepthMetrics()]
    nan = np.nan
    parts[0].update(np.array([[3, 3, 3]], np.float32), np.array([[2, 4, nan]], np.float32))
    parts[1].update(np.array([[5, nan, 5]], np.float32), np.array([[4, 4, nan]], np.float32))
    parts[0].merge(parts[1])
    result = parts[0].result()
    assert result["depth/rel_error_per_image"] == pytest.approx(((0.5 + 0.25) / 2 + 0.25) / 2)
    assert result["depth/rel_error"] == pytest.approx((0.5 + 0.25 + 0.25) / 3)


def test_disparity_by_hand():
    parts = [DisparityMetrics(), DisparityMetrics()]
    # Unknown truth is NaN, a prediction nearer than a model's range is no number.
    parts[0].update(
        np.array([[0.3, 0.1, 0.5, np.nan]], np.float32),
        np.array([[0.2, 0.2, np.nan, 0.1]], np.float32),
    )
    parts[1].update(np.array([[0.1]], np.float32), np.array([[0.4]], np.float32))
    parts[1].update(np.array([[0.1]], np.float32), np.array([[np.nan]], np.float32))
    parts[0].merge(parts[1])
    assert parts[0].result() == {
        "depth/abs_error_mtan": pytest.approx((0.1 + 0.3) / 2),
        "depth/rel_error_mtan": pytest.approx((0.5 + 0.75) / 2),
    }


def random_depths(seed):
    random = np.random.default_rng(seed)
    true = random.uniform(0.5, 80, (20, 30)).astype(np.float32)
    predicted = (true * random.lognormal(0.1, 0.4, true.shape)).astype(np.float32)
    true[random.random(true.shape) < 0.3] = np.nan
    return predicted, true


def test_depth_against_a_reference_in_parts_and_by_distance():
    pairs = [random_depths(seed) for seed in range(4)]
    parts = [DepthMetrics(50), DepthMetrics(50)]
    for number, pair in enumerate(pairs):
        parts[number % 2].update(*pair)
    parts[0].merge(parts[1])
    p, t = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    known = t <= 50
    p, t = p[known].astype(np.float64), t[known].astype(np.float64)
    result = parts[0].result()
    assert result["depth/rmse"] == pytest.approx(np.sqrt(np.mean((p - t) ** 2)), rel=1e-9)
    assert result["depth/rel_error"] == pytest.approx(np.mean(abs(p - t) / t), rel=1e-9)
    log_rmse = np.sqrt(np.mean((np.log(p) - np.log(t)) ** 2))
    assert result["depth/log_rmse"] == pytest.approx(log_rmse, rel=1e-9)
    for n in (1, 2, 3):
        share = np.mean(np.maximum(p / t, t / p) < 1.25**n)
        assert result[f"depth/delta{n}"] == pytest.approx(share, rel=1e-12)
    rows = parts[0].by_distance()
    assert [row["from_m"] for row in rows] == list(range(0, 50, 5))
    for row in rows:
        inside = (t >= row["from_m"]) & (t < row["to_m"])
        assert row["pixels"] == np.count_nonzero(inside)
        expected = np.mean(abs(p - t)[inside] / t[inside])
        assert row["rel_error"] == pytest.approx(expected, rel=1e-9)


def test_without_a_range_the_last_interval_is_open():
    metrics = DepthMetrics()
    metrics.update(np.array([[100, 300]], np.float32), np.array([[95, 200]], np.float32))
    last = metrics.by_distance()[-1]
    assert last["from_m"] == 90 and last["pixels"] == 2
    assert last["abs_error"] == pytest.approx((5 + 100) / 2)


def turned(degrees):
    """Unit vectors [1, N, 3] at these angles from the z axis."""
    angle = np.radians(np.asarray(degrees, np.float64))
    return np.stack([np.sin(angle), 0 * angle, np.cos(angle)], -1)[None].astype(np.float32)


def test_normals_by_hand():
    metrics = NormalsMetrics()
    degrees = [0, 5, 11, 12, 22, 25, 29, 90, 180]
    true = np.broadcast_to(np.float32([0, 0, 2]), (1, 9, 3)).copy()
    metrics.update(turned(degrees), true)
    result = metrics.result()
    assert result["normals/mean_angle"] == pytest.approx(np.mean(degrees), abs=1e-4)
    assert result["normals/median_angle"] == pytest.approx(22, abs=0.01)
    assert result["normals/within_11.25"] == pytest.approx(3 / 9)
    assert result["normals/within_22.5"] == pytest.approx(5 / 9)
    assert result["normals/within_30"] == pytest.approx(7 / 9)


def test_normals_of_images_by_hand():
    parts = [NormalsMetrics(), NormalsMetrics()]
    for metrics, degrees in zip(parts, ([0, 10, 50], [20]), strict=True):
        true = np.broadcast_to(np.float32([0, 0, 1]), (1, len(degrees), 3)).copy()
        metrics.update(turned(degrees), true)
        metrics.update(turned(degrees), np.full_like(true, np.nan))  # of which nothing is known
    parts[0].merge(parts[1])
    result = parts[0].result()
    assert result["normals/mean_angle_per_image"] == pytest.approx((20 + 20) / 2, abs=1e-4)
    assert result["normals/median_angle_per_image"] == pytest.approx((10 + 20) / 2, abs=1e-4)
    assert result["normals/within_11.25_per_image"] == pytest.approx((2 / 3 + 0) / 2)
    assert result["normals/mean_angle"] == pytest.approx(20, abs=1e-4)
    assert result["normals/within_22.5"] == pytest.approx(3 / 4)


def test_normals_pool_pixels_and_leave_the_unknown_out():
    random = np.random.default_rng(0)
    whole = random.normal(size=(40, 50, 3)).astype(np.float32)
    true = whole + random.normal(scale=0.3, size=whole.shape).astype(np.float32)
    true[:5] = np.nan
    whole[20, :3] = np.nan
    parts = [NormalsMetrics(), NormalsMetrics()]
    parts[0].update(whole[:13], true[:13])  # of unequal size: the median is not that of medians
    parts[1].update(whole[13:], true[13:])
    parts[0].merge(parts[1])
    p, t = (v[5:].reshape(-1, 3).astype(np.float64) for v in (whole, true))
    cosine = (p * t).sum(1) / np.linalg.norm(p, axis=1) / np.linalg.norm(t, axis=1)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    angle[np.isnan(angle)] = 180  # what is not answered
    result = parts[0].result()
    assert result["normals/mean_angle"] == pytest.approx(angle.mean(), abs=1e-6)
    # Half the width of a bin, and the distance between the two middle values.
    assert result["normals/median_angle"] == pytest.approx(np.median(angle), abs=0.02)
    assert result["normals/within_11.25"] == pytest.approx(np.mean(angle < 11.25))


def test_nothing_measured_is_nan():
    for metrics in (DepthMetrics(), DisparityMetrics(), NormalsMetrics()):
        assert all(math.isnan(value) for value in metrics.result().values())


def test_a_normal_of_length_zero_is_no_answer_and_no_truth():
    metrics = NormalsMetrics()
    true = np.float32([[[0, 0, 1], [0, 0, 1], [0, 0, 0]]])
    metrics.update(np.float32([[[0, 0, 0], [0, 0, 2], [0, 0, 1]]]), true)
    assert metrics.result()["normals/mean_angle"] == pytest.approx(90)
    assert metrics.result()["normals/within_11.25"] == 0.5
