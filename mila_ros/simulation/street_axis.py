# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the street runs, and what lies where across it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mila_ros.simulation.geometry import Floats
from mila_ros.simulation.textures import Random

BEHIND_M, AHEAD_M = 50.0, 300.0
"""The street reaches from that far behind the place where the camera starts to that far ahead."""


class Axis:
    """The street's centre line: curved and sloping, by arc length s from where the ego starts."""

    def __init__(self, rng: Random) -> None:
        n = 176
        self.s = np.linspace(-BEHIND_M, AHEAD_M, n)
        step = self.s[1] - self.s[0]
        bend = np.cumsum(rng.normal(0, 0.0009, n))
        bend = np.clip(bend - bend.mean(), -0.012, 0.012) * (rng.random() < 0.7)
        self.yaw = np.cumsum(bend) * step
        height = np.cumsum(np.cumsum(rng.normal(0, 0.0007, n))) * step * 0.3
        height -= np.linspace(height[0], height[-1], n)
        height = np.clip(height, -6, 6)
        plan = np.cumsum(np.c_[np.cos(self.yaw), np.sin(self.yaw)] * step, 0)
        self.points = np.c_[plan - plan[0] - [BEHIND_M, 0], height]
        self.slope = np.gradient(height, step)
        self.left = np.c_[-np.sin(self.yaw), np.cos(self.yaw)]

    def at(self, s: float, d: float, z: float = 0.0) -> Floats:
        """The point at arc length s, d to the left, z above the line."""
        x, y, height = (np.interp(s, self.s, self.points[:, k]) for k in range(3))
        yaw = self.heading(s)
        return np.array([x - np.sin(yaw) * d, y + np.cos(yaw) * d, height + z])

    def heading(self, s: float) -> float:
        """The direction of the line, radians."""
        return float(np.interp(s, self.s, self.yaw))

    def gradient(self, s: float) -> float:
        """Rise by metre along the line."""
        return float(np.interp(s, self.s, self.slope))


@dataclass(frozen=True)
class Lane:
    """A lane: its middle, metres to the left, and the direction of travel along s."""

    middle: float
    direction: int


@dataclass(frozen=True)
class CrossSection:
    """What lies where across the street; all in metres from the centre line.

    Attributes:
        lanes: The lanes, left to right.
        half: Half the width of the lanes with their margins.
        margin: Between the outer lane and ``half``; cyclists ride there.
        parking: Width of the parking strips, 0 without.
        kerb: Height of the pavement.
        pavement: Width of a pavement.
        side: +1 where traffic keeps left, -1 where it keeps right.
        ego: The lane of the ego.
    """

    lanes: tuple[Lane, ...]
    half: float
    margin: float
    lane_width: float
    parking: float
    kerb: float
    pavement: float
    side: int
    ego: Lane

    @property
    def edge(self) -> float:
        """Where the pavement begins."""
        return self.half + self.parking

    @property
    def back(self) -> float:
        """Where the pavement ends."""
        return self.edge + self.pavement

    @classmethod
    def draw(cls, rng: Random) -> CrossSection:
        """A random street: one-way or both ways, keeping right or left."""
        count, width = int(rng.integers(1, 5)), rng.uniform(2.9, 3.7)
        side = 1 if rng.random() < 0.4 else -1
        one_way = count == 1 or rng.random() < 0.12
        margin = rng.uniform(0.5, 1.5)
        lanes = []
        for k in range(count):
            middle = (k + 0.5 - count / 2) * width
            forward = one_way or middle * side > 0 or (middle == 0 and side > 0)
            lanes.append(Lane(middle, 1 if forward else -1))
        own = [lane for lane in lanes if lane.direction > 0]
        return cls(
            lanes=tuple(lanes), half=count * width / 2 + margin, margin=margin, lane_width=width,
            parking=2.3 if rng.random() < 0.45 else 0.0, kerb=rng.uniform(0.06, 0.18),
            pavement=rng.uniform(1.8, 6.0), side=side, ego=own[int(rng.integers(len(own)))],
        )  # fmt: skip
