# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How people, machines and the camera move in a room: functions of time alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mila_ros.simulation.geometry import Floats, quaternion
from mila_ros.simulation.paths import Gait, Ramp
from mila_ros.simulation.textures import Random
from mila_ros.simulation.world import State


@dataclass(frozen=True)
class Circle:
    """A way around: centre [2], radius, the angle at the start, and +1 for counter-clockwise."""

    center: Floats
    radius: float
    start: float
    direction: int

    def at(self, covered: float) -> tuple[Floats, float]:
        """The place [2] and heading after so many metres."""
        angle = self.start + self.direction * covered / self.radius
        place = self.center + self.radius * np.array([np.cos(angle), np.sin(angle)])
        return place, float(angle + self.direction * np.pi / 2)


@dataclass(frozen=True)
class Walk:
    """Goes around a circle, on legs where there is a gait."""

    circle: Circle
    ramp: Ramp
    height: float
    gait: Gait | None = None

    def state(self, t: float) -> State:
        """The state at time t."""
        covered, speed = self.ramp.distance(t), self.ramp.speed(t)
        place, yaw = self.circle.at(covered)
        joints = () if self.gait is None else self.gait(covered, speed)
        return State(np.array([*place, self.height]), quaternion(yaw), speed, joints)


def _inwards(circle: Circle) -> float:
    """Where the middle of the room is from the start, from the heading; the rest is mostly wall."""
    place, heading = circle.at(0.0)
    return float(np.arctan2(-place[1], -place[0]) - heading)


class Rover:
    """A camera on a robot: level, low, shaken a little by the floor while it drives."""

    def __init__(self, rng: Random, circle: Circle, ramp: Ramp, height: float) -> None:
        self.circle, self.ramp, self.height = circle, ramp, height
        self.phase = rng.uniform(0, 2 * np.pi, 4)
        # Looks ahead or, on a mast that turns, into the room.
        ahead = rng.random() < 0.4
        self.aside = float(rng.normal(0, 0.3) if ahead else _inwards(circle) + rng.normal(0, 0.5))
        self.tilt = float(rng.normal(0, 0.08))
        self.turn = float(rng.normal(0, 0.25))

    def state(self, t: float) -> State:
        """The state at time t; a robot that does not drive may turn on the spot."""
        speed = self.ramp.speed(t)
        place, yaw = self.circle.at(self.ramp.distance(t))
        wave = np.sin(np.array([0.8, 17, 13, 11]) * t + self.phase)
        alive = min(speed / 0.3, 1.0)
        yaw += self.aside + self.turn * (wave[0] - np.sin(self.phase[0]))
        pitch = self.tilt + 0.002 * alive * wave[1]
        position = np.array([*place, self.height + 0.0015 * alive * wave[2]])
        return State(position, quaternion(yaw, pitch, 0.002 * alive * wave[3]), speed)


class Carried:
    """A camera in a hand: it walks, looks about, sways and trembles; still, it is on a tripod."""

    def __init__(self, rng: Random, circle: Circle, height: float, still: bool) -> None:
        self.circle, self.height = circle, height
        self.alive = 0.0 if still else 1.0
        self.speed = float(rng.uniform(0.05, 0.8)) * self.alive
        self.phase = rng.uniform(0, 2 * np.pi, 10)
        self.rate = rng.uniform(0.6, 1.4, 10) * [0.5, 0.7, 0.9, 1.3, 7, 9, 11, 3.8, 0.35, 1.1]
        self.look = float(_inwards(circle) + rng.normal(0, 0.6)) if rng.random() < 0.8 else 0.0
        self.sweep = float(rng.uniform(0.1, 1.0))
        self.tilt = float(rng.normal(0.12, 0.14))

    def state(self, t: float) -> State:
        """The state at time t."""
        wave = self.alive * np.sin(self.rate * t + self.phase)
        place, yaw = self.circle.at(self.speed * t)
        walk = min(self.speed / 0.5, 1.0)
        position = np.array([*place, self.height]) + 0.03 * wave[[0, 1, 2]]
        position[2] += 0.015 * walk * wave[7]
        yaw += self.look + self.sweep * wave[8] + 0.004 * wave[4]
        pitch = self.tilt + 0.1 * wave[9] + 0.004 * wave[5]
        return State(position, quaternion(yaw, pitch, 0.04 * wave[3] + 0.003 * wave[6]), self.speed)
