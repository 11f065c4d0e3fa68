# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A vehicle under construction: a body stretched over a silhouette, windows cut into it."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation.geometry import Floats, Mesh
from mila_ros.simulation.scene import Paint, Scene
from mila_ros.simulation.shapes import block, wheel
from mila_ros.simulation.textures import Random
from mila_ros.simulation.vehicle_shapes import Shape


class VehicleBuilder:
    """Builds one vehicle.

    Args:
        scene: Where to build it.
        body: Its moving body.
        obj: The number of its object.
        shape: Its silhouette.
        skin: Its paints, by name.
        rng: The source of all chance.
    """

    def __init__(
        self,
        scene: Scene,
        body: object,
        obj: int,
        shape: Shape,
        skin: dict[str, Paint],
        rng: Random,
    ):
        self.scene, self.body, self.obj = scene, body, obj
        self.shape, self.skin, self.rng = shape, skin, rng
        self.at = np.zeros(3)

    def add(
        self, mesh: Mesh, paint: str | Paint, at: tuple[float, float, float] = (0, 0, 0)
    ) -> None:
        """Add a part, at a place counted from ``self.at``."""
        paint = self.skin[paint] if isinstance(paint, str) else paint
        self.scene.add(
            mesh, self.shape.class_name, paint, at=self.at + at, body=self.body, obj=self.obj
        )

    def loft(self) -> None:
        """Stretch the body over its silhouette; faces between belt and roof are glass."""
        shape = self.shape
        length, width, height = shape.size
        top_x, top_z = np.array(shape.top).T * [[length], [height]]
        edges = np.array(shape.windows).ravel() * length
        x = np.unique(np.r_[top_x, edges, np.linspace(-length / 2, length / 2, 9)].round(3))
        top = np.interp(x, top_x, top_z)
        bottom = min(shape.wheel * 0.62, 0.32) if shape.wheel else 0.12
        belt = np.minimum(shape.belt * height * (1 - 0.03 * x / length), top - 0.05 * height)
        # Seen from above the ends are rounded.
        half = width / 2 * (1 - 0.2 * np.abs(2 * x / length) ** (5 if length < 6 else 24))
        rise = top - belt
        inward = np.minimum(shape.lean * rise, 0.3 * half)
        right = np.stack(
            [
                np.stack([-half * 0.88, 0 * x + bottom], 1),
                np.stack([-half * 0.985, bottom + 0.25 * (belt - bottom)], 1),
                np.stack([-half, bottom + 0.7 * (belt - bottom)], 1),
                np.stack([-half * 0.965, belt], 1),
                np.stack([-half * 0.965 + inward * 0.9, belt + 0.86 * rise], 1),
                np.stack([-(half * 0.965 - inward) * 0.8, belt + 0.98 * rise], 1),
            ],
            1,
        )
        middle = np.stack([0 * x, top + 0.012 * width], 1)[:, None]
        section = np.concatenate([right, middle, right[:, ::-1] * [-1, 1]], 1)
        n = section.shape[1]
        vertices = np.concatenate([np.repeat(x[:, None, None], n, 1), section], 2)
        i, j = (index.ravel() for index in np.mgrid[: len(x) - 1, :n])
        ahead, beside = (i + 1) * n, (j + 1) % n
        squares = np.stack([i * n + j, ahead + j, ahead + beside, i * n + beside], 1)
        slope = np.abs(np.diff(top) / np.diff(x))[i]
        center_x, standing = (x[i] + x[i + 1]) / 2, np.minimum(rise[i], rise[i + 1])
        in_window = np.any(
            [(center_x > a * length) & (center_x < b * length) for a, b in shape.windows], 0
        )
        has_top = (top[i] + top[i + 1]) / 2 > (belt[i] + belt[i + 1]) / 2 + 0.07 * height
        side_glass = np.isin(j, (3, n - 5)) & in_window & (standing > 0.1 * height)
        screen = (j >= 4) & (j <= n - 6) & (slope > 0.38) & has_top
        screen &= np.maximum(rise[i], rise[i + 1]) > 0.16 * height
        is_glass = side_glass | screen
        low = shape.belt * height
        body_uv = [0.5, 0] + vertices[..., [0, 2]] / [length, height]
        glass_uv = [0.5, 0] + (vertices[..., [0, 2]] - [0, low]) / [length, height - low]
        for paint, chosen, uv in (("body", ~is_glass, body_uv), ("glass", is_glass, glass_uv)):
            if chosen.any():
                mesh = _squares(vertices.reshape(-1, 3), squares[chosen], uv.reshape(-1, 2))
                self.add(mesh.facing_away_from(_within(mesh, length, low)), paint)
        for end, direction in ((0, -1.0), (len(x) - 1, 1.0)):
            rim = vertices[end]
            center = rim.mean(0) + [0.02 * direction, 0, 0]
            k = np.arange(n)
            fan = Mesh.of(
                np.r_[rim, [center]],
                np.c_[k, (k + 1) % n, np.full(n, n)],
                [0.5, 0] + np.r_[rim, [center]][:, [0, 2]] / [length, height],
            )
            self.add(fan.facing_away_from(center - [direction, 0, 0]), "body")

    def details(self) -> None:
        """Wheels, lamps, grille, plates, mirrors, and what else is on some."""
        shape, rng = self.shape, self.rng
        length, width, height = shape.size
        end, belt = length / 2, shape.belt * height
        for axle in shape.axles if shape.wheel else ():
            self.wheels(axle * length, shape.wheel, width)
        z = belt * rng.uniform(0.68, 0.9)
        tall = rng.random() < 0.35
        lamp = block((0.1, 0.16, 0.38) if tall else (0.1, 0.32, 0.13))
        light, y = rng.random() < 0.35, width * 0.5 * 0.74
        red = self.scene.color((1, 0.1, 0.08), "glowing") if light else self.skin["red"]
        white = self.scene.color((1, 0.98, 0.9), "glowing") if light else self.skin["lamp"]
        for side in (1, -1):
            self.add(lamp, red, (-end + 0.02, side * y, z + 0.08))
            self.add(block((0.2, 0.34, 0.14)), white, (end - 0.06, side * y, z * 0.9))
            mirror = (
                length * 0.17 if length < 6 else end - 0.3,
                side * (width / 2 + 0.06),
                belt + 0.08,
            )
            self.add(block((0.1, 0.18, 0.13)), "trim", mirror)
        self.add(
            block((0.06, width * rng.uniform(0.4, 0.6), rng.uniform(0.1, 0.22))),
            "dark",
            (end, 0, z * 0.78),
        )
        if rng.random() < 0.6:
            for side in (1, -1):
                self.add(block((0.1, width * 0.86, 0.2)), "trim", (side * (end - 0.02), 0, 0.42))
        for side, at in ((-1, 0.72), (1, 0.5)):
            self.add(block((0.03, 0.5, 0.12)), "plate", (side * (end + 0.035), 0, z * at + 0.05))
        if shape.top[1][1] > 0.85:
            pane = block((0.03, width * 0.7, height * 0.24))
            self.add(
                pane, "glass" if rng.random() < 0.8 else "body", (-end - 0.01, 0, height * 0.7)
            )
        if shape.class_name == "car" and rng.random() < 0.22:
            kind = rng.choice(["rails", "sign", "bars"])
            if kind == "sign":
                self.add(block((0.15, 0.5, 0.15)), "plate", (-0.05 * length, 0, height + 0.08))
            for side in (1, -1) if kind != "sign" else ():
                size = (length * 0.35, 0.05, 0.05) if kind == "rails" else (0.06, width * 0.6, 0.06)
                off = (-0.08 * length, side * width * 0.3, height + 0.03)
                self.add(
                    block(size),
                    "trim",
                    off if kind == "rails" else (side * 0.4 - 0.2, 0, height + 0.04),
                )

    def wheels(self, x: float, radius: float, width: float) -> None:
        """Two wheels of an axle in their dark arches."""
        for side in (1, -1):
            self.add(
                wheel(radius * 1.15, 0.04), "dark", (x, side * (width / 2 - 0.015), radius * 1.02)
            )
            self.add(wheel(radius, 0.22), "tyre", (x, side * (width / 2 - 0.09), radius))
            self.add(wheel(radius * 0.62, 0.23, 8), "rim", (x, side * (width / 2 - 0.085), radius))
            self.add(wheel(radius * 0.22, 0.24, 6), "dark", (x, side * (width / 2 - 0.085), radius))


def _squares(vertices: Floats, squares: np.ndarray, uv: Floats) -> Mesh:
    """Squares as triangles, with the vertices that they use."""
    faces = np.concatenate([squares[:, [0, 1, 2]], squares[:, [0, 2, 3]]])
    used, faces = np.unique(faces, return_inverse=True)
    return Mesh.of(vertices[used], faces.reshape(-1, 3), uv[used])


def _within(mesh: Mesh, length: float, low: float) -> Floats:
    """For each face, the point inside the vehicle that it has to face away from."""
    center = mesh.vertices[mesh.faces].mean(1)
    reach = 0.35 * length
    return np.c_[np.clip(center[:, 0], -reach, reach), 0 * center[:, 1], 0 * center[:, 2] + low / 2]
