# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes enclose the volume that they should, with every face outwards; turns agree."""

import numpy as np
import pytest

from mila_ros.simulation import geometry as g
from mila_ros.simulation import shapes

LINE = np.c_[np.arange(5.0), np.zeros(5), np.zeros(5)]
LEFT = np.tile([0.0, 1.0], (5, 1))


def face_normals(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def volume(mesh):
    """Positive where faces are outwards, by the divergence theorem."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return (np.cross(a, b) * c).sum() / 6


@pytest.mark.parametrize(
    ("mesh", "expected", "share"),
    [
        (shapes.box((1, 2, 3)), 6, 1e-9),
        (shapes.block((1, 2, 3)).moved((5, 6, 7), g.rotation(1, 2, 3)), 6, 1e-9),
        (shapes.gable(4, 6, 2, overhang=0.5), 5 * 7, 1e-9),
        (shapes.cylinder(0.5, 2, 64), np.pi / 2, 0.01),
        (shapes.cylinder(0.5, 2, 64, 0.0), np.pi / 6, 0.01),
        (shapes.tube((1, 2, 3), (4, 4, 4), 0.3, 64), np.pi * 0.09 * 14**0.5, 0.01),
        (shapes.wheel(0.5, 0.4, 64), np.pi * 0.1, 0.01),
        (shapes.capsule((0, 0, 0), (0, 0, -2), 0.5, sides=64), np.pi * 0.5 + np.pi / 6, 0.05),
        (shapes.icosphere(3), 4 / 3 * np.pi, 0.01),
        (shapes.ellipsoid((1, 2, 3), (9, 9, 9), 3), 8 * np.pi, 0.01),
        # The cross section is a square whose diagonal is the thickness.
        (shapes.ring(1.0, 0.2, 64), 2 * np.pi * 0.02, 0.02),
    ],
    ids="box block gable cylinder cone tube wheel capsule sphere ellipsoid ring".split(),
)
def test_volume(mesh, expected, share):
    assert volume(mesh) == pytest.approx(expected, rel=share)


def test_ribbons_are_seen_from_above_or_from_their_side():
    flat = shapes.ribbon(LINE, LEFT, [(1, 0), (-1, 0)], (1, 1))
    assert (face_normals(flat)[:, 2] > 0).all()
    upright = shapes.ribbon(LINE, LEFT, [(0, 0), (0, 1)], (1, 1))
    assert (face_normals(upright)[:, 1] > 0).all()


def test_texture_coordinates_count_metres():
    uv = shapes.ribbon(LINE, LEFT, [(1, 0), (-1, 0)], (4, 2)).uv
    np.testing.assert_allclose([uv.min(0), uv.max(0)], [[0, 0], [0.5, 2]])


def test_faces_can_be_turned_away_from_a_point():
    ball = shapes.icosphere(1)
    muddled = g.Mesh.of(ball.vertices, np.r_[ball.faces[::2], ball.faces[1::2, ::-1]])
    assert volume(muddled.facing_away_from((0, 0, 0))) == pytest.approx(volume(ball))


def test_quaternion_and_matrix_are_the_same_turn():
    angles = (0.7, -0.4, 1.9)
    w, x, y, z = g.quaternion(*angles)
    matrix = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    np.testing.assert_allclose(g.rotation(*angles), matrix, atol=1e-12)
    np.testing.assert_allclose(g.rotation(yaw=np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_parts_keep_their_place_and_texture_when_joined():
    parts = [shapes.block((1, 1, 1)).with_uv((0.2, 0.3)), shapes.icosphere(1).moved((5, 0, 0))]
    both = g.Mesh.join(parts)
    assert volume(both) == pytest.approx(sum(volume(part) for part in parts))
    np.testing.assert_array_equal(both.uv[: len(parts[0].uv)], parts[0].uv)
