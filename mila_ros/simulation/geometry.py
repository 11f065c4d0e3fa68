# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes with texture coordinates, and how they are turned.

Lengths are metres, x is forward, y left and z up. Faces wind counter-clockwise seen from outside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """Triangles: vertices float [V, 3], faces int [F, 3], uv float [V, 2]."""

    vertices: Floats
    faces: NDArray[np.int64]
    uv: Floats

    @staticmethod
    def of(vertices: ArrayLike, faces: ArrayLike, uv: ArrayLike | None = None) -> Mesh:
        """A mesh from anything array-like; without uv all of it takes one point of a texture."""
        v = np.asarray(vertices, float)
        return Mesh(
            v,
            np.asarray(faces, np.int64),
            np.zeros((len(v), 2)) if uv is None else np.asarray(uv, float),
        )

    @staticmethod
    def join(parts: Iterable[Mesh]) -> Mesh:
        """All parts as one mesh."""
        parts = list(parts)
        first = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
        return Mesh(
            np.concatenate([part.vertices for part in parts]),
            np.concatenate([part.faces + start for part, start in zip(parts, first, strict=True)]),
            np.concatenate([part.uv for part in parts]),
        )

    def moved(self, position: ArrayLike, rotation: Floats | None = None) -> Mesh:
        """The mesh turned by ``rotation`` [3, 3], then shifted."""
        turned = self.vertices if rotation is None else self.vertices @ rotation.T
        return Mesh(turned + np.asarray(position, float), self.faces, self.uv)

    def scaled(self, factors: ArrayLike) -> Mesh:
        """The mesh stretched along the axes by positive factors."""
        return Mesh(self.vertices * np.asarray(factors, float), self.faces, self.uv)

    def with_uv(self, uv: ArrayLike) -> Mesh:
        """The mesh with other texture coordinates: [V, 2], or one point [2] for all of it."""
        return Mesh(
            self.vertices, self.faces, np.broadcast_to(uv, (len(self.vertices), 2)).astype(float)
        )

    def facing_away_from(self, inside: ArrayLike) -> Mesh:
        """The mesh with faces turned away from a point [3], or each from its own [F, 3]."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        outward = (a + b + c) / 3 - np.asarray(inside, float)
        flip = (np.cross(b - a, c - a) * outward).sum(1) < 0
        faces = self.faces.copy()
        faces[flip] = faces[flip][:, ::-1]
        return Mesh(self.vertices, faces, self.uv)

    def two_sided(self) -> Mesh:
        """The mesh seen from both sides."""
        back = Mesh(self.vertices, self.faces[:, ::-1], self.uv)
        return Mesh.join([self, back])


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """The matrix of a turn by roll about x, then pitch about y, then yaw about z."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x


def quaternion(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """The same turn as a unit quaternion (w, x, y, z)."""
    cy, cp, cr = np.cos(np.array([yaw, pitch, roll]) / 2)
    sy, sp, sr = np.sin(np.array([yaw, pitch, roll]) / 2)
    return np.array(
        [
            cy * cp * cr + sy * sp * sr,
            cy * cp * sr - sy * sp * cr,
            cy * sp * cr + sy * cp * sr,
            sy * cp * cr - cy * sp * sr,
        ]
    )
