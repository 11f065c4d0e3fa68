# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes that everything is made of, as meshes; axes and winding as in :mod:`.geometry`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mila_ros.simulation.geometry import Floats, Mesh, rotation


def quad(corners: ArrayLike, uv: ArrayLike | None = None) -> Mesh:
    """Four corners, counter-clockwise."""
    return Mesh.of(corners, [[0, 1, 2], [0, 2, 3]], uv)


def box(size: ArrayLike, tile: tuple[float, float] = (1.0, 1.0)) -> Mesh:
    """A box standing on z = 0, centred in x and y; a texture repeats every ``tile`` metres."""
    lx, ly, lz = np.asarray(size, float)
    x, y = lx / 2, ly / 2
    corners = [(-x, -y), (x, -y), (x, y), (-x, y)]
    sides = []
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        u, v = np.hypot(bx - ax, by - ay) / tile[0], lz / tile[1]
        sides.append(
            quad(
                [[ax, ay, 0], [bx, by, 0], [bx, by, lz], [ax, ay, lz]],
                [[0, 0], [u, 0], [u, v], [0, v]],
            )
        )
    u, v = lx / tile[0], ly / tile[1]
    flat = [[0, 0], [u, 0], [u, v], [0, v]]
    sides.append(quad([[*corner, lz] for corner in corners], flat))
    sides.append(quad([[*corner, 0] for corner in corners[::-1]], flat[::-1]))
    return Mesh.join(sides)


def block(size: ArrayLike) -> Mesh:
    """A plain box centred on the origin."""
    height = np.asarray(size, float)[2]
    return box(size).moved((0, 0, -height / 2)).with_uv((0.0, 0.0))


def cylinder(
    radius: float, height: float, sides: int = 10, top_radius: float | None = None
) -> Mesh:
    """A cylinder or, with another radius at the top, a cone, standing on z = 0."""
    top_radius = radius if top_radius is None else top_radius
    circle, wall, uv, lid = _roundness(sides)
    rings = [_ring_at(0.0, circle * radius), _ring_at(height, circle * top_radius)]
    parts = [Mesh(np.concatenate(rings), wall, uv)]
    for z, r, down in ((0.0, radius, True), (height, top_radius, False)):
        if r > 0:
            disc = np.concatenate([_ring_at(z, circle[:-1] * r), [[0, 0, z]]])
            parts.append(Mesh.of(disc, lid[:, ::-1] if down else lid))
    return Mesh.join(parts)


def _ring_at(z: float, circle: Floats) -> Floats:
    ring = np.full((len(circle), 3), float(z))
    ring[:, :2] = circle
    return ring


@cache
def _roundness(sides: int) -> tuple[Floats, NDArray[np.int64], Floats, NDArray[np.int64]]:
    """What cylinders share, of which a street has a thousand.

    Returns:
        The unit circle [sides + 1, 2], its first point again at the end; faces and uv of a wall
        between two such circles; faces of a lid, whose centre comes after its ``sides`` points.
    """
    angle, u = np.linspace(0, 2 * np.pi, sides + 1), np.linspace(0, 1, sides + 1)
    i, n = np.arange(sides), sides + 1
    shared = (
        np.c_[np.cos(angle), np.sin(angle)],
        np.r_[np.c_[i, i + 1, i + n + 1], np.c_[i, i + n + 1, i + n]],
        np.r_[np.c_[u, 0 * u], np.c_[u, 0 * u + 1]],
        np.c_[np.full(sides, sides), i, (i + 1) % sides],
    )
    for array in shared:
        array.flags.writeable = False
    return shared


def wheel(radius: float, width: float, sides: int = 14) -> Mesh:
    """A cylinder about the y axis, centred on the origin."""
    upright = cylinder(radius, width, sides).moved((0, 0, -width / 2))
    return upright.moved((0, 0, 0), rotation(roll=np.pi / 2))


def tube(start: ArrayLike, end: ArrayLike, radius: float, sides: int = 6) -> Mesh:
    """A cylinder from one point to another."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    return cylinder(radius, float(np.linalg.norm(b - a)), sides).moved(a, _upright_to(b - a))


def capsule(
    start: ArrayLike, end: ArrayLike, radius: float, end_radius: float | None = None, sides: int = 8
) -> Mesh:
    """A tube with round ends, whose radius may change along it."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(b - a))
    end_radius = radius if end_radius is None else end_radius
    rise = np.sin(np.linspace(-np.pi / 2, 0, 4)[1:])
    reach = np.sqrt(1 - rise**2)
    heights = np.r_[rise * radius, length - rise[::-1] * end_radius]
    radii = np.r_[reach * radius, reach[::-1] * end_radius]
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    rings = np.stack(
        [
            np.outer(radii, np.cos(angle)),
            np.outer(radii, np.sin(angle)),
            np.repeat(heights[:, None], sides, 1),
        ],
        -1,
    ).reshape(-1, 3)
    v = np.r_[rings, [[0, 0, -radius], [0, 0, length + end_radius]]]
    faces = []
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    for ring in range(len(radii) - 1):
        low, high = ring * sides, (ring + 1) * sides
        faces += [np.c_[low + i, low + j, high + j], np.c_[low + i, high + j, high + i]]
    last = (len(radii) - 1) * sides
    faces += [np.c_[j, i, np.full(sides, len(rings))]]
    faces += [np.c_[last + i, last + j, np.full(sides, len(rings) + 1)]]
    return Mesh.of(v, np.concatenate(faces)).moved(a, _upright_to(b - a))


