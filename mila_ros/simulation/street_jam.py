# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Congestion: vehicles close ahead and on both sides, many of them large, most of them standing."""

from __future__ import annotations

from mila_ros.simulation.paths import Along, Ramp
from mila_ros.simulation.street_axis import Lane
from mila_ros.simulation.street_traffic import Traffic, draw

_REACH_M = 90.0
_KINDS = {
    "saloon": 0.1, "hatchback": 0.12, "estate": 0.08, "suv": 0.09, "city car": 0.04,
    "coupe": 0.02, "pick-up": 0.03, "van": 0.08, "minibus": 0.03, "bus": 0.06, "coach": 0.03,
    "tram": 0.01, "box lorry": 0.04, "flatbed": 0.03, "tanker": 0.02, "canvas lorry": 0.05,
    "tipper": 0.02, "mixer": 0.015, "tractor": 0.015, "box trailer": 0.03,
    "canvas trailer": 0.03, "container": 0.02, "tank trailer": 0.04,
}  # fmt: skip


class Jam(Traffic):
    """Lanes full of vehicles that stand, crawl, or are about to; otherwise as `Traffic`."""

    def lane(self, lane: Lane) -> None:
        """A queue that stands, crawls, starts or stops."""
        rng, ego = self.rng, lane is self.section.ego
        mode = str(rng.choice(["queue", "crawl", "starting", "stopping"], p=[0.4, 0.3, 0.18, 0.12]))
        speed, rate = float(rng.uniform(0.5, 4)), float(rng.uniform(0.6, 2))
        start, gap = float(rng.uniform(0, 2)), float(rng.uniform(1.2, 3.5))
        # Who is ahead starts first, so that nobody drives into anybody; all brake at once.
        later = -0.5 * lane.direction if mode == "starting" else 0.0
        # Beside the camera, and behind it, there is someone too.
        s = float(rng.uniform(2, 9)) if ego else float(rng.uniform(-16, -2))
        first = True
        while s < _REACH_M:
            obj, length = self.vehicle(draw(rng, _KINDS))
            ramp = {
                "queue": Ramp.steady(0.0),
                "crawl": Ramp.steady(speed),
                "starting": Ramp(0.0, speed, start, rate),
                "stopping": Ramp(speed, 0.0, start, rate),
            }[mode]
            s += length / 2 + 2
            d = lane.middle + float(rng.normal(0, 0.12))
            self.follow(obj, Along(self.axis, s, d, 0.0, lane.direction, ramp))
            if ego and first:
                self.ahead = s - length / 2, ramp
            start = max(start + later, 0.0)
            s += length / 2 + gap * float(rng.uniform(0.3, 1.8))
            first = False
