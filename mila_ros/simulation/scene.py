# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A MuJoCo model under construction: classified, painted parts on a fixed world and moving bodies.

MuJoCo's renderer costs some 45 µs a geom and pass on a CPU, whatever the geom's size. So rigid
parts of the same body, class, object and material are merged into one mesh, plain colours share
the texture of one palette, and all that one vehicle wears shares the texture of one `Skin`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mila_ros.simulation.engine import mujoco
from mila_ros.simulation.geometry import Floats, Mesh
from mila_ros.simulation.taxonomy import VOID, Taxonomy

Image = NDArray[np.uint8]
Color = ArrayLike

_FINISHES: dict[str, dict[str, float]] = {
    "matte": {"specular": 0.04, "shininess": 0.1},
    "satin": {"specular": 0.2, "shininess": 0.3},
    "glossy": {"specular": 0.7, "shininess": 0.7},
    "glowing": {"specular": 0.2, "shininess": 0.3, "emission": 0.7},
}
_PALETTE_CELLS, _CELL_PX = 32, 4
# The world is merged in stretches of this length, so that what is out of view can be left out.
_CHUNK_M = 30.0
_RIBBON_VERTICES = 600


@dataclass(frozen=True)
class Paint:
    """A material, and the part of its texture that is meant: (u, v) from and to; None is all."""

    material: str
    area: tuple[float, float, float, float] | None = None

    def on(self, mesh: Mesh) -> Mesh:
        """The mesh with texture coordinates in 0..1 moved into the area."""
        if self.area is None:
            return mesh
        u0, v0, u1, v1 = self.area
        return mesh.with_uv([u0, v0] + np.clip(mesh.uv, 0, 1) * [u1 - u0, v1 - v0])


@dataclass(frozen=True)
class Built:
    """A compiled scene: the model, and the class and object of each geom, the last entry void."""

    model: Any
    data: Any
    geom_class: NDArray[np.uint8]
    geom_object: NDArray[np.int32]
    objects: int


