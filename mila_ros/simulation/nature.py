# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trees, bushes and hedges, each of another shape: (wood, leaves) standing on z = 0."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation.geometry import Floats, Mesh, rotation
from mila_ros.simulation.shapes import box, cylinder, icosphere, tube
from mila_ros.simulation.textures import Random

TREES = ("broad", "poplar", "conifer", "bare", "palm", "bush")


def tree(rng: Random, kind: str, detail: float = 1.0) -> tuple[Mesh | None, Mesh | None]:
    """A tree of one of the kinds in `TREES`; None where it has no wood, or no leaves.

    ``detail`` is the share of the loose leaves that it gets, less for what is far away.
    """
    if kind == "bush":
        return None, _crown(rng, rng.uniform(0.4, 1.1), 3, np.array([0, 0, 0.35]), int(70 * detail))
    height, girth = rng.uniform(2.0, 4.5), rng.uniform(0.08, 0.28)
    if kind == "bare":
        return Mesh.join(_branches(rng, np.zeros(3), np.array([0, 0, height]), girth, 3)), None
    if kind == "palm":
        return _palm(rng, height + 2.5, girth)
    trunk = cylinder(girth * 1.25, height + 0.4, 7, girth * 0.7).moved((0, 0, -0.3))
    if kind == "poplar":
        tall, radius = rng.uniform(4, 8), rng.uniform(0.7, 1.4)
        crown = _crown(rng, radius, 3, np.zeros(3), int(160 * detail)).scaled(
            (1, 1, tall / radius / 2.4)
        )
        return trunk, crown.moved((0, 0, height * 0.4 + tall / 2))
    if kind == "conifer":
        tall, radius, layers = rng.uniform(4, 10), rng.uniform(1.2, 2.4), int(rng.integers(4, 7))
        cones = []
        for k in range(layers):
            r = radius * (1 - k / layers) * rng.uniform(0.85, 1.15)
            base = 0.7 + tall * k / layers
            cones.append(cylinder(r, tall / layers * 1.7, 9, 0.02).moved((0, 0, base)))
            angle, reach = rng.uniform(0, 2 * np.pi, 26), rng.uniform(0.75, 1.15, 26) * r
            at = np.c_[reach * np.cos(angle), reach * np.sin(angle), base + rng.uniform(0, 0.4, 26)]
            cones.append(_tufts(rng, at, 0.45))
        return trunk, Mesh.join(cones)
    branch = [tube((0, 0, height * 0.7), (*rng.normal(0, 0.9, 2), height + 1), girth * 0.4, 5)
              for _ in range(3)]  # fmt: skip
    radius = rng.uniform(1.0, 3.4)
    balls, center = int(rng.integers(3, 8)), np.array([0, 0, height + radius * 0.7])
    crown = _crown(rng, radius, balls, center, int(220 * detail))
    return Mesh.join([trunk, *branch]), crown


def hedge(rng: Random, length: float, depth: float, height: float) -> Mesh:
    """A clipped or an overgrown hedge along x."""
    body = box((length, depth, height), tile=(1, 1))
    count = int(length * 14)
    at = np.c_[
        rng.uniform(-length / 2, length / 2, count),
        rng.choice([-0.5, 0.5], count) * depth,
        rng.uniform(0.1, height, count),
    ]
    top = rng.random(count) < 0.4
    at[top, 1], at[top, 2] = rng.uniform(-0.5, 0.5, top.sum()) * depth, height
    return Mesh.join([body, _tufts(rng, at, rng.uniform(0.18, 0.4))])


def thicket(rng: Random, centers: Floats, size: tuple[float, float]) -> Mesh:
    """Far-off greenery: a rough ball at each of the places [N, 3]."""
    balls = [
        _blob(rng, rng.uniform(*size)).scaled((1.3, 1.3, rng.uniform(0.6, 1.4))).moved(center)
        for center in centers
    ]
    return Mesh.join(balls)


def _blob(rng: Random, radius: float) -> Mesh:
    ball = icosphere(1)
    v = ball.vertices
    bumps = sum(np.sin(v @ rng.normal(0, 2.5, 3) + rng.uniform(0, 6.28)) for _ in range(4))
    v = v * (radius * (1 + 0.09 * bumps + rng.normal(0, 0.07, len(v))))[:, None]
    return Mesh(v, ball.faces, ball.uv * max(radius, 0.5) * 2)


def _crown(rng: Random, radius: float, balls: int, center: Floats, tufts: int) -> Mesh:
    """Several balls about a centre, leaves sticking out of them."""
    parts = []
    for _ in range(balls):
        middle = center + rng.normal(0, 0.45 * radius, 3) * [1, 1, 0.6]
        ball = _blob(rng, radius * rng.uniform(0.5, 0.85))
        parts.append(ball.scaled((1, 1, rng.uniform(0.7, 1.0))).moved(middle))
        directions = rng.normal(0, 1, (tufts // balls, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        reach = np.linalg.norm(ball.vertices, axis=1).mean() * rng.uniform(
            0.85, 1.3, (len(directions), 1)
        )
        parts.append(_tufts(rng, middle + directions * reach, rng.uniform(0.28, 0.5)))
    return Mesh.join(parts)


def _tufts(rng: Random, at: Floats, size: float) -> Mesh:
    """Bunches of leaves: triangles at the places [N, 3], any way up."""
    n = len(at)
    v = (at[:, None] + rng.normal(0, size * 0.6, (n, 3, 3))).reshape(-1, 3)
    uv = np.repeat(rng.random((n, 1, 2)), 3, 1) + rng.uniform(0, 0.3, (n, 3, 2))
    faces = np.arange(3 * n).reshape(n, 3)
    return Mesh.of(v, faces, uv.reshape(-1, 2)).two_sided()


def _branches(rng: Random, start: Floats, end: Floats, girth: float, depth: int) -> list[Mesh]:
    parts = [tube(start, end, girth, 5)]
    if depth == 0:
        return parts
    length = np.linalg.norm(end - start)
    for _ in range(int(rng.integers(2, 5))):
        at = start + (end - start) * rng.uniform(0.55, 1.0)
        direction = (end - start) / length + rng.normal(0, 0.55, 3) + [0, 0, 0.25]
        reach = length * rng.uniform(0.4, 0.75) / np.linalg.norm(direction)
        parts += _branches(rng, at, at + direction * reach, girth * 0.55, depth - 1)
    return parts


def _palm(rng: Random, height: float, girth: float) -> tuple[Mesh, Mesh]:
    fronds = []
    for angle in np.linspace(0, 2 * np.pi, 11, endpoint=False) + rng.uniform(0, 0.4):
        reach, droop = rng.uniform(1.5, 2.4), rng.uniform(0.3, 1.4)
        x = np.array([0, 0.5, 1.0]) * reach
        z = np.array([0, 0.35, -droop])
        wide = np.array([0.08, 0.32, 0.05])
        left, right = np.c_[x, wide, z], np.c_[x, -wide, z]
        frond = Mesh.of(
            np.r_[right, left], [[0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4]],
            np.r_[np.c_[x, 0 * x], np.c_[x, 0 * x + 0.5]],
        )  # fmt: skip
        fronds.append(frond.moved((0, 0, height), rotation(yaw=angle)))
    return cylinder(girth, height, 7, girth * 0.7), Mesh.join(fronds).two_sided()
