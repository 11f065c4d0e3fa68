# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a world and the truth about each pixel, by MuJoCo's own renderer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.simulation.engine import INSTALL_OPENGL, SimulationError, mujoco
from mila_ros.simulation.world import MOVING_M_S, World

_HIDDEN_GROUP = 5


@dataclass(frozen=True)
class Labels:
    """The truth about each pixel's centre.

    Attributes:
        label: Class ids, uint8 [H, W], 255 without a class.
        depth: Metres along the optical axis, float32 [H, W], +inf where there is nothing.
        motion: Whether its object is faster than 0.2 m/s, bool [H, W].
        obj: Number of the object, int32 [H, W], 0 for the fixed world.
        geom: Number of the geom, int32 [H, W], -1 where there is nothing.
    """

    label: NDArray[np.uint8]
    depth: NDArray[np.float32]
    motion: NDArray[np.bool_]
    obj: NDArray[np.int32]
    geom: NDArray[np.int32]


class Camera:
    """Renders the world as it is posed; close it, or use it in a ``with`` statement.

    Args:
        world: The world.
        samples: Anti-aliasing of RGB; labels are never mixed.

    Raises:
        SimulationError: No OpenGL context can be had here.
    """

    def __init__(self, world: World, samples: int = 4) -> None:
        self.world = world
        model = world.model
        model.vis.quality.offsamples = samples
        self._gl, self._context = open_renderer(model, world.width, world.height)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        # Reversed: 1 near, 0 far, which is what keeps float32 depth exact far away.
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 50)
        self._option, self._perturb = mujoco.MjvOption(), mujoco.MjvPerturb()
        self._option.geomgroup[_HIDDEN_GROUP] = 0
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._view.fixedcamid = model.camera("camera").id
        self._rect = mujoco.MjrRect(0, 0, world.width, world.height)
        near, far = model.vis.map.znear, model.vis.map.zfar
        n, f = np.float32(near * model.stat.extent), np.float32(far * model.stat.extent)
        # As OpenGL has it, in float32 throughout: in float64 it is millimetres off at 100 m.
        self._depth_numerator = np.float32(n * f / (f - n))
        self._depth_offset = np.float32(-0.5) * (-(f + n) / (f - n)) - np.float32(0.5)

    def rgb(self) -> NDArray[np.uint8]:
        """The picture, uint8 [H, W, 3]."""
        self._update()
        flags = mujoco.mjtRndFlag
        self._set_flags({flags.mjRND_FOG: self.world.fog, flags.mjRND_SHADOW: self.world.shadows})
        pixels = np.empty((self.world.height, self.world.width, 3), np.uint8)
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(pixels, None, self._rect, self._context)
        return pixels[::-1]

    def labels(self) -> Labels:
        """Class, object, motion and depth, all from one pass."""
        self._update()
        flags = mujoco.mjtRndFlag
        self._set_flags({flags.mjRND_SEGMENT: True, flags.mjRND_IDCOLOR: True})
        world, scene = self.world, self._scene
        colors = np.empty((world.height, world.width, 3), np.uint8)
        buffer = np.empty((world.height, world.width), np.float32)
        mujoco.mjr_render(self._rect, scene, self._context)
        mujoco.mjr_readPixels(colors, buffer, self._rect, self._context)
        colors, buffer = colors[::-1].astype(np.int32), buffer[::-1].astype(np.float64)
        geom_of = np.full(scene.ngeom + 1, -1, np.int32)
        for drawn in scene.geoms[: scene.ngeom]:
            if drawn.segid >= 0 and drawn.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                geom_of[drawn.segid + 1] = drawn.objid
        geom = geom_of[colors[..., 0] + (colors[..., 1] << 8) + (colors[..., 2] << 16)]
        with np.errstate(divide="ignore"):
            depth = self._depth_numerator / (buffer + self._depth_offset)
        obj = world.geom_object[geom]
        return Labels(
            label=world.geom_class[geom],
            depth=np.where(geom < 0, np.inf, depth).astype(np.float32),
            motion=world.object_speed[obj] > MOVING_M_S,
            obj=obj,
            geom=geom,
        )

    def close(self) -> None:
        """Give the renderer's memory back."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _set_flags(self, wanted: dict[Any, bool]) -> None:
        self._gl.make_current()
        self._scene.flags[:] = 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = True
        self._scene.flags[mujoco.mjtRndFlag.mjRND_CULL_FACE] = True
        for flag, value in wanted.items():
            self._scene.flags[flag] = value

    def _update(self) -> None:
        world = self.world
        world.model.geom_group[:] = np.where(self._in_view(), 0, _HIDDEN_GROUP)
        mujoco.mjv_updateScene(
            world.model, world.data, self._option, self._perturb, self._view,
            mujoco.mjtCatBit.mjCAT_ALL.value, self._scene,
        )  # fmt: skip

    def _in_view(self, smallest_px: float = 0.5) -> NDArray[np.bool_]:
        """Which geoms may be seen, or cast a shadow: the renderer itself leaves nothing out."""
        world, pose = self.world, self.world.camera_pose()
        focal = world.intrinsics[0, 0]
        center = (world.data.geom_xpos - pose[:3, 3]) @ pose[:3, :3]
        radius = world.model.geom_rbound
        ahead = np.maximum(center[:, 2], 0)
        visible = center[:, 2] + radius > 0
        for axis, size in ((0, world.width), (1, world.height)):
            principal = world.intrinsics[axis, 2]
            tangent = max(principal, size - principal) / focal
            visible &= np.abs(center[:, axis]) - radius * np.hypot(1, tangent) < tangent * ahead
        visible &= radius * focal > smallest_px * np.maximum(center[:, 2], 0.1)
        if world.shadows:
            visible |= np.linalg.norm(center, axis=1) - radius < world.shadow_reach_m
        return visible


def open_renderer(model: Any, width: int, height: int) -> tuple[Any, Any]:
    """An OpenGL context and MuJoCo's renderer in it.

    Raises:
        SimulationError: They cannot be had here.
    """
    try:
        gl = mujoco.GLContext(width, height)
        gl.make_current()
        return gl, mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    except Exception as error:  # PyOpenGL's EGL and OSMesa raise types of their own
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise SimulationError(
            f"nothing can be rendered here by MUJOCO_GL={os.environ.get('MUJOCO_GL')} ({reason}); "
            f"run: {INSTALL_OPENGL}"
        ) from error
