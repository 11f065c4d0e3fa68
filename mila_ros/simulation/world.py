# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What street and rooms have in common: a compiled scene whose pose is a function of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mila_ros.simulation.engine import mujoco
from mila_ros.simulation.geometry import Floats
from mila_ros.simulation.scene import Built, Scene

MOVING_M_S = 0.2
"""What is faster than this is labelled as moving."""


@dataclass(frozen=True)
class State:
    """Where something is and how it moves.

    Attributes:
        position: Metres in the world [3].
        orientation: Unit quaternion (w, x, y, z).
        speed: Metres a second.
        joints: Angles of its limbs, in the order of the mover's ``limbs``.
    """

    position: Floats
    orientation: Floats
    speed: float
    joints: tuple[float, ...] = ()


class Path(Protocol):
    """Anything that is somewhere at every time."""

    def state(self, t: float) -> State:
        """The state at time t in seconds."""


@dataclass(frozen=True)
class Mover:
    """A body that follows a path.

    Attributes:
        body: Name of the body.
        obj: Number of its object.
        path: What it follows; one of speed 0 stands.
        limbs: Names of its limbs.
    """

    body: str
    obj: int
    path: Path
    limbs: tuple[str, ...] = ()


class World:
    """A compiled world that can be posed at any time.

    Attributes:
        model: The MuJoCo model.
        data: The MuJoCo data, posed by `pose`.
        intrinsics: The camera's matrix K; pixel centres are at half pixels.
        object_speed: Metres a second of every object at the posed time.
    """

    def __init__(
        self,
        scene: Scene,
        movers: list[Mover],
        ego: Path,
        intrinsics: Floats,
        *,
        fog: bool,
        shadows: bool,
        shadow_reach_m: float,
    ) -> None:
        self.width, self.height, self.taxonomy = scene.width, scene.height, scene.taxonomy
        scene.camera(scene.moving_body("ego"), intrinsics)
        built: Built = scene.build()
        self.model, self.data = built.model, built.data
        self.geom_class, self.geom_object = built.geom_class, built.geom_object
        # The last entry is what a ray meets that meets no geom.
        self.geom_class[-1] = self.taxonomy.id("sky") if "sky" in self.taxonomy.classes else 255
        self.movers, self.ego, self.intrinsics = movers, ego, intrinsics
        self.fog, self.shadows, self.shadow_reach_m = fog, shadows, shadow_reach_m
        self.object_speed = np.zeros(built.objects)
        self._mocap = [self._mocap_of(mover.body) for mover in movers]
        self._joints = [
            np.array([self.model.joint(limb).qposadr[0] for limb in mover.limbs], int)
            for mover in movers
        ]
        self._ego_mocap = self._mocap_of("ego")

    def pose(self, t: float) -> None:
        """Put everything, the camera too, where it is at time t in seconds."""
        data = self.data
        for mover, mocap, joints in zip(self.movers, self._mocap, self._joints, strict=True):
            state = mover.path.state(t)
            data.mocap_pos[mocap], data.mocap_quat[mocap] = state.position, state.orientation
            self.object_speed[mover.obj] = state.speed
            if len(joints):
                data.qpos[joints] = state.joints
        ego = self.ego.state(t)
        data.mocap_pos[self._ego_mocap] = ego.position
        data.mocap_quat[self._ego_mocap] = ego.orientation
        mujoco.mj_kinematics(self.model, data)
        mujoco.mj_camlight(self.model, data)

    def camera_pose(self) -> Floats:
        """Camera to world [4, 4], camera axes as in OpenCV: x right, y down, z forward."""
        pose = np.eye(4)
        camera = self.data.camera("camera")
        pose[:3, :3] = camera.xmat.reshape(3, 3) @ np.diag([1, -1, -1])
        pose[:3, 3] = camera.xpos
        return pose

    def geom_poses(self) -> tuple[Floats, Floats]:
        """Positions [N, 3] and rotations [N, 3, 3] of all geoms, as a copy."""
        return self.data.geom_xpos.copy(), self.data.geom_xmat.copy().reshape(-1, 3, 3)

    def _mocap_of(self, body: str) -> Any:
        return self.model.body(body).mocapid[0]


def pinhole(
    rng: np.random.Generator, width: int, height: int, horizontal_fov_deg: tuple[float, float]
) -> Floats:
    """A matrix K with square pixels, a random field of view and a centre off by a little."""
    focal = width / 2 / np.tan(np.radians(rng.uniform(*horizontal_fov_deg)) / 2)
    cx, cy = np.array([width, height]) / 2 + rng.normal(0, 0.008 * width, 2)
    return np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]])
