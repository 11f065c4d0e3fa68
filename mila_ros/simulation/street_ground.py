# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground of a street, what grows on it, and what is far behind it."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation import nature, street_textures, textures
from mila_ros.simulation.geometry import Floats, Mesh
from mila_ros.simulation.roadside import Roadside
from mila_ros.simulation.shapes import box, ribbon


def ground(kit: Roadside) -> None:
    """Road, parking strips, kerbs, pavements, and what is behind them."""
    rng, axis, c = kit.rng, kit.axis, kit.section

    def strip(profile: list[tuple[float, float]], tile: tuple[float, float]) -> Mesh:
        return ribbon(axis.points, axis.left, profile, tile)

    lines = [c.margin + k * c.lane_width for k in range(len(c.lanes) + 1)]
    image = street_textures.road(rng, 2 * c.half, lines)
    paint = kit.scene.material(image)
    kit.scene.add(strip([(c.half, 0), (-c.half, 0)], (2 * c.half, 12)), "road", paint)
    asphalt = kit.scene.material(textures.ground(rng, "asphalt"))
    paving = kit.scene.material(textures.ground(rng, str(rng.choice(["slabs", "asphalt"]))))
    kind = str(rng.choice(["grass", "dirt", "slabs"], p=[0.65, 0.2, 0.15]))
    behind = kit.scene.material(textures.ground(rng, kind))
    behind_class = "sidewalk" if kind == "slabs" else "terrain"
    verge = rng.uniform(0.8, 2.0) if rng.random() < 0.3 and c.pavement > 3 else 0.0
    for side in (1, -1):

        def across(*profile: tuple[float, float], sg: int = side) -> list[tuple[float, float]]:
            """A profile from the road outwards, in the order in which it is seen from above."""
            return [(sg * d, z) for d, z in (profile[::-1] if sg > 0 else profile)]

        if c.parking:
            kit.scene.add(strip(across((c.half, 0), (c.edge, 0)), (3, 3)), "road", asphalt)
        kerb = Mesh.join(
            [
                # Seen from the road: from the right at the left kerb, and the other way.
                strip([(side * c.edge, z) for z in ((c.kerb, 0)[::side])], (1, 1)),
                strip(across((c.edge, c.kerb), (c.edge + 0.2, c.kerb)), (1, 1)),
            ]
        )
        kit.scene.add(kerb, "sidewalk", asphalt)
        inner = c.edge + 0.2 + verge
        if verge:
            grass = strip(across((c.edge + 0.2, c.kerb), (inner, c.kerb)), (3, 3))
            kit.scene.add(grass, behind_class, behind)
        walk = strip(across((inner, c.kerb), (c.back, c.kerb)), (2, 2))
        kit.scene.add(walk, "sidewalk", paving)
        hill = rng.uniform(-2, 6)
        far = across((c.back, c.kerb), (c.back + 12, c.kerb + 0.1), (120, c.kerb + hill))
        kit.scene.add(strip(far, (4, 4)), behind_class, behind)


def trees(kit: Roadside, side: int) -> None:
    """Trees along the kerb and behind the pavement, bushes between them."""
    rng, c = kit.rng, kit.section
    kinds = rng.choice(nature.TREES, 3, p=[0.5, 0.1, 0.12, 0.1, 0.04, 0.14])
    gap = rng.uniform(3.5, 18)
    s = -18.0
    while s < 150:
        s += float(rng.exponential(gap) + 1.5)
        kind = str(rng.choice(kinds))
        at_kerb = kind != "bush" and c.pavement > 2.4 and rng.random() < 0.5
        d = c.edge + 0.75 if at_kerb else c.back + rng.uniform(0.6, 8)
        wood, leaves = nature.tree(rng, kind, 1.0 if s < 50 else 0.3)
        if wood is not None:
            kit.put(wood, "vegetation", kit.bark, s, side * d, 0, rng.uniform(0, 6))
        if leaves is not None:
            kit.put(leaves, "vegetation", kit.leaves[int(rng.integers(4))], s, side * d)


def horizon(kit: Roadside) -> None:
    """Greenery and houses far off, also where the street ends."""
    rng, axis, c = kit.rng, kit.axis, kit.section

    def places(count: int, s: tuple[float, float], d: tuple[float, float]) -> Floats:
        return np.array([axis.at(rng.uniform(*s), rng.uniform(*d)) for _ in range(count)])

    density = 1.2 - kit.built_up
    near = c.back + 16
    for side in (1, -1):
        count = int(rng.uniform(10, 60) * density) + 4
        d = (near, 100) if side > 0 else (-100, -near)
        balls = nature.thicket(rng, places(count, (-20, 295), d), (1.5, 5))
        kit.scene.add(balls, "vegetation", kit.leaves[0])
        for _ in range(int(rng.integers(0, 9))):
            s, off = rng.uniform(20, 280), side * rng.uniform(near + 15, 95)
            paint, tile = kit.facades[int(rng.integers(7))]
            size = rng.uniform([8, 8, 5], [22, 18, 34])
            kit.put(box(size, tile), "building", paint, s, off, -2, rng.uniform(0, 3))
    end = nature.thicket(rng, places(26, (285, 299), (-60, 60)), (3, 8))
    kit.scene.add(end, "vegetation", kit.leaves[1])
