# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A furnished room, people and machines moving in it, seen from a hand or a small robot."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from mila_ros.simulation import people, textures
from mila_ros.simulation.engine import mujoco
from mila_ros.simulation.furniture import STANDING, Furniture
from mila_ros.simulation.geometry import rotation
from mila_ros.simulation.paths import Ramp, Still
from mila_ros.simulation.people import Angles
from mila_ros.simulation.room_paths import Carried, Circle, Rover, Walk
from mila_ros.simulation.room_shell import RoomShell
from mila_ros.simulation.scene import Scene
from mila_ros.simulation.shapes import box, capsule, cylinder, ellipsoid
from mila_ros.simulation.taxonomy import NYU13
from mila_ros.simulation.textures import Random
from mila_ros.simulation.world import Mover, Path, World, pinhole

NEAR_M, FAR_M = 0.05, 40.0
_SHARES = np.array([0.13, 0.09, 0.2, 0.06, 0.1, 0.05, 0.07, 0.09, 0.09, 0.03, 0.04, 0.03, 0.02])


def build_rooms(seed: int, width: int, height: int, shadows: bool = True) -> World:
    """Build the room of a seed, seen by a camera of ``width`` × ``height`` pixels."""
    streams = [np.random.default_rng([seed, 2, part]) for part in range(4)]
    scene = Scene(NYU13, width, height, NEAR_M, FAR_M)
    room = _Room(scene, streams[0])
    room.furnish()
    room.inhabit(streams[1])
    room.light(streams[2])
    camera = streams[3]
    return World(
        scene, room.movers, room.ego(camera), pinhole(camera, width, height, (60, 105)),
        fog=False, shadows=shadows, shadow_reach_m=12.0,
    )  # fmt: skip


