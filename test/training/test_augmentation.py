# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How colours, light and sharpness are varied; views are tested with the samples."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mila_ros.training import augmentation
from mila_ros.training.augmentation import View, disturb

SEEDS = range(60)


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    """Two equal frames of soft colours, [2, 48, 96, 3]."""
    rows, columns = np.mgrid[:48, :96]
    picture = np.stack([60 + columns, 80 + rows, 200 - columns], axis=2).astype(np.uint8)
    return np.stack([picture, picture])


def test_the_same_seed_gives_the_same_and_the_original_is_left_alone(frames) -> None:
    before = frames.copy()
    for seed in SEEDS:
        first, second = (disturb(frames, np.random.default_rng(seed)) for _ in range(2))
        assert first.dtype == np.uint8 and first.shape == frames.shape
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(frames, before)


def test_frames_of_a_sample_differ_by_noise_only(frames) -> None:
    spread = [
        np.subtract(*disturb(frames, np.random.default_rng(seed)).astype(float)).std()
        for seed in SEEDS
    ]
    quiet = sum(value == 0 for value in spread)
    assert 0.5 * len(SEEDS) < quiet < 0.8 * len(SEEDS)  # 65 % have no noise
    assert max(spread) < 12 * 2**0.5 + 1  # two independent noises of at most 12


def test_colours_vary_around_those_that_are_there(frames) -> None:
    means = np.array(
        [augmentation._colours(frames, np.random.default_rng(seed)).mean() for seed in range(300)]
    )
    assert 0.8 < np.median(means) / frames.mean() < 1.2
    assert means.std() > 20


def test_black_stays_black_in_uneven_light_which_is_soft() -> None:
    rng = np.random.default_rng(1)
    assert not augmentation._uneven_light(np.zeros((1, 48, 96, 3), np.uint8), rng).any()
    lit = augmentation._uneven_light(np.full((1, 48, 96, 3), 120, np.uint8), rng)[0].astype(int)
    assert np.ptp(lit) > 20
    assert abs(np.diff(lit, axis=1)).max() <= 20 and (lit.std(axis=2) == 0).all()


def test_a_coarser_picture_has_lost_its_finest_pattern_and_not_its_light() -> None:
    rows, columns = np.mgrid[:48, :96]
    board = np.repeat(((rows + columns) % 2 * 200).astype(np.uint8)[None, ..., None], 3, axis=3)
    for seed in range(10):
        coarse = augmentation._coarser(board, np.random.default_rng(seed))
        assert coarse.shape == board.shape
        assert coarse.std() < 0.75 * board.std()
        assert coarse.mean() == pytest.approx(board.mean(), abs=3)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("width", [96, 150])
def test_maps_lie_where_their_picture_does(width: int, flip: bool) -> None:
    """At a zoom of 1.25 and one of 0.8: what is nearest by corners is up to half a pixel off."""
    columns = np.arange(200, dtype=np.uint8)[None].repeat(100, 0)
    view = View(top=10, left=20, height=width // 2, width=width, size=(60, 120), flip=flip)
    picture = view.picture(np.stack([columns] * 3, axis=2))[..., 0].astype(float)
    label = view.map(columns).astype(float)
    assert np.abs(label - picture)[:, 2:-2].max() <= 1.0
    assert abs((label - picture).mean()) < 0.1
