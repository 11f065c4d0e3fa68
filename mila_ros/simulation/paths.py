# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How things move: functions of time alone, so that any frame can be rendered at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mila_ros.simulation.geometry import Floats, quaternion
from mila_ros.simulation.people import Angles
from mila_ros.simulation.street_axis import AHEAD_M, BEHIND_M, Axis
from mila_ros.simulation.textures import Random
from mila_ros.simulation.world import State


@dataclass(frozen=True)
class Ramp:
    """A speed that changes once, from ``v0`` to ``v1`` at ``rate`` m/s² from ``start_s`` on."""

    v0: float
    v1: float
    start_s: float = 0.0
    rate: float = 1.5

    @classmethod
    def steady(cls, speed: float) -> Ramp:
        """A speed that never changes."""
        return cls(speed, speed)

    @classmethod
    def draw(cls, rng: Random, speed: float, change: float) -> Ramp:
        """Steady or, with probability ``change``, about to start or stop."""
        if rng.random() >= change:
            return cls.steady(speed)
        start, rate = float(rng.uniform(0.3, 2.5)), float(rng.uniform(1.0, 3.0))
        return cls(0.0, speed, start, rate) if rng.random() < 0.5 else cls(speed, 0.0, start, rate)

    def speed(self, t: float) -> float:
        """Metres a second at time t."""
        change = self.v1 - self.v0
        return self.v0 + np.sign(change) * min(self.rate * max(t - self.start_s, 0), abs(change))

    def distance(self, t: float) -> float:
        """Metres covered from time 0 to t."""
        after = max(t - self.start_s, 0.0)
        change = self.v1 - self.v0
        ramp_s = abs(change) / self.rate
        changing = min(after, ramp_s)
        gained = np.sign(change) * self.rate * changing**2 / 2 + change * (after - changing)
        return self.v0 * t + gained


@dataclass(frozen=True)
class Still:
    """Never moves."""

    position: Floats
    yaw: float
    pitch: float = 0.0

    def state(self, t: float) -> State:
        """The state, the same at every t."""
        return State(self.position, quaternion(self.yaw, self.pitch), 0.0)


Gait = Callable[[float, float], Angles]
"""Angles of the limbs by metres covered and speed."""


@dataclass(frozen=True)
class Along:
    """Follows the street at a constant distance from its centre line.

    Attributes:
        axis: The street.
        s: Arc length at time 0.
        d: Metres to the left of the centre line.
        z: Metres over it.
        direction: +1 or -1.
        ramp: The speed.
        gait: What the limbs do.
    """

    axis: Axis
    s: float
    d: float
    z: float
    direction: int
    ramp: Ramp
    gait: Gait | None = None

    def state(self, t: float) -> State:
        """The state at time t; what reaches the street's end stops there."""
        covered = self.ramp.distance(t)
        free = self.s + self.direction * covered
        s = float(np.clip(free, -BEHIND_M, AHEAD_M))
        speed = self.ramp.speed(t) if s == free else 0.0
        backwards = self.direction < 0
        yaw = self.axis.heading(s) + (np.pi if backwards else 0)
        pitch = np.arctan(self.axis.gradient(s)) * (1 if backwards else -1)
        if self.gait is not None:
            orientation = quaternion(yaw)
            joints = self.gait(covered, speed)
        else:
            orientation, joints = quaternion(yaw, pitch), ()
        return State(self.axis.at(s, self.d, self.z), orientation, speed, joints)


@dataclass(frozen=True)
class Across:
    """Crosses the street on foot, stepping down the kerb and up again."""

    axis: Axis
    s: float
    d: float
    direction: int
    ramp: Ramp
    edge: float
    kerb: float
    gait: Gait

    def state(self, t: float) -> State:
        """The state at time t."""
        covered = self.ramp.distance(t)
        d = self.d + self.direction * covered
        # A step takes some 0.4 m, so that nobody jumps.
        z = self.kerb * float(np.clip((abs(d) - self.edge) / 0.4 + 0.5, 0, 1))
        yaw = self.axis.heading(self.s) + self.direction * np.pi / 2
        speed = self.ramp.speed(t)
        return State(
            self.axis.at(self.s, d, z), quaternion(yaw), speed, self.gait(covered, speed)
        )  # fmt: skip


class Drive:
    """The ego's camera on a car: a lane's course with the sway of a body on springs.

    Args:
        rng: The source of all chance.
        axis: The street.
        d: Metres to the left of its centre line.
        ramp: The speed.
        height: The camera over the road.
    """

    def __init__(self, rng: Random, axis: Axis, d: float, ramp: Ramp, height: float) -> None:
        self.axis, self.d, self.ramp, self.height = axis, d, ramp, height
        self.phase = rng.uniform(0, 2 * np.pi, 8)
        self.rough = float(rng.uniform(0.3, 2.0))
        self.tilt = rng.normal([0, 0.03, 0], [0.02, 0.03, 0.01])

    def state(self, t: float) -> State:
        """The state at time t; sway fades as the car stops."""
        speed = self.ramp.speed(t)
        alive = self.rough * min(speed / 4, 1.0)
        wave = np.sin(np.array([0.4, 0.5, 7, 1.3, 0.9, 9, 11, 3]) * t + self.phase)
        s = self.ramp.distance(t)
        yaw = self.axis.heading(s) + self.tilt[0] + alive * (0.02 * wave[1] + 0.002 * wave[6])
        pitch = -np.arctan(self.axis.gradient(s)) + self.tilt[1]
        pitch += alive * (0.004 * wave[2] + 0.006 * wave[3])
        roll = self.tilt[2] + alive * (0.006 * wave[4] + 0.002 * wave[7])
        position = self.axis.at(
            s, self.d + 0.15 * min(speed / 4, 1) * wave[0], self.height + alive * 0.008 * wave[5]
        )
        return State(position, quaternion(yaw, pitch, roll), speed)
