# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything on the street that can move, whether it does or not.

Every class is there moving and standing: queues, parked vehicles, people who wait, riders who
stopped; and some start or stop while one looks. So motion cannot be read off the class.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mila_ros.simulation import people, two_wheelers, vehicles
from mila_ros.simulation.paths import Across, Along, Ramp, Still
from mila_ros.simulation.people import Angles
from mila_ros.simulation.scene import Scene
from mila_ros.simulation.street_axis import Axis, CrossSection, Lane
from mila_ros.simulation.textures import Random
from mila_ros.simulation.world import Mover

_TRAFFIC_TO_M = 150.0
_DRIVING = {
    "saloon": 0.17, "hatchback": 0.18, "estate": 0.1, "suv": 0.14, "city car": 0.06, "coupe": 0.04,
    "pick-up": 0.04, "van": 0.08, "minibus": 0.04, "box lorry": 0.04, "flatbed": 0.015,
    "tanker": 0.015, "bus": 0.04, "coach": 0.02, "tram": 0.01,
}  # fmt: skip
_LARGE = ("flatbed", "tanker", "bus", "coach", "tram")
_PARKED = {kind: share for kind, share in _DRIVING.items() if kind not in _LARGE}


class Traffic:
    """Builds vehicles and people, and says how they move.

    Args:
        scene: Where to build.
        rng: The source of all chance.
        axis: Where the street runs.
        section: What lies where across it.
        crossings: Arc lengths of the zebra crossings.
        lively: 0..1, how many people there are.
    """

    def __init__(
        self,
        scene: Scene,
        rng: Random,
        axis: Axis,
        section: CrossSection,
        crossings: list[float],
        lively: float,
    ) -> None:
        self.scene, self.rng, self.axis, self.section = scene, rng, axis, section
        self.crossings, self.lively = crossings, lively
        self.movers: list[Mover] = []
        self.ahead: tuple[float, Ramp] = (np.inf, Ramp.steady(float(rng.uniform(3, 14))))
        """Metres to the vehicle ahead of the ego, and its speed."""

    def build(self) -> None:
        """Build it all."""
        for lane in self.section.lanes:
            self.lane(lane)
        if self.section.parking:
            for side in (1, -1):
                self.parked(side)
        self.pedestrians()
        self.riders()
        self.parked_two_wheelers()

    def lane(self, lane: Lane) -> None:
        """A queue, a stream of vehicles, or a queue that starts or stops."""
        rng, ego = self.rng, lane is self.section.ego
        mode = rng.choice(["stream", "queue", "starting", "stopping"], p=[0.6, 0.16, 0.14, 0.1])
        speed, rate = float(rng.uniform(2.5, 13)), float(rng.uniform(1.2, 2.5))
        start = float(rng.uniform(0, 2))
        gap = {"stream": 14.0, "stopping": 11.0}.get(str(mode), 3.5) * rng.uniform(1, 3)
        s = float(rng.uniform(4, 22)) if ego else float(rng.uniform(-15, 12))
        first = True
        while s < _TRAFFIC_TO_M:
            kind = draw(rng, _DRIVING)
            obj, length = self.vehicle(kind)
            ramp = {
                "stream": Ramp.steady(speed),
                "queue": Ramp.steady(0.0),
                "starting": Ramp(0.0, speed, start, rate),
                "stopping": Ramp(speed, 0.0, start, rate),
            }[str(mode)]
            s += length / 2 + 2
            d = lane.middle + float(rng.normal(0, 0.15))
            self.follow(obj, Along(self.axis, s, d, 0.0, lane.direction, ramp))
            if ego and first:
                self.ahead = s - length / 2, ramp
            if lane.direction > 0:
                start += 0.7 if mode == "starting" else 0.0
            else:
                # The one nearest the ego is the last of its queue.
                start = max(start - 0.2, 0.0)
            s += length / 2 + gap * float(rng.uniform(0.6, 1.8))
            first = False

    def parked(self, side: int) -> None:
        """A row of parked vehicles with gaps, some facing the other way."""
        rng, c = self.rng, self.section
        share = rng.uniform(0.3, 0.9)
        s = float(rng.uniform(-8, 6))
        along = -1 if side != c.side and len({lane.direction for lane in c.lanes}) > 1 else 1
        while s < _TRAFFIC_TO_M * 0.8:
            if rng.random() > share:
                s += 6.0
                continue
            obj, length = self.vehicle(draw(rng, _PARKED))
            s += length / 2
            direction = along if rng.random() < 0.88 else -along
            d = side * (c.half + 1.15 + rng.normal(0, 0.08))
            yaw = self.axis.heading(s) + (0 if direction > 0 else np.pi) + rng.normal(0, 0.02)
            pitch = -direction * np.arctan(self.axis.gradient(s))
            self.follow(obj, Still(self.axis.at(s, d), yaw, pitch))
            s += length / 2 + float(rng.uniform(0.5, 2.5))

    def pedestrians(self) -> None:
        """People who walk, stand in groups, or cross; more of them near the camera."""
        rng, c = self.rng, self.section
        for _ in range(int(rng.integers(4, 12 + int(14 * self.lively)))):
            s, side = float(4 + rng.exponential(20)), int(rng.choice([1, -1]))
            d = side * (c.edge + rng.uniform(0.35, max(c.pavement - 0.3, 0.5)))
            roll = rng.random()
            if roll < 0.3:
                self.stander(s, d)
                if rng.random() < 0.4:
                    self.stander(s + 0.7, d + 0.2)
            elif roll < 0.5:
                self.crosser(s, side)
            else:
                speed = float(rng.uniform(0.6, 1.9))
                direction = int(rng.choice([1, -1]))
                self.walker(s, d, direction, speed)
                if rng.random() < 0.3:
                    self.walker(
                        s + float(rng.uniform(-0.2, 0.2)), d - side * 0.65, direction, speed
                    )

    def stander(self, s: float, d: float) -> None:
        """Someone who stands about."""
        pose = people.standing(self.rng)
        someone = people.add_person(self.scene, self.rng, self.name("person"), fixed=pose)
        z = self.section.kerb if abs(d) > self.section.edge else 0.0
        self.movers.append(
            Mover(
                someone.name, someone.obj, Still(self.axis.at(s, d, z), self.rng.uniform(0, 6.28))
            )
        )

    def walker(self, s: float, d: float, direction: int, speed: float) -> None:
        """Someone who walks along the pavement."""
        someone = people.add_person(self.scene, self.rng, self.name("person"))
        ramp = Ramp.draw(self.rng, speed, 0.15)
        path = Along(self.axis, s, d, self.section.kerb, direction, ramp, self.gait(someone.scale))
        self.movers.append(Mover(someone.name, someone.obj, path, someone.limbs))

    def crosser(self, s: float, side: int) -> None:
        """Someone who crosses, or waits to; on a zebra crossing where there is one."""
        rng, c = self.rng, self.section
        if self.crossings and rng.random() < 0.7:
            s = self.crossings[int(rng.integers(len(self.crossings)))] + float(
                rng.uniform(-1.2, 1.2)
            )
        moving = rng.random() < 0.75
        fast = max(self.ahead[1].v0, self.ahead[1].v1)
        if s < 4 + 3.0 * fast and moving:
            s = 4 + 3.0 * fast + float(rng.uniform(0, 10))
        d = side * (c.edge + 0.4)
        if not moving:
            self.stander(s, d)
            return
        d -= side * float(rng.uniform(0, c.edge))
        someone = people.add_person(self.scene, rng, self.name("person"))
        ramp = Ramp.draw(rng, float(rng.uniform(0.7, 2.4)), 0.15)
        path = Across(self.axis, s, d, -side, ramp, c.edge, c.kerb, self.gait(someone.scale))
        self.movers.append(Mover(someone.name, someone.obj, path, someone.limbs))

    def riders(self) -> None:
        """Cyclists in the margin, motorcyclists too; some wait."""
        rng, c = self.rng, self.section
        for _ in range(int(rng.choice([0, 1, 2, 3, 4], p=[0.15, 0.27, 0.28, 0.18, 0.12]))):
            side = int(rng.choice([1, -1]))
            direction = (
                1 if side == c.side or len({lane.direction for lane in c.lanes}) == 1 else -1
            )
            s, d = float(4 + rng.exponential(18)), side * (c.half - c.margin / 2)
            motorcycle = rng.random() < 0.35
            someone = two_wheelers.add_rider(
                self.scene, rng, self.name("rider"), motorcycle=motorcycle
            )
            speed = float(rng.uniform(3, 12) if motorcycle else rng.uniform(2.2, 7))
            ramp = Ramp.steady(0.0) if rng.random() < 0.35 else Ramp.draw(rng, speed, 0.2)
            gait = None if motorcycle else partial(_pedals, float(rng.uniform(0, 6.28)))
            path = Along(self.axis, s, d, 0.0, direction, ramp, gait)
            self.movers.append(Mover(someone.name, someone.obj, path, someone.limbs))

    def parked_two_wheelers(self) -> None:
        """Bicycles and motorcycles left on the pavement, alone or in a row."""
        rng, c = self.rng, self.section
        for _ in range(int(rng.choice([0, 1, 2], p=[0.3, 0.45, 0.25]))):
            s, side = float(3 + rng.exponential(16)), int(rng.choice([1, -1]))
            yaw = self.axis.heading(s) + rng.choice([0, np.pi / 2, rng.uniform(0, 6.28)])
            build: Callable[..., int] = (
                two_wheelers.add_bicycle if rng.random() < 0.6 else two_wheelers.add_motorcycle
            )
            for k in range(int(rng.integers(1, 5))):
                name = self.name("parked")
                obj = build(self.scene, rng, name)
                place = self.axis.at(s + 0.7 * k, side * (c.edge + 0.7), c.kerb)
                self.movers.append(Mover(name, obj, Still(place, yaw + rng.normal(0, 0.1))))

    def vehicle(self, kind: str) -> tuple[int, float]:
        """Build a vehicle; it still needs a path."""
        return vehicles.add_vehicle(self.scene, self.rng, kind, self.name("vehicle"))

    def follow(self, obj: int, path: Along | Still) -> None:
        """Give the vehicle built last its path."""
        self.movers.append(Mover(f"vehicle {len(self.movers)}", obj, path))

    def name(self, kind: str) -> str:
        """A name for the body of the next mover."""
        return f"{kind} {len(self.movers)}"

    def gait(self, scale: float) -> Callable[[float, float], Angles]:
        """The gait of someone of a size, from a random step on."""
        return partial(_steps, float(self.rng.uniform(0, 6.28)), scale)


def _steps(phase: float, scale: float, covered: float, speed: float) -> Angles:
    return people.walking(phase + covered * 4.2 / scale, speed)


def _pedals(phase: float, covered: float, speed: float) -> Angles:
    return people.pedalling(phase + covered * 1.9)


def draw(rng: Random, shares: dict[str, float]) -> str:
    """A kind, drawn by the kinds' shares."""
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))
