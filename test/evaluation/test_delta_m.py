# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Δm by hand and against the rows of the papers' tables."""

from __future__ import annotations

import math

import pytest

from mila_ros.errors import MilaError
from mila_ros.evaluation.delta_m import delta_m

PASCAL = ("edges", "segmentation", "human_parts", "normals", "saliency")
SINGLE = (71.3, 64.93, 57.12, 14.90, 64.17)


def test_by_hand():
    multi, single = {"miou": 44.0, "rmse": 0.9}, {"miou": 40.0, "rmse": 1.0}
    assert delta_m(multi, single, ["rmse"]) == pytest.approx((10 + 10) / 2)
    assert delta_m(multi, single, []) == pytest.approx((10 - 10) / 2)
    assert delta_m(single, single, ["rmse"]) == 0


@pytest.mark.parametrize(
    ("row", "drop"),
    [
        ((69.2, 60.20, 54.10, 17.04, 62.10), 6.62),
        ((71.1, 64.00, 56.84, 15.05, 64.35), 0.59),
        ((71.0, 64.61, 57.25, 15.00, 64.70), 0.11),
    ],
)
def test_rows_of_astmts_table_3(row, drop):
    multi, single = (dict(zip(PASCAL, figures, strict=True)) for figures in (row, SINGLE))
    assert delta_m(multi, single, {"normals"}) == pytest.approx(-drop, abs=0.005)


@pytest.mark.parametrize(
    ("segmentation", "depth", "gain"),
    [(32.09, 0.668, -1.71), (32.80, 0.660, -0.02), (34.38, 0.640, 3.85), (35.12, 0.620, 6.40)],
)
def test_rows_of_mti_nets_table_2(segmentation, depth, gain):
    """As near as the printed RMSE allows, half a unit of whose last digit is 0.04 points."""
    multi = {"segmentation": segmentation, "depth": depth}
    single = {"segmentation": 33.18, "depth": 0.667}
    assert delta_m(multi, single, ["depth"]) == pytest.approx(gain, abs=0.08)


@pytest.mark.parametrize(
    ("multi", "single", "lower", "message"),
    [
        ({}, {}, [], "at least one"),
        ({"a": 1}, {"a": 1, "b": 1}, [], "b is given for one side only"),
        ({"a": 1, "c": 1}, {"a": 1}, [], "c is given for one side only"),
        ({"a": 1}, {"a": 1}, ["rmse"], "rmse is said to be better when lower"),
        ({"a": math.nan}, {"a": 1}, [], "a is nan against 1"),
        ({"a": 1}, {"a": 0}, [], "a = 0 means nothing"),
    ],
)
def test_what_does_not_fit_is_said(multi, single, lower, message):
    with pytest.raises(MilaError, match=message):
        delta_m(multi, single, lower)