def _upright_to(direction: Floats) -> Floats:
    """A rotation that takes the z axis to a direction."""
    z = direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], 1)


@cache
def icosphere(subdivisions: int) -> Mesh:
    """A unit sphere of 20 · 4^subdivisions equal faces, read-only: all of a size are the same."""
    g = (1 + 5**0.5) / 2
    vertices = [
        [-1, g, 0], [1, g, 0], [-1, -g, 0], [1, -g, 0], [0, -1, g], [0, 1, g],
        [0, -1, -g], [0, 1, -g], [g, 0, -1], [g, 0, 1], [-g, 0, -1], [-g, 0, 1],
    ]  # fmt: skip
    faces = np.array([
        [0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11],
        [1, 5, 9], [5, 11, 4], [11, 10, 2], [10, 7, 6], [7, 1, 8],
        [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9],
        [4, 9, 5], [2, 4, 11], [6, 2, 10], [8, 6, 7], [9, 8, 1],
    ])  # fmt: skip
    v = np.asarray(vertices, float)
    for _ in range(subdivisions):
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        unique, index = np.unique(edges, axis=0, return_inverse=True)
        ab, bc, ca = index.reshape(3, -1) + len(v)
        v = np.r_[v, v[unique].mean(1)]
        a, b, c = faces.T
        faces = np.r_[np.c_[a, ab, ca], np.c_[b, bc, ab], np.c_[c, ca, bc], np.c_[ab, bc, ca]]
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    uv = np.c_[np.arctan2(v[:, 1], v[:, 0]) / np.pi, v[:, 2]]
    sphere = Mesh.of(v, faces, uv)
    for array in (sphere.vertices, sphere.faces, sphere.uv):
        array.flags.writeable = False
    return sphere


def ellipsoid(radii: ArrayLike, position: ArrayLike = (0, 0, 0), level: int = 1) -> Mesh:
    """An ellipsoid about a point."""
    return icosphere(level).scaled(radii).moved(position).with_uv((0.0, 0.0))


def ribbon(
    line: Floats, left: Floats, profile: Sequence[tuple[float, float]], tile: tuple[float, float]
) -> Mesh:
    """A strip along a line, seen from above or, where it is upright, from one side.

    Args:
        line: Points [N, 3].
        left: Unit vectors to the left of it [N, 2].
        profile: Cross section as (offset to the left, height over the line), from left to right,
            or from bottom to top to be seen from the left.
        tile: Metres after which a texture repeats, across and along.
    """
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line[:, :2], axis=0), axis=1))]
    n, i = len(line), np.arange(len(line) - 1)
    strips = []
    for (d0, z0), (d1, z1) in zip(profile, profile[1:], strict=False):
        a = np.c_[line[:, :2] + left * d0, line[:, 2] + z0]
        b = np.c_[line[:, :2] + left * d1, line[:, 2] + z1]
        width = np.hypot(d1 - d0, z1 - z0) / tile[0]
        uv = np.r_[np.c_[np.zeros(n), along / tile[1]], np.c_[np.full(n, width), along / tile[1]]]
        faces = np.r_[np.c_[i, i + n + 1, i + 1], np.c_[i, i + n, i + n + 1]]
        strips.append(Mesh.of(np.r_[a, b], faces, uv))
    return Mesh.join(strips)


def gable(lx: float, ly: float, height: float, overhang: float = 0.3, tile: float = 2.0) -> Mesh:
    """A saddle roof whose ridge runs along x."""
    x, y = lx / 2 + overhang, ly / 2 + overhang
    u, v = 2 * x / tile, np.hypot(y, height) / tile
    uv = np.array([[0, 0], [u, 0], [u, v], [0, v]])
    ends, under = np.zeros((3, 2)), np.zeros((4, 2))
    return Mesh.join(
        [
            quad([[-x, -y, 0], [x, -y, 0], [x, 0, height], [-x, 0, height]], uv),
            quad([[x, y, 0], [-x, y, 0], [-x, 0, height], [x, 0, height]], uv),
            quad([[-x, y, 0], [x, y, 0], [x, -y, 0], [-x, -y, 0]], under),
            Mesh.of([[x, -y, 0], [x, y, 0], [x, 0, height]], [[0, 1, 2]], ends),
            Mesh.of([[-x, y, 0], [-x, -y, 0], [-x, 0, height]], [[0, 1, 2]], ends),
        ]
    )


def ring(radius: float, thickness: float, sides: int = 18) -> Mesh:
    """A torus about the y axis, centred on the origin."""
    around = np.linspace(0, 2 * np.pi, sides, endpoint=False)[:, None]
    across = np.linspace(0, 2 * np.pi, 4, endpoint=False)[None]
    reach = radius + thickness / 2 * np.cos(across)
    height = thickness / 2 * np.sin(across) + 0 * around
    v = np.stack([reach * np.cos(around), height, reach * np.sin(around)], -1).reshape(-1, 3)
    i, j = (index.ravel() for index in np.mgrid[:sides, :4])
    a, b = i * 4 + j, i * 4 + (j + 1) % 4
    c, d = (i + 1) % sides * 4 + (j + 1) % 4, (i + 1) % sides * 4 + j
    return Mesh.of(v, np.r_[np.c_[a, b, c], np.c_[a, c, d]])
