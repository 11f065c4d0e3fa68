# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Houses along a street, and what fences their gardens in."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation import nature, textures
from mila_ros.simulation.roadside import BUILT_TO_M, FENCES, FINE_TO_M, Roadside
from mila_ros.simulation.shapes import block, box, gable


def plots(kit: Roadside, side: int) -> None:
    """Houses in a row with gaps and gardens between them."""
    rng, c = kit.rng, kit.section
    front = c.back + (rng.uniform(0, 1.5) if rng.random() < 0.5 else rng.uniform(1.5, 9))
    s = -25.0
    while s < BUILT_TO_M:
        width = float(rng.uniform(6, 24))
        garden = front - c.back > 1.5
        if rng.random() < kit.built_up:
            house(kit, s + width / 2, side, width, front + rng.uniform(0, 1.5))
        if garden or rng.random() < 0.6:
            boundary(kit, s, width, side, c.back + 0.25)
        s += width + (0.05 if rng.random() < 0.5 else float(rng.uniform(1, 9)))


def house(kit: Roadside, s: float, side: int, width: float, front: float) -> None:
    """A house with its front to the street, its roof, and what is stuck to it."""
    rng = kit.rng
    depth = rng.uniform(7, 15)
    height = rng.uniform(3.5, 9) if rng.random() < 0.55 else rng.uniform(9, 30)
    paint, tile = kit.facades[int(rng.integers(7))]
    d = side * (front + depth / 2)
    kit.put(box((width, depth, height + 1), tile), "building", paint, s, d, -1)
    plain = kit.roofs[int(rng.integers(2))]
    if height < 12 and rng.random() < 0.75:
        rise = rng.uniform(1.5, 4)
        along = rng.random() < 0.7 or width > 14
        roof = gable(width, depth, rise) if along else gable(depth, width, rise)
        kit.put(roof, "building", plain, s, d, height, 0 if along else np.pi / 2)
        if rng.random() < 0.6:
            chimney = box((0.6, 0.6, rise * 0.6 + 1))
            at = s + rng.uniform(-0.3, 0.3) * width
            kit.put(chimney, "building", kit.walls[0], at, d, height + rise * 0.4)
    elif rng.random() < 0.6:
        kit.put(box((width + 0.5, depth + 0.5, 0.35)), "building", plain, s, d, height)
    face = side * front
    if rng.random() < 0.35:
        shop = box((width * 0.96, 0.16, 3.1), (width * 0.96, 3.1))
        kit.put(shop, "building", kit.shops[int(rng.integers(3))], s, face, 0.1)
        if rng.random() < 0.5:
            cloth = kit.scene.color(textures.random_color(rng))
            kit.put(block((width * 0.6, 1.1, 0.08)), "building", cloth, s, face - side * 0.5, 2.7)
    elif rng.random() < 0.35 and height > 7:
        for z in np.arange(3.2, height - 2, 3.1):
            for k in (-0.25, 0.25):
                balcony = block((min(width * 0.22, 3), 1.0, 0.9))
                kit.put(balcony, "building", plain, s + k * width, face - side * 0.4, z)


def boundary(kit: Roadside, s: float, width: float, side: int, at: float) -> None:
    """A hedge, wall or fence between pavement and garden."""
    rng, d = kit.rng, side * at
    middle = s + width / 2
    kind = rng.choice(["hedge", "wall", "fence", "none"], p=[0.26, 0.2, 0.39, 0.15])
    if kind == "hedge":
        size = width, rng.uniform(0.4, 0.9), rng.uniform(0.7, 2.2)
        fine = middle < FINE_TO_M
        mesh = nature.hedge(rng, *size) if fine else box(size)
        kit.put(mesh, "vegetation", kit.leaves[int(rng.integers(4))], middle, d + side * 0.4)
    elif kind == "wall":
        wall = box((width, rng.uniform(0.15, 0.35), rng.uniform(0.7, 2.4)), (1.5, 1.5))
        kit.put(wall, "wall", kit.walls[int(rng.integers(2))], middle, d, 0)
    elif kind == "fence":
        kit.fence(middle, d, width, str(rng.choice(FENCES)), rng.uniform(0.8, 1.9))
