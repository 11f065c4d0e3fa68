# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The materials of a street, and how parts are put beside it."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation import street_textures, textures
from mila_ros.simulation.geometry import Mesh, rotation
from mila_ros.simulation.scene import Paint, Scene
from mila_ros.simulation.shapes import block, box, cylinder
from mila_ros.simulation.street_axis import Axis, CrossSection
from mila_ros.simulation.textures import Random, hsv

BUILT_TO_M = 230.0
# Slats and leaves are only worth their triangles nearby.
FINE_TO_M = 90.0
FENCES = ("pickets", "boards", "railing", "rails", "wires")


class Roadside:
    """What everything beside a street is made with: its materials, and where things go.

    Args:
        scene: Where to build.
        rng: The source of all chance.
        axis: Where the street runs.
        section: What lies where across it.
    """

    def __init__(self, scene: Scene, rng: Random, axis: Axis, section: CrossSection) -> None:
        self.scene, self.rng, self.axis, self.section = scene, rng, axis, section
        self.built_up = float(rng.uniform(0.1, 1.0))
        self.crossings: list[float] = []
        material = scene.material
        self.leaves = [material(textures.foliage(rng)) for _ in range(4)]
        self.bark = material(textures.bark(rng))
        self.steel = [scene.color(np.full(3, v), "satin") for v in rng.uniform(0.08, 0.75, 3)]
        self.dark = scene.color((0.05, 0.055, 0.05), "satin")
        self.facades = []
        for _ in range(7):
            floors, bays = (int(n) for n in rng.integers(2, 5, 2))
            image = street_textures.facade(rng, floors, bays)
            tile = bays * rng.uniform(2.2, 4), floors * rng.uniform(2.8, 3.6)
            self.facades.append((material(image, "satin"), tile))
        self.shops = [material(street_textures.shop_front(rng), "satin") for _ in range(3)]
        self.roofs = [
            material(
                textures.ground(rng, "slabs"),
                tint=hsv(rng.uniform(0, 0.1), rng.uniform(0.1, 0.7), rng.uniform(0.4, 0.9)),
            )
            for _ in range(2)
        ]
        self.walls = [material(textures.bricks(rng)), material(textures.ground(rng, "slabs"))]
        self.boards = material(textures.planks(rng))
        self.signs = [material(street_textures.traffic_sign(rng), "satin") for _ in range(5)]
        self.posters = [material(textures.picture(rng), "satin") for _ in range(2)]

    def put(
        self,
        mesh: Mesh,
        class_name: str,
        paint: Paint,
        s: float,
        d: float,
        z: float = 0.0,
        turn: float = 0.0,
    ) -> None:
        """Add a part at (s, d, z), turned along the street."""
        yaw = self.axis.heading(s) + turn
        self.scene.add(mesh, class_name, paint, at=self.axis.at(s, d, z), turned=rotation(yaw))

    def fence(self, s: float, d: float, width: float, kind: str, height: float) -> None:
        """A fence of one of `FENCES` along the street."""
        rng, parts = self.rng, []
        paint = (
            self.boards
            if kind in ("pickets", "boards", "rails")
            else self.steel[int(rng.integers(3))]
        )
        if s > FINE_TO_M:
            kind = "boards" if kind in ("pickets", "boards") else "rails"
        if kind == "boards":
            parts.append(box((width, 0.05, height), (1.6, 1.6)))
        else:
            step = {"pickets": 0.17, "railing": 0.14, "wires": 0.25, "rails": 2.0}[kind]
            slat = {
                "pickets": (0.1, 0.025),
                "railing": (0.022, 0.022),
                "wires": (0.012, 0.012),
                "rails": (0.1, 0.1),
            }[kind]
            for x in np.arange(-width / 2, width / 2, step):
                parts.append(box((*slat, height)).moved((x, 0, 0)))
            for k in {"rails": (0.35, 0.65, 0.95), "wires": (0.05, 0.3, 0.5, 0.7, 0.98)}.get(
                kind, (0.15, 0.85)
            ):
                thick = {"rails": 0.12, "wires": 0.015}.get(kind, 0.05)
                parts.append(block((width, 0.04, thick)).moved((0, 0.02, height * k)))
            if kind in ("wires", "railing"):
                for x in np.arange(-width / 2, width / 2, 2.5):
                    parts.append(cylinder(0.035, height + 0.08, 6).moved((x, 0, 0)))
        self.put(Mesh.join(parts), "fence", paint, s, d, self.section.kerb)
