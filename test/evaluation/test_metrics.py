# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of segmentation and motion against figures by hand and against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mila_ros.evaluation.consistency import TemporalConsistency
from mila_ros.evaluation.metrics import MotionMetrics, SegmentationMetrics


def iou_by_loops(predicted, true, classes, counted):
    """Mean over the classes of |p ∩ t| / |p ∪ t|, predictions counted where ``counted`` holds."""
    values = []
    for number in range(classes):
        said, is_true = (predicted == number) & counted, true == number
        union = np.count_nonzero(said | is_true)
        if union:
            values.append(np.count_nonzero(said & is_true) / union)
    return float(np.mean(values))


def images(seed, count=5, classes=4):
    """Predictions and truths with void in the truth, of unequal sizes."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        size = tuple(random.integers(3, 12, 2))
        true = random.integers(0, classes, size).astype(np.uint8)
        predicted = np.where(random.random(size) < 0.6, true, random.integers(0, classes, size))
        true[random.random(size) < 0.2] = 255
        yield predicted.astype(np.uint8), true


def test_segmentation_by_hand():
    metrics = SegmentationMetrics(["a", "b", "c", "never"])
    true = np.array([[0, 0, 1, 255]], np.uint8)
    metrics.update(np.array([[0, 1, 1, 2]], np.uint8), true)
    metrics.update(np.array([[0, 0, 2, 0]], np.uint8), true)
    # a: 3 hits of 4 true, 3 predicted; b: 1 hit of 2 true, 2 predicted; c: 0 of 1 predicted.
    iou = metrics.iou()
    assert iou["a"] == 3 / 4 and iou["b"] == 1 / 3 and iou["c"] == 0
    assert math.isnan(iou["never"])
    first, second = [1 / 2, 1 / 2], [1, 0, 0]
    # With the unlabelled pixel: the first image has c predicted on it, the second a.
    first_legacy, second_legacy = [1 / 2, 1 / 2, 0], [2 / 3, 0, 0]
    assert metrics.result() == {
        "segmentation/miou": pytest.approx((3 / 4 + 1 / 3 + 0) / 3),
        "segmentation/miou_per_image": pytest.approx((np.mean(first) + np.mean(second)) / 2),
        "segmentation/miou_per_image_legacy": pytest.approx(
            (np.mean(first_legacy) + np.mean(second_legacy)) / 2
        ),
        "segmentation/pixel_accuracy": pytest.approx(4 / 6),
        "segmentation/pixel_accuracy_per_image": pytest.approx((2 / 3 + 2 / 3) / 2),
        "segmentation/class_accuracy": pytest.approx((3 / 4 + 1 / 2) / 2),  # c is nowhere true
    }


def test_accuracy_of_pixels_and_of_images():
    metrics = SegmentationMetrics("ab", "human_parts")
    metrics.update(np.array([[0, 0, 0, 0]], np.uint8), np.array([[0, 0, 0, 1]], np.uint8))
    metrics.update(np.array([[0, 1]], np.uint8), np.array([[1, 255]], np.uint8))
    result = metrics.result()
    assert result["human_parts/pixel_accuracy"] == 3 / 5
    assert result["human_parts/pixel_accuracy_per_image"] == (3 / 4 + 0) / 2
    assert result["human_parts/class_accuracy"] == (1 + 0) / 2
    assert result["human_parts/miou"] == (3 / 5 + 0) / 2


def test_the_three_conventions_are_three_figures():
    pairs = list(images(0))
    metrics = SegmentationMetrics("abcd")
    for predicted, true in pairs:
        metrics.update(predicted, true)
    result = metrics.result()
    pooled = [np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1)]
    expected = {
        "segmentation/miou": iou_by_loops(*pooled, 4, pooled[1] != 255),
        "segmentation/miou_per_image": np.mean([iou_by_loops(p, t, 4, t != 255) for p, t in pairs]),
        "segmentation/miou_per_image_legacy": np.mean(
            [iou_by_loops(p, t, 4, np.full(t.shape, True)) for p, t in pairs]
        ),
    }
    for key, value in expected.items():
        assert result[key] == pytest.approx(value, rel=1e-12), key
    assert len({round(value, 3) for value in expected.values()}) == 3


def test_a_prediction_of_no_class_is_wrong_and_takes_no_other_class_union():
    metrics = SegmentationMetrics("ab")
    metrics.update(np.array([[0, 255, 1, 9]], np.uint8), np.array([[0, 0, 1, 1]], np.uint8))
    assert metrics.iou() == {"a": 0.5, "b": 0.5}
    assert metrics.result()["segmentation/pixel_accuracy"] == 0.5
    assert metrics.confusion.tolist() == [[1, 0, 1], [0, 1, 1]]


def test_an_unlabelled_image_counts_in_no_mean():
    metrics = SegmentationMetrics("ab")
    metrics.update(np.array([[0, 1]], np.uint8), np.array([[0, 1]], np.uint8))
    metrics.update(np.array([[0, 1]], np.uint8), np.array([[255, 255]], np.uint8))
    result = metrics.result()
    assert result["segmentation/miou"] == result["segmentation/miou_per_image_legacy"] == 1


def test_motion_by_hand():
    metrics = MotionMetrics()
    metrics.update(
        np.array([[255, 255, 0, 0, 255, 0]], np.uint8),
        np.array([[255, 0, 255, 0, 127, 0]], np.uint8),
    )
    assert metrics.result() == {
        "motion/iou": pytest.approx(1 / 3),
        "motion/f1": pytest.approx(1 / 2),
        "motion/precision": 0.5,
        "motion/recall": 0.5,
        "motion/false_share": pytest.approx(1 / 3),  # one of three static pixels
        "motion/pixel_accuracy": pytest.approx(3 / 5),
    }


def test_a_still_scene_has_a_false_share_and_no_recall():
    metrics = MotionMetrics()
    metrics.update(np.array([[255, 0, 0, 0]], np.uint8), np.zeros((1, 4), np.uint8))
    result = metrics.result()
    assert result["motion/false_share"] == 0.25 and math.isnan(result["motion/recall"])


def test_consistency_follows_the_flow():
    metrics = TemporalConsistency("ab")
    # A row moves one pixel to the right; its last pixel leaves the image.
    flow = np.zeros((1, 5, 2), np.float32)
    flow[..., 0] = 1.2
    flow[0, 3] = np.nan
    before = np.array([[0, 1, 1, 1, 1]], np.uint8), np.array([[0, 1, 0, 1, 1]], np.uint8)
    now = np.array([[1, 0, 1, 0, 0]], np.uint8), np.array([[0, 0, 1, 1, 1]], np.uint8)
    # 0 -> 1: truth a stays a, predicted a stays a. 1 -> 2: b and b. 2 -> 3: a is hidden by b,
    # left out; 3 has no flow; 4 leaves.
    metrics.update(before, now, flow)
    assert metrics.result() == {"temporal/consistency": 1.0}
    flicker = np.array([[1, 1, 1, 0, 0]], np.uint8), now[1]
    metrics.update(before, flicker, flow)
    # Pairs in all: a-a, b-b, a-b, b-b. a: 1 of 2; b: 2 of 3.
    assert metrics.result()["temporal/consistency"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_consistency_of_vertical_flow_and_unlabelled_pixels():
    metrics = TemporalConsistency("ab")
    flow = np.zeros((3, 1, 2), np.float32)
    flow[..., 1] = -1
    true = np.array([[0], [0], [255]], np.uint8)
    metrics.update(
        (np.array([[0], [1], [1]], np.uint8), true),
        (np.array([[1], [1], [0]], np.uint8), true),
        flow,
    )
    # Only 1 -> 0 counts: 0 leaves the image, 2 is unlabelled.
    assert metrics.result() == {"temporal/consistency": 1.0}


@pytest.mark.parametrize("seed", range(3))
def test_merged_is_as_if_counted_in_one(seed):
    pairs = list(images(seed))
    whole, parts = SegmentationMetrics("abcd"), [SegmentationMetrics("abcd") for _ in range(2)]
    moving, moving_parts = MotionMetrics(), [MotionMetrics() for _ in range(2)]
    for number, (predicted, true) in enumerate(pairs):
        for metrics in (whole, parts[number % 2]):
            metrics.update(predicted, true)
        for metrics in (moving, moving_parts[number % 2]):
            metrics.update((predicted > 1) * np.uint8(255), (true > 1) * np.uint8(255))
    parts[0].merge(parts[1])
    moving_parts[0].merge(moving_parts[1])
    assert parts[0].result() == pytest.approx(whole.result(), rel=1e-12)
    np.testing.assert_array_equal(parts[0].confusion, whole.confusion)
    assert moving_parts[0].result() == moving.result()


def test_nothing_measured_is_nan():
    for metrics in (SegmentationMetrics(["a"]), MotionMetrics(), TemporalConsistency(["a"])):
        assert all(math.isnan(value) for value in metrics.result().values())
