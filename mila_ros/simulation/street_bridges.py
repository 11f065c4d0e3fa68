# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What spans a street: bridges, and gantries with signs."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation import textures
from mila_ros.simulation.geometry import Mesh
from mila_ros.simulation.roadside import Roadside
from mila_ros.simulation.shapes import block, box, cylinder


def bridges(kit: Roadside) -> None:
    """At most two bridges over the street, on piers or abutments.

    Cityscapes does not evaluate bridges: they are void. What holds them up at the sides is wall.
    """
    rng, c = kit.rng, kit.section
    s = float(rng.uniform(8, 50))
    for _ in range(int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2]))):
        deep, clear = rng.uniform(3, 16), rng.uniform(4.6, 7.0)
        thick, skew = rng.uniform(0.6, 1.8), rng.uniform(-0.45, 0.45)
        if rng.random() < 0.6:
            value = rng.uniform(0.35, 0.9)
            paint = kit.scene.material(textures.ground(rng, "slabs"), tint=np.full(3, value))
        else:
            paint = kit.steel[int(rng.integers(3))]
        kit.put(box((deep, 120, thick), (4, 4)), "void", paint, s, 0, clear, skew)
        for edge in (-1, 1):
            parapet = _parapet(kit, float(rng.uniform(0.8, 1.3))).moved((edge * deep / 2, 0, 0))
            kit.put(parapet, "void", kit.steel[1], s, 0, clear + thick, skew)
        if rng.random() < 0.6:
            # Half of what a turned abutment takes up across the street: it keeps off the pavement.
            reach = 5 * np.cos(skew) + deep / 2 * np.sin(abs(skew))
            middle = c.back + rng.uniform(0.5, 6) + reach
            wall = kit.walls[int(rng.integers(2))]
            for side in (1, -1):
                abutment = box((deep, 10, clear + 0.5), (3, 3))
                kit.put(abutment, "wall", wall, s, side * middle, -0.5, skew)
        else:
            for side in (1, -1):
                for along in (-0.3, 0.3):
                    pier = cylinder(rng.uniform(0.3, 0.6), clear + 0.5, 12)
                    kit.put(pier, "void", paint, s + along * deep, side * (c.back + 0.8), -0.5)
        s += deep + float(rng.uniform(15, 60))


def gantries(kit: Roadside) -> None:
    """A beam over the street with large signs, at times."""
    rng, c = kit.rng, kit.section
    if rng.random() > 0.35:
        return
    s, high = float(rng.uniform(10, 60)), rng.uniform(5.2, 6.5)
    paint, reach = kit.steel[int(rng.integers(3))], c.edge + 0.8
    for side in (1, -1):
        kit.put(cylinder(0.14, high + 0.3, 10), "pole", paint, s, side * reach)
    kit.put(block((0.2, 2 * reach, 0.3)), "pole", paint, s, 0, high)
    for lane in c.lanes:
        if rng.random() < 0.6:
            wide, tall = rng.uniform(1.6, 3.0), rng.uniform(1.0, 2.2)
            board = box((0.08, wide, tall), (wide, tall))
            facing = -0.16 * lane.direction
            face = kit.posters[int(rng.integers(2))] if rng.random() < 0.4 else kit.signs[0]
            kit.put(board, "traffic sign", face, s + facing, lane.middle, high - tall / 2)


def _parapet(kit: Roadside, height: float) -> Mesh:
    """A solid parapet, or rails on posts."""
    if kit.rng.random() < 0.5:
        return box((0.25, 120, height))
    rails = [block((0.06, 120, 0.06)).moved((0, 0, height * k)) for k in (0.3, 0.65, 1.0)]
    posts = [block((0.08, 0.08, height)).moved((0, y, height / 2)) for y in np.arange(-59, 60, 2.0)]
    return Mesh.join(rails + posts)
