# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands at the kerb: lamps, signs, traffic lights, bollards, railings."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation.geometry import Mesh, rotation
from mila_ros.simulation.roadside import Roadside
from mila_ros.simulation.shapes import block, box, cylinder, tube


def crosswalks(kit: Roadside) -> None:
    """Zebra crossings, some with traffic lights."""
    rng, c = kit.rng, kit.section
    for _ in range(int(rng.choice([0, 1, 2], p=[0.35, 0.5, 0.15]))):
        s = float(rng.uniform(10, 60))
        kit.crossings.append(s)
        white = kit.scene.color(np.full(3, rng.uniform(0.65, 0.95)))
        for d in np.arange(-c.half + 0.5, c.half - 0.3, 1.0):
            kit.put(box((3.0, 0.5, 0.012)), "road", white, s, float(d))
        if rng.random() < 0.6:
            for side in (1, -1):
                traffic_light(kit, s + 2.2 * side * c.side, side)


def traffic_light(kit: Roadside, s: float, side: int) -> None:
    """A mast with one or two heads, at times on an arm over the road."""
    rng, c = kit.rng, kit.section
    d, paint = side * (c.edge + 0.45), kit.steel[0]
    facing = -1 if side == c.side else 1
    places = [(d, 2.6)]
    tall = 3.2
    if rng.random() < 0.5:
        tall, reach = 5.6, rng.uniform(2, 4)
        kit.put(block((0.09, reach, 0.09)), "pole", paint, s, d - side * reach / 2, 5.5)
        places.append((d - side * reach, 5.1))
    kit.put(cylinder(0.07, tall, 8), "pole", paint, s, d)
    lit = int(rng.integers(3))
    colors = ((1, 0.1, 0.08), (1, 0.65, 0.1), (0.1, 0.95, 0.5))
    for at, z in places:
        kit.put(block((0.24, 0.34, 0.95)), "traffic light", kit.dark, s + 0.16 * facing, at, z)
        for k, color in enumerate(colors):
            glow = kit.scene.color(
                color if k == lit else np.array(color) * 0.22,
                "glowing" if k == lit else "satin",
            )
            lamp = cylinder(0.11, 0.05, 10).moved((0, 0, 0), rotation(pitch=facing * np.pi / 2))
            kit.put(lamp, "traffic light", glow, s + 0.28 * facing, at, z + 0.3 - 0.3 * k)


def railings(kit: Roadside, side: int) -> None:
    """Railings that keep people off the road, and bollards."""
    rng, c = kit.rng, kit.section
    if rng.random() < 0.35:
        s = float(rng.uniform(-5, 25))
        for _ in range(int(rng.integers(1, 4))):
            width = float(rng.uniform(4, 12))
            kit.fence(s + width / 2, side * (c.edge + 0.3), width, "railing", 1.05)
            s += width + float(rng.uniform(0, 8))
    elif rng.random() < 0.35:
        step, tall = rng.uniform(1.5, 4), rng.uniform(0.7, 1.1)
        for s in np.arange(rng.uniform(0, 8), 50, step):
            post = cylinder(0.06, tall, 8)
            kit.put(post, "pole", kit.steel[1], float(s), side * (c.edge + 0.3), c.kerb)


def poles(kit: Roadside, side: int) -> None:
    """Lamps, signs and advertisements along the kerb."""
    rng, c = kit.rng, kit.section
    s, gap = float(rng.uniform(2, 14)), rng.uniform(7, 22)
    tall = rng.uniform(5, 9)
    # A sign shows its face to those who drive on its side.
    facing = -1 if side == c.side or all(lane.direction > 0 for lane in c.lanes) else 1
    while s < 150:
        paint = kit.steel[int(rng.integers(3))]
        d = side * (c.edge + rng.uniform(0.3, 0.7))
        kind = rng.choice(["lamp", "sign", "poster", "box"], p=[0.36, 0.5, 0.06, 0.08])
        if kind == "lamp":
            kit.put(cylinder(0.09, tall, 8, 0.06), "pole", paint, s, d)
            arm = tube((0, 0, tall), (0, -side * 1.7, tall + 0.25), 0.045)
            kit.put(
                Mesh.join([arm, block((0.2, 0.7, 0.12)).moved((0, -side * 1.8, tall + 0.25))]),
                "pole",
                paint,
                s,
                d,
            )
        elif kind == "box":
            size = rng.uniform([0.4, 0.3, 0.8], [0.9, 0.6, 1.4])
            kit.put(box(size), "void", paint, s, side * (c.back - 0.4), c.kerb)
        elif kind == "sign":
            top = rng.uniform(2.0, 3.2)
            kit.put(cylinder(0.035, top, 7), "pole", paint, s, d)
            for _ in range(int(rng.choice([1, 2], p=[0.7, 0.3]))):
                radius = rng.uniform(0.28, 0.46)
                sign(kit, s, d, top - radius, radius, int(rng.choice([3, 4, 20])), facing)
                top -= 2 * radius
        else:
            wide, high = rng.uniform(1.2, 2.6), rng.uniform(1.2, 1.9)
            board = box((0.12, wide, high), (wide, high))
            poster = kit.posters[int(rng.integers(2))]
            kit.put(board, "traffic sign", poster, s, side * (c.back - 0.2), 1.4)
            kit.put(cylinder(0.08, 1.5, 8), "pole", paint, s, side * (c.back - 0.2))
        s += float(rng.uniform(0.4, 1.6) * gap)


def sign(
    kit: Roadside, s: float, d: float, z: float, radius: float, corners: int, facing: int
) -> None:
    """A disc of so many corners, its face turned to the traffic, its back grey."""
    turn = {3: np.pi / 2, 4: np.pi / 4}.get(corners, 0.0)
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + turn
    y, x = np.cos(angle), np.sin(angle)
    rim = np.c_[np.full(corners, 0.07 * facing), -facing * y * radius, x * radius]
    rim = np.r_[rim, [[0.07 * facing, 0, 0]]]
    scale = 0.5 / max(np.abs(y).max(), 1e-6) if corners == 4 else 0.5
    k = np.arange(corners)
    fan = np.c_[k, (k + 1) % corners, np.full(corners, corners)]
    face = Mesh.of(rim, fan, 0.5 + scale * np.r_[np.c_[y, x], [[0, 0]]])
    back = Mesh.of(rim - [0.02 * facing, 0, 0], fan)
    inside = np.array([0.06 * facing, 0, 0])
    paint = kit.signs[int(kit.rng.integers(5))]
    kit.put(face.facing_away_from(inside), "traffic sign", paint, s, d, z)
    kit.put(back.facing_away_from(inside), "traffic sign", kit.steel[2], s, d, z)
