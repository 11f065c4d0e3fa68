# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours are those asked for, unknown pixels stay visible as such, pictures show what they say."""

import numpy as np
import pytest

from mila_ros.visualization import (
    Panel,
    colorize_depth,
    colorize_segmentation,
    overlay_motion,
    overlay_segmentation,
    palette_lut,
    side_by_side,
)

ROAD, CAR = (128, 64, 128), (0, 0, 142)
AMBER = (255, 196, 0)


def test_palette_has_the_colors_by_id_and_black_for_unlabelled():
    by_position = palette_lut([ROAD, CAR])
    by_id = palette_lut({0: ROAD, 1: CAR})
    np.testing.assert_array_equal(by_position, by_id)
    assert by_position[0].tolist() == list(ROAD)
    assert by_position[1].tolist() == list(CAR)
    assert by_position[2].tolist() == [128, 128, 128]
    assert by_position[255].tolist() == [0, 0, 0]


@pytest.mark.parametrize("colors", [{255: ROAD}, {-1: ROAD}, [(0, 0)], [(0, 0, 256)]])
def test_palette_refuses_ids_and_colors_out_of_range(colors):
    with pytest.raises(ValueError, match="class"):
        palette_lut(colors)


def test_segmentation_colors_equal_a_plain_lookup():
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 256, (17, 23), dtype=np.uint8)
    lut = palette_lut(rng.integers(0, 256, (255, 3)).tolist())
    np.testing.assert_array_equal(colorize_segmentation(mask, lut), lut[mask])


def test_overlay_blends_classes_and_leaves_unlabelled_pixels_alone():
    rgb = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[0, 1], [255, 255]], np.uint8)
    lut = palette_lut([(200, 100, 0), (0, 0, 200)])
    picture = overlay_segmentation(rgb, mask, lut, alpha=0.5)
    assert picture[0, 0].tolist() == [150, 100, 50]
    assert picture[0, 1].tolist() == [50, 50, 150]
    assert (picture[1] == 100).all()
    assert (rgb == 100).all()


def test_depth_colors_are_monotonic_in_log_depth_and_unknown_is_black():
    depth = np.array([[0.5, 5.0, 50.0, np.nan, np.inf, -np.inf, 500.0, 0.1]], np.float32)
    near, middle, far, unknown, beyond, too_near, farther, nearer = colorize_depth(depth, 0.5, 50)[
        0
    ].astype(int)
    assert near[0] > near[2] and far[2] > far[0], "near is warm, far is blue"
    assert middle[1] > max(middle[0], middle[2]), "the logarithmic middle is green"
    assert unknown.tolist() == [0, 0, 0]
    assert far.tolist() == beyond.tolist() == farther.tolist() != [0, 0, 0]
    assert near.tolist() == too_near.tolist() == nearer.tolist()


def test_depth_colors_never_mistake_a_known_depth_for_unknown():
    depth = np.geomspace(0.1, 1000, 4096, dtype=np.float32)[None]
    assert colorize_depth(depth, 0.5, 100).max(axis=-1).min() > 80


@pytest.mark.parametrize(("near", "far"), [(0.0, 10.0), (5.0, 5.0), (10.0, 1.0)])
def test_depth_colors_refuse_an_empty_range(near, far):
    with pytest.raises(ValueError, match="near_m"):
        colorize_depth(np.ones((2, 2), np.float32), near, far)


def test_motion_is_tinted_inside_outlined_at_its_edge_and_nowhere_else():
    rgb = np.full((20, 20, 3), 100, np.uint8)
    motion = np.zeros((20, 20), np.uint8)
    motion[5:15, 5:15] = 255
    motion[0, 0] = 127
    picture = overlay_motion(rgb, motion, color=(200, 0, 0))
    assert picture[10, 10].tolist() == [150, 50, 50]
    assert picture[5, 5].tolist() == [200, 0, 0]
    assert (picture[:4] == 100).all() and (picture[16:] == 100).all()


def test_side_by_side_shows_every_panel_at_its_place():
    red, green, blue = (np.full((40, 80, 3), c, np.uint8) for c in np.eye(3, dtype=int) * 255)
    panels = [Panel("a", red), Panel("b", green), Panel("c", blue)]
    sheet = side_by_side(panels, "frame 1", columns=2, panel_width=160)
    assert sheet.shape[1] == 6 + 160 + 6 + 160 + 6
    reds, greens, blues = (
        np.argwhere((sheet == np.eye(3, dtype=int)[c] * 255).all(-1)) for c in range(3)
    )
    assert len(reds) == len(greens) == len(blues) == 160 * 80
    assert reds.min(0)[0] == greens.min(0)[0] < blues.min(0)[0]
    assert reds.min(0)[1] == blues.min(0)[1] < greens.min(0)[1]


def test_side_by_side_marks_keyframes_in_their_color():
    panel = [Panel("input", np.zeros((40, 80, 3), np.uint8))]
    plain = side_by_side(panel, "frame 1", panel_width=320)
    marked = side_by_side(panel, "frame 1", is_keyframe=True, panel_width=320)
    assert not (plain == AMBER).all(-1).any()
    assert (marked[0] == AMBER).all() and (marked[:, 0] == AMBER).all()
    assert (marked[8:40, -120:] == AMBER).all(-1).sum() > 1000


def test_side_by_side_legend_wraps_and_shows_each_color():
    panel = [Panel("input", np.zeros((40, 80, 3), np.uint8))]
    colors = [(10 * n + 5, 200, 3) for n in range(12)]
    bare = side_by_side(panel, "", panel_width=320)
    full = side_by_side(
        panel, "", panel_width=320, legend=[("pedestrian", c) for c in colors], depth_range_m=(1, 9)
    )
    assert full.shape[0] > bare.shape[0] + 3 * 26
    for color in colors:
        assert (full == color).all(-1).sum() > 100


def test_side_by_side_without_panels_is_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        side_by_side([], "")