class _Room:
    """A room under construction, its middle over the origin."""

    def __init__(self, scene: Scene, rng: Random) -> None:
        self.scene, self.rng = scene, rng
        self.size = np.array([rng.uniform(3.8, 9.5), rng.uniform(3.4, 7.5), rng.uniform(2.3, 3.2)])
        self.furniture = Furniture(scene, rng)
        self.movers: list[Mover] = []
        # Floor that is taken: x, y and radius.
        self.taken = RoomShell(scene, rng, self.furniture, self.size).build()

    def furnish(self) -> None:
        """Pieces that stand about, apart from each other; sofas and beds at a wall."""
        rng, (x, y, _) = self.rng, self.size
        for _ in range(int(rng.integers(4, 8 + int(x * y / 8)))):
            kind = str(rng.choice(STANDING, p=_SHARES / _SHARES.sum()))
            for _ in range(12):
                at = rng.uniform(-0.5, 0.5, 2) * [x - 0.9, y - 0.9]
                yaw = float(rng.choice([0, np.pi / 2, np.pi, -np.pi / 2])) + float(
                    rng.normal(0, 0.08) if rng.random() < 0.7 else rng.uniform(0, 6.28)
                )
                if kind in ("sofa", "bed", "cabinet", "shelf"):
                    at, yaw = self._at_wall(kind)
                if self._is_free(at[0], at[1], 0.55):
                    radius = self.furniture.build(kind, at[0], at[1], yaw)
                    self.taken.append((at[0], at[1], radius))
                    break

    def _at_wall(self, kind: str) -> tuple[np.ndarray, float]:
        """A place for a piece with its back to a wall."""
        rng, (x, y, _) = self.rng, self.size
        gap = {"bed": 1.1, "sofa": 0.5}.get(kind, 0.34)
        quarter = int(rng.integers(4))
        away, long = (x / 2, y) if quarter % 2 == 0 else (y / 2, x)
        # Facing along x, the back is at -x.
        along = rng.uniform(-0.5, 0.5) * max(long - 2, 0.5)
        yaw = quarter * np.pi / 2
        return rotation(yaw)[:2, :2] @ np.array([-away + gap, along]), yaw

    def _is_free(self, x: float, y: float, radius: float) -> bool:
        return all(np.hypot(x - a, y - b) > radius + r for a, b, r in self.taken)

    def inhabit(self, rng: Random) -> None:
        """People, robots, balls and chairs on castors, moving and not."""
        for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.08, 0.3, 0.35, 0.27]))):
            self._person(rng)
        for kind, share in (("robot", 0.5), ("ball", 0.45), ("chair", 0.35), ("vehicle", 0.25)):
            while rng.random() < share:
                name = f"{kind} {len(self.movers)}"
                body, obj = self.scene.moving_body(name), self.scene.new_object()
                lift = self._build(rng, kind, body, obj)
                still = rng.random() < (0.55 if kind == "chair" else 0.3)
                path = self._path(rng, 0.3, 0.0 if still else float(rng.uniform(0.3, 1.4)), lift)
                self.movers.append(Mover(name, obj, path))
                share *= 0.6

    def _person(self, rng: Random) -> None:
        name = f"person {len(self.movers)}"
        if rng.random() < 0.3:
            pose = people.standing(rng)
            someone = people.add_person(self.scene, rng, name, class_name="objects", fixed=pose)
            path = self._path(rng, 0.35, 0.0, 0.0)
            self.movers.append(Mover(name, someone.obj, path))
            return
        someone = people.add_person(self.scene, rng, name, class_name="objects")
        gait = partial(_steps, float(rng.uniform(0, 6.28)), someone.scale)
        speed, orbit = float(rng.uniform(0.4, 1.4)), self._orbit(rng, 0.35)
        path = Walk(orbit, Ramp.draw(rng, speed, 0.3), 0.0, gait)
        self.movers.append(Mover(name, someone.obj, path, someone.limbs))

    def _build(self, rng: Random, kind: str, body: object, obj: int) -> float:
        """Build something that moves by itself; returns the height of its origin."""
        add = partial(self.scene.add, body=body, obj=obj)
        paint = self.scene.color(textures.random_color(rng), "satin")
        if kind == "ball":
            radius = float(rng.uniform(0.06, 0.3))
            cloth = self.furniture.cloth()
            ball = ellipsoid((radius,) * 3, level=2)
            add(ball.with_uv(ball.vertices[:, 1:] / radius / 2), "objects", cloth)
            return radius
        if kind == "chair":
            self.furniture.build("office_chair", 0, 0, 0, body, obj)
            return 0.0
        radius, high = rng.uniform(0.14, 0.3), rng.uniform(0.07, 0.7)
        if kind == "robot":
            add(cylinder(radius, high, 18).with_uv((0, 0)), "objects", paint, at=(0, 0, 0.03))
            add(
                cylinder(radius * 0.5, 0.08, 12).with_uv((0, 0)),
                "objects",
                self.furniture.dark,
                at=(0, 0, high + 0.03),
            )
            add(
                capsule((radius * 0.8, 0, high), (radius * 0.8, 0, high + 0.1), 0.03),
                "objects",
                self.furniture.steel,
            )
        else:
            add(box((0.5, 0.34, 0.2)), "objects", paint, at=(0, 0, 0.08))
            for x, y in ((0.17, 0.18), (0.17, -0.18), (-0.17, 0.18), (-0.17, -0.18)):
                add(ellipsoid((0.09, 0.04, 0.09), (x, y, 0.09)), "objects", self.furniture.dark)
            add(
                box((0.06, 0.06, rng.uniform(0.1, 0.9))),
                "objects",
                self.furniture.steel,
                at=(-0.1, 0, 0.28),
            )
        return 0.0

    def _orbit(self, rng: Random, clearance: float) -> Circle:
        """A circle over free floor; the freest of some."""
        best, best_room = Circle(np.zeros(2), 0.3, 0.0, 1), -np.inf
        for _ in range(30):
            radius = float(rng.uniform(0.2, 1.6))
            center = rng.uniform(-0.5, 0.5, 2) * np.maximum(self.size[:2] - 2 * radius - 0.8, 0.1)
            circle = Circle(center, radius, float(rng.uniform(0, 6.28)), int(rng.choice([1, -1])))
            points = center + radius * np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
            room = min(
                (np.hypot(*(points - [x, y]).T).min() - r for x, y, r in self.taken), default=9
            )
            if room > best_room:
                best, best_room = circle, room
            if room > clearance:
                break
        return best

    def _path(self, rng: Random, clearance: float, speed: float, lift: float) -> Path:
        orbit = self._orbit(rng, clearance)
        if speed == 0:
            place, yaw = orbit.at(0.0)
            self.taken.append((place[0], place[1], clearance))
            return Still(np.array([*place, lift]), yaw)
        return Walk(orbit, Ramp.draw(rng, speed, 0.3), lift)

    def light(self, rng: Random) -> None:
        """Lamps under the ceiling and what the walls send back."""
        x, y, z = self.size
        for index in range(int(rng.integers(1, 3))):
            warm = np.array([1, rng.uniform(0.85, 1), rng.uniform(0.7, 1)])
            self.scene.spec.worldbody.add_light(
                name=f"lamp {index}", type=mujoco.mjtLightType.mjLIGHT_SPOT,
                pos=[*(rng.uniform(-0.3, 0.3, 2) * [x, y]), z - 0.05], dir=[0, 0, -1], cutoff=88,
                exponent=rng.uniform(0.3, 2), castshadow=index == 0, attenuation=[1, 0, 0],
                diffuse=warm * rng.uniform(0.35, 0.8), specular=[0.3] * 3,
            )  # fmt: skip
        visual = self.scene.spec.visual
        visual.headlight.ambient = [rng.uniform(0.35, 0.7)] * 3
        visual.headlight.diffuse = [rng.uniform(0.1, 0.35)] * 3
        visual.headlight.specular = [0] * 3
        visual.quality.shadowsize, visual.map.shadowclip = 1024, 8.0

    def ego(self, rng: Random) -> Path:
        """A hand-held camera, or one on a small robot; at times on a tripod."""
        still = rng.random() < 0.12
        orbit = self._orbit(rng, 0.4)
        # From near a wall one sees more of the room than from its middle.
        outwards = float(np.arctan2(orbit.center[1], orbit.center[0]) + rng.normal(0, 0.8))
        orbit = replace(orbit, start=outwards)
        if rng.random() < 0.45:
            speed = 0.0 if still else float(rng.uniform(0.1, 0.8))
            return Rover(rng, orbit, Ramp.draw(rng, speed, 0.25), float(rng.uniform(0.2, 1.1)))
        return Carried(rng, orbit, float(rng.uniform(1.1, 1.75)), still)


_TURN = np.linspace(0, 2 * np.pi, 24)


def _steps(phase: float, scale: float, covered: float, speed: float) -> Angles:
    return people.walking(phase + covered * 4.2 / scale, speed)
