# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Floor, ceiling and walls of a room, with what hangs on them and stands against them."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation import street_textures, textures
from mila_ros.simulation.furniture import Furniture
from mila_ros.simulation.geometry import Floats, rotation
from mila_ros.simulation.scene import Paint, Scene
from mila_ros.simulation.shapes import box
from mila_ros.simulation.textures import Random


class RoomShell:
    """A room's shell under construction, its middle over the origin.

    Args:
        scene: What it is built in.
        rng: Where chance comes from.
        furniture: Builds cabinets and shelves, and has cloth and colours.
        size: Along x, y and z, in metres.
    """

    def __init__(self, scene: Scene, rng: Random, furniture: Furniture, size: Floats) -> None:
        self.scene, self.rng, self.furniture, self.size = scene, rng, furniture, size
        self.taken: list[tuple[float, float, float]] = []

    def build(self) -> list[tuple[float, float, float]]:
        """Floor, ceiling, and walls; the floor that is taken: x, y and radius."""
        rng, (x, y, z) = self.rng, self.size
        kind = rng.choice(["wood", "slabs", "cloth"], p=[0.5, 0.25, 0.25])
        image = {
            "wood": lambda: textures.planks(rng, 256),
            "slabs": lambda: textures.ground(rng, "slabs"),
            "cloth": lambda: textures.cloth(rng, 128),
        }[str(kind)]()
        floor = self.scene.material(image, "satin" if kind == "wood" else "matte")
        ceiling = self.scene.material(textures.paint(rng), tint=(1, 1, 1))
        wall = self.scene.material(textures.paint(rng))
        other = self.scene.material(
            textures.bricks(rng) if rng.random() < 0.3 else textures.paint(rng)
        )
        self.scene.add(box((x, y, 0.1), (1.2, 1.2)), "floor", floor, at=(0, 0, -0.1))
        self.scene.add(box((x, y, 0.1), (3, 3)), "ceiling", ceiling, at=(0, 0, z))
        if rng.random() < 0.45:
            rug = box((*rng.uniform(1.2, 2.6, 2), 0.012), (2, 2))
            self.scene.add(rug, "floor", self.furniture.cloth(), at=(*rng.uniform(-0.6, 0.6, 2), 0))
        for quarter in range(4):
            yaw = quarter * np.pi / 2
            away, long = (y / 2, x) if quarter % 2 == 0 else (x / 2, y)
            paint = wall if rng.random() < 0.75 else other
            self._wall(yaw, away, long, paint)
        return self.taken

    def _wall(self, yaw: float, away: float, long: float, paint: Paint) -> None:
        """A wall ``away`` from the middle; in its own axes it is ahead along -y."""
        rng, z = self.rng, self.size[2]
        turned = rotation(yaw)

        def put(
            mesh_size: tuple[float, float, float],
            class_name: str,
            paint: Paint,
            along: float,
            up: float,
            tile: tuple[float, float] = (1, 1),
            out: float = 0.0,
        ) -> None:
            at = turned @ np.array([along, -away + out + mesh_size[1] / 2, up])
            self.scene.add(box(mesh_size, tile), class_name, paint, at=at, turned=turned)

        put((long + 0.2, 0.1, z), "wall", paint, 0, 0, (2, 2), -0.1)
        white = self.scene.color(np.full(3, rng.uniform(0.6, 0.95)), "satin")
        put((long, 0.015, 0.08), "wall", white, 0, 0)
        for slot in (-0.33, 0.0, 0.33):
            along = slot * long + float(rng.normal(0, 0.1))
            kind = rng.choice(
                ["door", "window", "picture", "none", "cabinet", "shelf", "tv"],
                p=[0.1, 0.22, 0.25, 0.16, 0.12, 0.1, 0.05],
            )
            if kind == "door":
                put((1.0, 0.03, 2.1), "wall", white, along, 0)
                put((0.86, 0.05, 2.02), "wall", self.furniture.surface(), along, 0)
            elif kind == "window":
                self._window(put, along)
            elif kind == "picture":
                wide, high = rng.uniform(0.3, 1.1), rng.uniform(0.3, 0.9)
                up = rng.uniform(1.1, 1.5)
                put(
                    (wide + 0.06, 0.025, high + 0.06),
                    "picture",
                    self.furniture.surface(),
                    along,
                    up - 0.03,
                )
                art = self.furniture.prints[int(rng.integers(4))]
                put((wide, 0.035, high), "picture", art, along, up, (wide, high))
            elif kind == "tv":
                wide = rng.uniform(0.8, 1.4)
                put((wide, 0.05, wide * 0.58), "tv", self.furniture.dark, along, 1.1)
            elif kind in ("cabinet", "shelf"):
                at = turned @ np.array([along, -away + 0.34, 0])
                radius = self.furniture.build(str(kind), at[0], at[1], yaw + np.pi / 2)
                self.taken.append((at[0], at[1], radius))

    def _window(self, put: object, along: float) -> None:
        """A window: a view, a frame, at times curtains."""
        rng = self.rng
        wide, high, up = rng.uniform(0.8, 1.7), rng.uniform(0.9, 1.3), rng.uniform(0.8, 1.0)
        sky, _ = street_textures.sky(rng, str(rng.choice(street_textures.SKIES)), 64)
        view = self.scene.material(sky[:64], "glowing")
        white = self.scene.color(np.full(3, rng.uniform(0.5, 0.95)), "satin")
        assert callable(put)
        put((wide, 0.02, high), "window", view, along, up, (wide, high))
        for z in (up - 0.03, up + high - 0.03):
            put((wide + 0.1, 0.06, 0.06), "window", white, along, z)
        for x in (-wide / 2, 0, wide / 2):
            put((0.06, 0.06, high), "window", white, along + x, up)
        if rng.random() < 0.4:
            for x in (-wide / 2 - 0.15, wide / 2 + 0.15):
                put((0.35, 0.1, high + 0.7), "window", self.furniture.cloth(), along + x, up - 0.5)
