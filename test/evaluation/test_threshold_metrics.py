# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of edges and saliency against figures by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mila_ros.evaluation.threshold_metrics import EdgeMetrics, SaliencyMetrics, ridges

SIZE = (60, 80)  # a diagonal of 100 pixels


def lines(size=SIZE, **columns: int) -> np.ndarray:
    """Vertical lines, a column each: c12=200 is the value 200 in column 12."""
    pixels = np.zeros(size, np.uint8)
    for column, value in columns.items():
        pixels[:, int(column[1:])] = value
    return pixels


def ods_f(*pairs, tolerance=0.0205) -> float:
    metrics = EdgeMetrics(tolerance)
    for predicted, true in pairs:
        metrics.update(predicted, true)
    return metrics.result()["edges/ods_f"]


@pytest.mark.parametrize(("away", "expected"), [(0, 1), (2, 1), (3, 0), (-2, 1), (-3, 0)])
def test_an_edge_is_right_within_the_tolerance(away, expected):
    # 2.05 of the diagonal's 100 pixels.
    predicted = lines(**{f"c{40 + away}": 200})
    assert ods_f((predicted, lines(c40=1))) == expected


def test_precision_and_recall_by_hand():
    true = lines(c20=1, c60=1)
    # Of four lines two are right: P = 1/2, R = 1.
    assert ods_f((lines(c5=90, c20=90, c40=90, c60=90), true)) == pytest.approx(2 / 3)
    # One line of two, which is right: P = 1, R = 1/2.
    assert ods_f((lines(c60=90), true)) == pytest.approx(2 / 3)
    # Half of the one, with the two pixels below within reach of it: R = 32/120.
    half = lines(c20=90)
    half[30:] = 0
    recall = 32 / 120
    assert ods_f((half, true)) == pytest.approx(2 * recall / (1 + recall), abs=0.005)


def test_the_threshold_is_the_best_one_for_the_whole_data_set():
    true = lines(c20=1, c60=1)
    weak_is_wrong = lines(c20=200, c60=200, c40=50)
    assert ods_f((weak_is_wrong, true)) == 1  # at 51 to 200
    strong_is_wrong = lines(c20=50, c60=50, c40=200)
    assert ods_f((strong_is_wrong, true)) == pytest.approx(0.8)  # at 50: P = 2/3, R = 1
    # Together, best at 50: P = 4/6, R = 1; at 51 it is P = 2/3, R = 1/2.
    assert ods_f((weak_is_wrong, true), (strong_is_wrong, true)) == pytest.approx(0.8)


def test_unknown_pixels_count_for_nothing():
    true = lines(c20=1, c60=1)
    true[:, 30:50] = 255
    assert ods_f((lines(c20=90, c60=90, c40=90), true)) == 1


def test_thick_edges_are_thinned_to_one_pixel():
    for width in (1, 2, 3, 5):
        thick = np.zeros(SIZE, np.uint8)
        thick[:, 40 : 40 + width] = 255
        for picture in (thick, np.ascontiguousarray(thick.T)):
            thin = ridges(picture)
            across = 0 if picture.shape != SIZE else 1
            assert (np.count_nonzero(thin, axis=across) == 1).all(), width
            where = np.nonzero(thin)[across]
            assert set(where) <= {40 + (width - 1) // 2, 40 + width // 2}
    row, column = np.mgrid[: SIZE[0], : SIZE[1]]
    slanted = np.where(np.abs(row - 0.5 * column - 5) < 1.6, 255, 0).astype(np.uint8)
    thin = ridges(slanted)
    inner = np.count_nonzero(thin[:, 5:75], axis=0)
    assert np.count_nonzero(slanted[:, 5:75], axis=0).mean() > 3 and inner.mean() < 1.6
    assert inner.min() >= 1  # and not interrupted
    assert not ridges(np.full(SIZE, 77, np.uint8)).any()


def test_saliency_by_hand():
    metrics = SaliencyMetrics()
    predicted = np.array([[200, 200, 100, 100, 50, 0]], np.uint8)
    metrics.update(predicted, np.array([[1, 1, 1, 0, 255, 0]], np.uint8))
    # From 101: 2 of 3; from 1 to 100: 3 of 4 (the pixel of 50 is unknown).
    assert metrics.result()["saliency/max_miou"] == pytest.approx(3 / 4)
    metrics.update(predicted, np.array([[1, 1, 0, 0, 0, 0]], np.uint8))
    # From 101: (2/3 + 1) / 2; from 51: (3/4 + 1/2) / 2.
    assert metrics.result()["saliency/max_miou"] == pytest.approx(5 / 6)
    nothing = SaliencyMetrics()
    nothing.update(np.full((1, 6), 30, np.uint8), np.zeros((1, 6), np.uint8))
    assert nothing.result()["saliency/max_miou"] == 1  # from 31, where it says nothing
    metrics.merge(nothing)
    assert metrics.result()["saliency/max_miou"] == pytest.approx((2 / 3 + 1 + 1) / 3)


def test_merged_is_as_if_counted_in_one():
    random = np.random.default_rng(0)
    pairs = [
        (random.integers(0, 256, SIZE, np.uint8), (random.random(SIZE) < 0.1).astype(np.uint8))
        for _ in range(4)
    ]
    for kind in (EdgeMetrics, SaliencyMetrics):
        whole, parts = kind(), [kind(), kind()]
        for number, pair in enumerate(pairs):
            for metrics in (whole, parts[number % 2]):
                metrics.update(*pair)
        parts[0].merge(parts[1])
        assert parts[0].result() == pytest.approx(whole.result())
        assert 0 < next(iter(whole.result().values())) < 1


def test_nothing_measured_is_nan():
    for metrics in (EdgeMetrics(), SaliencyMetrics()):
        metrics.update(np.full(SIZE, 9, np.uint8), np.full(SIZE, 255, np.uint8))
        assert all(math.isnan(value) for value in metrics.result().values())