class Scene:
    """Collects parts; `build` compiles them.

    Args:
        taxonomy: The classes that parts may have.
        width: Of the pictures that will be taken.
        height: Of the pictures that will be taken.
        near: Metres to the near clip plane.
        far: Metres to the far clip plane.
    """

    def __init__(
        self, taxonomy: Taxonomy, width: int, height: int, near: float, far: float
    ) -> None:
        self.taxonomy, self.width, self.height = taxonomy, width, height
        self.spec = spec = mujoco.MjSpec()
        spec.option.gravity = [0, 0, 0]
        # Clip planes are in units of the extent.
        spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]
        spec.visual.map.znear, spec.visual.map.zfar = near, far
        spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
        self._names = 0
        self._objects = 0
        self._parts: dict[tuple[Any, ...], list[Mesh]] = defaultdict(list)
        self._of_geom: dict[str, tuple[int, int]] = {}
        self._palettes: dict[str, tuple[Any, Image, dict[tuple[int, ...], Paint]]] = {}

    def material(self, image: Image, finish: str = "matte", tint: Color = (1, 1, 1)) -> Paint:
        """A material with a texture: rgb uint8 [H, W, 3], v = 0 at the image's bottom."""
        texture = self._texture(image)
        return Paint(self._material(texture.name, finish, tint))

    def color(self, color: Color, finish: str = "matte") -> Paint:
        """A plain colour, RGB in 0..1."""
        if finish not in self._palettes:
            side = _PALETTE_CELLS * _CELL_PX
            image = np.zeros((side, side, 3), np.uint8)
            texture = self._texture(image)
            self._material(texture.name, finish, (1, 1, 1), f"palette {finish}")
            self._palettes[finish] = (texture, image, {})
        _, image, cells = self._palettes[finish]
        value = tuple(int(c) for c in np.clip(np.asarray(color) * 255, 0, 255))
        if value not in cells:
            # A full palette starts over; a model uses some hundred colours of its thousand.
            row, column = divmod(len(cells) % _PALETTE_CELLS**2, _PALETTE_CELLS)
            image[row * _CELL_PX : (row + 1) * _CELL_PX, column * _CELL_PX :][:, :_CELL_PX] = value
            u, v = (column + 0.5) / _PALETTE_CELLS, 1 - (row + 0.5) / _PALETTE_CELLS
            cells[value] = Paint(f"palette {finish}", (u, v, u, v))
        return cells[value]

    def skin(self, finish: str, regions: dict[str, Image | Color]) -> dict[str, Paint]:
        """Paints that share one texture: images, each covering u, v in 0..1, or plain colours."""
        rows: list[Image] = []
        for content in regions.values():
            pixels = np.asarray(content)
            if pixels.ndim == 3:
                rows.append(pixels)
            else:
                plain = np.clip(pixels * 255, 0, 255).astype(np.uint8)
                rows.append(np.full((8, 1, 3), plain, np.uint8))
        width = max(row.shape[1] for row in rows)
        sheet = np.concatenate([np.repeat(row, width // row.shape[1], 1) for row in rows])
        material = self.material(sheet, finish).material
        bottoms = 1 - np.cumsum([row.shape[0] for row in rows]) / len(sheet)
        paints = {}
        for name, row, bottom in zip(regions, rows, bottoms, strict=True):
            # Half a texel inside, more for plain colours, so that neighbours do not bleed in.
            margin = (3.5 if row.shape[1] == 1 else 0.5) / len(sheet)
            top = bottom + row.shape[0] / len(sheet)
            paints[name] = Paint(
                material, (0.5 / width, bottom + margin, 1 - 0.5 / width, top - margin)
            )
        return paints

    def sky(self, faces: Image) -> None:
        """Set the sky: six square faces [6 N, N, 3], right, left, up, down, front, back."""
        texture = self.spec.add_texture(
            name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
            width=faces.shape[1], height=faces.shape[0], nchannel=3,
        )  # fmt: skip
        texture.data = faces.tobytes()

    def new_object(self) -> int:
        """The number of a new object; 0 is the fixed world."""
        self._objects += 1
        return self._objects

    def moving_body(self, name: str) -> Any:
        """A body whose pose is set from outside."""
        return self.spec.worldbody.add_body(name=name, mocap=True)

    def limb(self, parent: Any, name: str, position: ArrayLike) -> Any:
        """A body that turns about its y axis at a position on its parent."""
        body = parent.add_body(name=name, pos=np.asarray(position, float))
        body.add_joint(name=name, axis=[0, 1, 0])
        body.mass, body.inertia, body.explicitinertial = 1, [1, 1, 1], True
        return body

    def add(
        self,
        mesh: Mesh,
        class_name: str,
        paint: Paint,
        *,
        at: ArrayLike = (0, 0, 0),
        turned: Floats | None = None,
        body: Any = None,
        obj: int = 0,
    ) -> None:
        """Add a part: ``turned`` [3, 3] and put ``at`` a place on ``body``; None is the world."""
        class_id = VOID if class_name == "void" else self.taxonomy.id(class_name)
        mesh = paint.on(mesh).moved(at, turned)
        chunk: Any = None
        if body is None:
            chunk = tuple((mesh.vertices[:, :2].mean(0) // _CHUNK_M).astype(int))
            if len(mesh.vertices) > _RIBBON_VERTICES:
                chunk = self._name("ribbon")
        name = "world" if body is None else body.name
        self._parts[name, class_id, obj, paint.material, chunk].append(mesh)

    def camera(self, body: Any, intrinsics: Floats) -> None:
        """Put the camera on a body, looking along its x axis, as a pinhole of matrix K [3, 3].

        Pixel centres are at half pixels, so K is K of OpenCV with 0.5 added to cx and cy.
        """
        # MuJoCo counts the principal point from the centre, to the left and up.
        principal = [self.width / 2 - intrinsics[0, 2], self.height / 2 - intrinsics[1, 2]]
        body.add_camera(
            name="camera",
            xyaxes=[0, -1, 0, 0, 0, 1],
            resolution=[self.width, self.height],
            sensor_size=[self.width * 1e-5, self.height * 1e-5],
            focal_pixel=[intrinsics[0, 0], intrinsics[1, 1]],
            principal_pixel=principal,
        )

    def build(self) -> Built:
        """Merge the parts and compile the model."""
        for (body_name, class_id, obj, material, _), meshes in self._parts.items():
            body = self.spec.body(body_name)
            merged = Mesh.join(meshes)
            # A shell's inertia is defined for flat ribbons too.
            mesh = self.spec.add_mesh(
                name=self._name("mesh"), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
            )
            mesh.uservert = merged.vertices.ravel()
            mesh.userface = merged.faces.ravel()
            mesh.usertexcoord = merged.uv.ravel()
            name = self._name("geom")
            body.add_geom(
                name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name, material=material,
                contype=0, conaffinity=0, mass=0,
            )  # fmt: skip
            self._of_geom[name] = class_id, obj
        for texture, image, _ in self._palettes.values():
            texture.data = np.ascontiguousarray(image[::-1]).tobytes()
        model = self.spec.compile()
        geom_class = np.full(model.ngeom + 1, VOID, np.uint8)
        geom_object = np.zeros(model.ngeom + 1, np.int32)
        for index in range(model.ngeom):
            geom_class[index], geom_object[index] = self._of_geom[model.geom(index).name]
        return Built(model, mujoco.MjData(model), geom_class, geom_object, self._objects + 1)

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind} {self._names}"

    def _texture(self, image: Image) -> Any:
        texture = self.spec.add_texture(
            name=self._name("texture"), type=mujoco.mjtTexture.mjTEXTURE_2D,
            width=image.shape[1], height=image.shape[0], nchannel=3,
        )  # fmt: skip
        texture.data = np.ascontiguousarray(image[::-1]).tobytes()
        return texture

    def _material(self, texture: str, finish: str, tint: Color, name: str | None = None) -> str:
        material = self.spec.add_material(
            name=name or self._name("material"),
            rgba=[*np.asarray(tint, float), 1],
            **_FINISHES[finish],
        )
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture
        return str(material.name)
