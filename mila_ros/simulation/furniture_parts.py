# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What furniture is made of: paints, legs, screens, and the small things that lie on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mila_ros.simulation import textures
from mila_ros.simulation.geometry import Floats, Mesh, rotation
from mila_ros.simulation.scene import Paint, Scene
from mila_ros.simulation.shapes import block, box, capsule, cylinder, ellipsoid
from mila_ros.simulation.textures import Random


class FurnitureParts:
    """Builds parts of the present piece, and knows the paints of all.

    Args:
        scene: Where to build.
        rng: The source of all chance.
    """

    def __init__(self, scene: Scene, rng: Random) -> None:
        self.scene, self.rng = scene, rng
        material = scene.material
        self.woods = [material(textures.wood(rng), "satin") for _ in range(3)]
        self.cloths = [material(textures.cloth(rng)) for _ in range(4)]
        self.prints = [material(textures.picture(rng), "satin") for _ in range(4)]
        self.leaves = material(textures.foliage(rng))
        self.steel = scene.color(np.full(3, rng.uniform(0.15, 0.8)), "glossy")
        self.dark = scene.color((0.04, 0.04, 0.05), "glossy")
        self.place: Floats = np.zeros(3)
        self.turn: Floats = np.eye(3)
        self.body: Any = None
        self.obj = 0

    def add(
        self, mesh: Mesh, class_name: str, paint: Paint, at: tuple[float, float, float] = (0, 0, 0)
    ) -> None:
        """Add a part of the present piece, ``at`` a place on it."""
        self.scene.add(
            mesh.moved(at), class_name, paint, at=self.place, turned=self.turn,
            body=self.body, obj=self.obj,
        )  # fmt: skip

    def any_color(self, finish: str = "satin") -> Paint:
        """A plain colour."""
        return self.scene.color(textures.random_color(self.rng), finish)

    def surface(self) -> Paint:
        """Wood or a plain colour."""
        return (
            self.woods[int(self.rng.integers(3))] if self.rng.random() < 0.6 else self.any_color()
        )

    def cloth(self) -> Paint:
        """One of the world's cloths."""
        return self.cloths[int(self.rng.integers(4))]

    def legs(
        self, class_name: str, paint: Paint, size: tuple[float, float, float], thick: float
    ) -> None:
        """Four legs under a top of a size."""
        x, y = size[0] / 2 - thick, size[1] / 2 - thick
        for sx in (-1, 1):
            for sy in (-1, 1):
                self.add(box((thick, thick, size[2])), class_name, paint, (sx * x, sy * y, 0))

    def screen(self, x: float, y: float, z: float, width: float) -> None:
        """A monitor or television on its foot, facing -y."""
        high = width * 0.6
        lit = self.rng.random() < 0.5
        self.add(block((width, 0.03, high)), "tv", self.dark, (x, y, z + 0.1 + high / 2))
        face = (
            self.prints[int(self.rng.integers(4))]
            if lit
            else self.scene.color((0.07, 0.07, 0.09), "glossy")
        )
        panel = box((width * 0.94, 0.01, high * 0.9), (width * 0.94, high * 0.9))
        self.add(panel, "tv", face, (x, y - 0.018, z + 0.1 + high * 0.05))
        self.add(box((width * 0.4, 0.18, 0.02)), "tv", self.dark, (x, y, z))
        self.add(box((0.05, 0.03, 0.14)), "tv", self.dark, (x, y + 0.01, z))

    def thing(self, x: float, y: float, z: float) -> None:
        """Something small that stands: books, cups, bottles, fruit, boxes."""
        rng = self.rng
        kind = rng.choice(["books", "cup", "bottle", "ball", "box"])
        if kind == "books":
            for _ in range(int(rng.integers(1, 5))):
                thick = rng.uniform(0.015, 0.05)
                book = box((0.2, 0.14, thick)).moved((0, 0, 0), rotation(rng.normal(0, 0.3)))
                self.add(book, "books", self.any_color("matte"), (x, y, z))
                z += thick
        elif kind == "cup":
            self.add(
                cylinder(0.035, 0.1, 10, 0.042).with_uv((0, 0)),
                "objects",
                self.any_color("glossy"),
                (x, y, z),
            )
        elif kind == "bottle":
            paint = self.any_color("glossy")
            self.add(capsule((0, 0, 0.04), (0, 0, 0.2), 0.04), "objects", paint, (x, y, z))
            self.add(cylinder(0.014, 0.3, 6).with_uv((0, 0)), "objects", paint, (x, y, z))
        elif kind == "ball":
            radius = rng.uniform(0.035, 0.12)
            self.add(
                ellipsoid((radius,) * 3, level=2), "objects", self.any_color(), (x, y, z + radius)
            )
        else:
            self.add(box(tuple(rng.uniform(0.06, 0.28, 3))), "objects", self.surface(), (x, y, z))
