# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sensor's look belongs to the clip, its noise to the frame."""

import numpy as np
import pytest

from mila_ros.simulation.sensor import Sensor


@pytest.fixture
def picture():
    gradient = np.linspace(20, 235, 96)[None, :, None] * np.ones((48, 1, 3))
    return gradient.astype(np.uint8)


def test_same_seed_and_frame_same_bytes(picture):
    a, b = Sensor(5, picture), Sensor(5, picture)
    a(picture, 0)  # what came before does not matter
    np.testing.assert_array_equal(a(picture, 3), b(picture, 3))


def test_another_seed_looks_different(picture):
    means = [Sensor(seed, picture)(picture, 0).mean((0, 1)) for seed in range(8)]
    assert np.ptp(means, axis=0).min() > 15


def test_within_a_clip_only_noise_and_drift_change(picture):
    for seed in range(12):
        sensor = Sensor(seed, picture)
        if sensor.jump_at is None:
            first, second = (sensor(picture, index).astype(float) for index in (0, 1))
            assert abs(first.mean() - second.mean()) < 6


def test_noise_is_new_in_every_frame(picture):
    sensor = Sensor(0, picture)
    sensor.shot_noise, sensor.jpeg_quality, sensor.drift = 0.05, None, 0.0
    assert (sensor(picture, 0) != sensor(picture, 1)).mean() > 0.5


def test_dark_scenes_are_exposed_longer():
    dark, bright = (np.full((48, 96, 3), value, np.uint8) for value in (25, 230))
    assert Sensor(1, dark).stops > Sensor(1, bright).stops + 1


def test_drift_comes_to_an_end(picture):
    """A long clip does not go black or white."""
    sensor = Sensor(5, picture, outdoors=False)
    sensor.drift, sensor.jump_at = 0.05, None
    light = [np.median(sensor(picture, index)) for index in (0, 30, 600)]
    assert light[0] < light[1] and abs(light[1] - light[2]) <= 1
