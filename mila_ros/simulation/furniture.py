# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Furniture and what lies on it, classified as NYU-13 does."""

from __future__ import annotations

from typing import Any

import numpy as np

from mila_ros.simulation import nature
from mila_ros.simulation.furniture_parts import FurnitureParts
from mila_ros.simulation.geometry import rotation
from mila_ros.simulation.shapes import block, box, cylinder, ellipsoid, tube

STANDING = ("table", "desk", "chair", "office_chair", "sofa", "armchair", "bed", "cabinet", "shelf",
            "lamp", "plant", "crate", "bin")  # fmt: skip
"""Pieces that stand free; each is a method of `Furniture`."""


class Furniture(FurnitureParts):
    """Builds pieces at a place."""

    def build(
        self, kind: str, x: float, y: float, yaw: float, body: Any = None, obj: int = 0
    ) -> float:
        """Build a piece; returns the radius of the floor that it takes up."""
        self.place, self.turn = np.array([x, y, 0.0]), rotation(yaw)
        self.body, self.obj = body, obj
        return float(getattr(self, kind)())

    def table(self) -> float:
        """A dining or a coffee table with things on it."""
        rng = self.rng
        low = rng.random() < 0.35
        size = rng.uniform(0.7, 1.8), rng.uniform(0.6, 1.0), rng.uniform(0.36, 0.5) if low else 0.74
        paint = self.surface()
        if rng.random() < 0.25:
            self.add(cylinder(size[1] * 0.6, 0.035, 20), "table", paint, (0, 0, size[2]))
            self.add(cylinder(0.05, size[2], 8), "table", self.steel)
            self.add(cylinder(0.3, 0.03, 14), "table", self.steel)
        else:
            self.add(box((size[0], size[1], 0.04)), "table", paint, (0, 0, size[2]))
            self.legs("table", paint, size, rng.uniform(0.04, 0.09))
        for _ in range(int(rng.integers(0, 6))):
            x, y = rng.uniform(-0.38, 0.38, 2) * size[:2]
            self.thing(x, y, size[2] + 0.04)
        return float(np.hypot(*size[:2]) / 2)

    def desk(self) -> float:
        """A desk with a screen, a keyboard and papers."""
        rng = self.rng
        size, paint = (rng.uniform(1.1, 1.7), 0.7, 0.73), self.surface()
        self.add(box((size[0], size[1], 0.035)), "table", paint, (0, 0, size[2]))
        self.legs("table", self.steel, size, 0.05)
        self.add(box((0.4, 0.55, 0.6)), "furniture", paint, (size[0] / 2 - 0.25, 0, 0))
        for x in (0.0,) if rng.random() < 0.6 else (-0.3, 0.3):
            self.screen(x, 0.18, size[2] + 0.035, rng.uniform(0.45, 0.65))
        self.add(box((0.42, 0.14, 0.02)), "objects", self.dark, (0, -0.15, size[2] + 0.035))
        for _ in range(int(rng.integers(1, 5))):
            x, y = rng.uniform(-0.4, 0.4, 2) * size[:2]
            self.thing(x, y, size[2] + 0.035)
        return float(np.hypot(*size[:2]) / 2)

    def chair(self) -> float:
        """A kitchen chair."""
        rng, paint = self.rng, self.surface()
        seat = paint if rng.random() < 0.5 else self.cloth()
        self.add(box((0.43, 0.43, 0.045)), "chair", seat, (0, 0, 0.44))
        self.legs("chair", paint, (0.43, 0.43, 0.44), 0.04)
        high = rng.uniform(0.35, 0.55)
        if rng.random() < 0.5:
            self.add(box((0.035, 0.42, high)), "chair", seat, (-0.2, 0, 0.48))
        else:
            for y in np.linspace(-0.19, 0.19, 4):
                self.add(box((0.03, 0.03, high)), "chair", paint, (-0.2, y, 0.48))
            self.add(box((0.035, 0.42, 0.07)), "chair", paint, (-0.2, 0, 0.48 + high))
        return 0.32

    def office_chair(self) -> float:
        """A chair on castors."""
        cloth = self.cloth()
        for angle in np.arange(5) * 2 * np.pi / 5:
            tip = (0.3 * np.cos(angle), 0.3 * np.sin(angle), 0.06)
            self.add(tube((0, 0, 0.1), tip, 0.025), "chair", self.dark)
            self.add(ellipsoid((0.035, 0.035, 0.035), tip), "chair", self.dark, (0, 0, -0.02))
        self.add(cylinder(0.03, 0.36, 8), "chair", self.steel, (0, 0, 0.1))
        self.add(box((0.48, 0.48, 0.08)), "chair", cloth, (0, 0, 0.44))
        self.add(box((0.07, 0.45, 0.6)), "chair", cloth, (-0.22, 0, 0.55))
        return 0.36

    def sofa(self, seats: int = 0) -> float:
        """A sofa with cushions."""
        rng, cloth = self.rng, self.cloth()
        seats = seats or int(rng.integers(2, 4))
        long, deep = 0.62 * seats + 0.3, rng.uniform(0.8, 0.95)
        self.add(box((deep, long, 0.3)), "sofa", cloth, (0, 0, 0.08))
        self.add(box((0.22, long, 0.45)), "sofa", cloth, (-deep / 2 + 0.11, 0, 0.38))
        for side in (-1, 1):
            self.add(box((deep, 0.16, 0.52)), "sofa", cloth, (0, side * (long / 2), 0.08))
        for k in range(seats):
            y = (k - (seats - 1) / 2) * 0.62
            self.add(box((deep - 0.26, 0.58, 0.13)), "sofa", cloth, (0.1, y, 0.38))
            if rng.random() < 0.4:
                pillow = ellipsoid((0.09, 0.22, 0.2), level=2)
                self.add(pillow, "objects", self.any_color("matte"), (-0.15, y, 0.68))
        return long / 2 + 0.15

    def armchair(self) -> float:
        """A sofa for one."""
        return self.sofa(1)

    def bed(self) -> float:
        """A bed with a blanket and pillows."""
        rng = self.rng
        wide, wood = rng.uniform(0.9, 1.8), self.surface()
        self.add(box((2.05, wide + 0.06, 0.28)), "bed", wood, (0, 0, 0.05))
        self.add(box((2.0, wide, 0.2)), "bed", self.scene.color((0.9, 0.9, 0.88)), (0, 0, 0.33))
        cover = rng.uniform(1.0, 1.5)
        self.add(box((cover, wide + 0.08, 0.24)), "bed", self.cloth(), (1.0 - cover / 2, 0, 0.33))
        self.add(box((0.06, wide + 0.1, rng.uniform(0.8, 1.2))), "bed", wood, (-1.02, 0, 0))
        for y in (0.0,) if wide < 1.3 else (-wide / 4, wide / 4):
            pillow = ellipsoid((0.22, 0.32, 0.09), level=2)
            self.add(pillow, "objects", self.any_color("matte"), (-0.72, y, 0.58))
        return 1.2

    def cabinet(self) -> float:
        """A cupboard, chest of drawers or refrigerator, its doors as seams."""
        rng, paint = self.rng, self.surface()
        size = rng.uniform([0.35, 0.5, 0.6], [0.62, 1.4, 2.1])
        self.add(box(tuple(size)), "furniture", paint)
        columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        for z in np.linspace(0, size[2], rows + 1)[1:-1]:
            self.add(block((0.012, size[1], 0.012)), "furniture", self.dark, (size[0] / 2, 0, z))
        for y in np.linspace(-size[1] / 2, size[1] / 2, columns + 1)[:-1]:
            self.add(
                block((0.012, 0.012, size[2])),
                "furniture",
                self.dark,
                (size[0] / 2, y, size[2] / 2),
            )
            handle = (size[0] / 2 + 0.02, y + 0.1, size[2] * 0.5)
            self.add(block((0.03, 0.03, 0.12)), "furniture", self.steel, handle)
        for _ in range(int(rng.integers(0, 4))):
            self.thing(0, rng.uniform(-0.4, 0.4) * size[1], size[2])
        return float(np.hypot(size[0], size[1]) / 2)

    def shelf(self) -> float:
        """An open shelf with books and things."""
        rng, paint = self.rng, self.surface()
        wide, high, deep = rng.uniform(0.6, 1.4), rng.uniform(0.9, 2.1), 0.3
        self.add(box((0.02, wide, high)), "furniture", paint, (-deep / 2, 0, 0))
        for side in (-1, 1):
            self.add(box((deep, 0.025, high)), "furniture", paint, (0, side * wide / 2, 0))
        for z in np.arange(0.05, high, 0.36):
            self.add(box((deep, wide, 0.025)), "furniture", paint, (0, 0, z))
            y = -wide / 2 + 0.03
            while y < wide / 2 - 0.08:
                if rng.random() < 0.85:
                    thick, tall = rng.uniform(0.02, 0.06), rng.uniform(0.18, 0.3)
                    if z + tall < high + 0.2:
                        self.add(
                            box((0.2, thick, tall)),
                            "books",
                            self.any_color("matte"),
                            (0, y + thick / 2, z + 0.025),
                        )
                    y += thick + 0.002
                elif rng.random() < 0.3:
                    self.thing(0, y + 0.08, z + 0.025)
                    y += 0.2
                else:
                    y += rng.uniform(0.02, 0.2)
        return float(np.hypot(deep, wide) / 2)

    def lamp(self) -> float:
        """A standard lamp, lit."""
        shade = self.scene.color((1, 0.94, 0.78), "glowing")
        self.add(cylinder(0.16, 0.03, 12), "objects", self.dark)
        self.add(cylinder(0.015, 1.5, 6), "objects", self.steel)
        self.add(cylinder(0.22, 0.28, 14, 0.15).with_uv((0, 0)), "objects", shade, (0, 0, 1.42))
        return 0.2

    def plant(self) -> float:
        """A plant in its pot."""
        rng = self.rng
        self.add(cylinder(0.15, 0.3, 12, 0.19).with_uv((0, 0)), "objects", self.any_color())
        _, leaves = nature.tree(rng, "bush")
        assert leaves is not None  # a bush is nothing but leaves
        self.add(
            leaves.scaled((0.4, 0.4, rng.uniform(0.5, 1.0))), "objects", self.leaves, (0, 0, 0.3)
        )
        return 0.3

    def crate(self) -> float:
        """A box of cardboard or plastic."""
        size = self.rng.uniform(0.2, 0.6, 3)
        self.add(box(tuple(size)), "objects", self.surface())
        return float(np.hypot(size[0], size[1]) / 2)

    def bin(self) -> float:
        """A waste-paper basket."""
        self.add(cylinder(0.13, 0.36, 12, 0.16).with_uv((0, 0)), "objects", self.any_color())
        return 0.18
