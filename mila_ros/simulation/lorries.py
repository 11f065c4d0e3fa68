# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lorries: a cab with a load behind it, on one chassis or on a semi-trailer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mila_ros.simulation import lorry_loads
from mila_ros.simulation.shapes import block, quad
from mila_ros.simulation.vehicle_body import VehicleBuilder


@dataclass(frozen=True)
class Lorry:
    """A kind of lorry.

    Attributes:
        cab: The kind of its cab, a key of ``SHAPES``.
        load_m: Shortest and longest load.
        add_load: Builds the load, given its builder, length, width and the cab's height.
        trailer: Whether the load is on a semi-trailer.
    """

    cab: str
    load_m: tuple[float, float]
    add_load: Callable[[VehicleBuilder, float, float, float], None]
    trailer: bool = False


LORRIES = {
    "box lorry": Lorry("lorry cab", (4.2, 7.5), lorry_loads.add_box),
    "flatbed": Lorry("lorry cab", (4.2, 7.5), lorry_loads.add_goods),
    "tanker": Lorry("lorry cab", (4.2, 7.5), lorry_loads.add_barrel),
    "canvas lorry": Lorry("lorry cab", (3.2, 7.0), lorry_loads.add_canvas),
    "tipper": Lorry("lorry cab", (4.0, 6.0), lorry_loads.add_trough),
    "mixer": Lorry("lorry cab", (5.0, 6.5), lorry_loads.add_drum),
    "tractor": Lorry("tractor cab", (2.4, 3.2), lorry_loads.add_nothing),
    "box trailer": Lorry("tractor cab", (10.0, 13.6), lorry_loads.add_box, trailer=True),
    "canvas trailer": Lorry("tractor cab", (10.0, 13.6), lorry_loads.add_canvas, trailer=True),
    "container": Lorry("tractor cab", (6.1, 12.2), lorry_loads.add_container, trailer=True),
    "tank trailer": Lorry("tractor cab", (9.0, 12.5), lorry_loads.add_tank, trailer=True),
}


def add_lorry(build: VehicleBuilder, kind: str) -> float:
    """Build a lorry of one of `LORRIES`; returns its length."""
    lorry = LORRIES[kind]
    rng, (cab, width, height) = build.rng, build.shape.size
    load = rng.uniform(*lorry.load_m)
    length = cab + 0.3 + load
    build.at = np.array([length / 2 - cab / 2, 0, 0.0])
    build.loft()
    build.details()
    build.at = np.array([-length / 2 + load / 2, 0, 0.0])
    build.add(block((load + 0.6, width * 0.5, 0.25)), "dark", (0.3, 0, 0.75))
    if lorry.trailer:
        _add_running_gear(build, load, width)
    else:
        axle = -load * 0.28
        for x in (axle, axle - 1.15) if load > 5.5 else (axle,):
            build.wheels(x, 0.48, width)
    lorry.add_load(build, load, width, height)
    # The tail's lamps are the load's, not the cab's.
    for side in (1, -1):
        build.add(block((0.06, 0.3, 0.16)), "red", (-load / 2 - 0.04, side * width * 0.36, 0.82))
    build.add(
        quad(
            [
                [-load / 2 - 0.05, 0.25, 0.6],
                [-load / 2 - 0.05, -0.25, 0.6],
                [-load / 2 - 0.05, -0.25, 0.72],
                [-load / 2 - 0.05, 0.25, 0.72],
            ]
        ),
        "plate",
    )
    return length


def _add_running_gear(build: VehicleBuilder, load: float, width: float) -> None:
    """The tractor's rear axle, a trailer's own, and what hangs between them."""
    rng = build.rng
    build.wheels(load / 2 - 0.7, 0.5, width)
    rear = -load / 2 + rng.uniform(1.0, 2.6)
    for k in range(int(rng.integers(2, 4))):
        build.wheels(rear + 1.3 * k, 0.5, width)
        if rng.random() < 0.4:  # mudguards
            for side in (1, -1):
                guard = block((1.15, 0.45, 0.05))
                build.add(guard, "dark", (rear + 1.3 * k, side * (width / 2 - 0.2), 1.06))
    between = load / 2 - 1.7, rear + 4.4
    if between[0] - between[1] > 1.0:
        middle, reach = sum(between) / 2, between[0] - between[1]
        kind = rng.choice(["rails", "skirt", "boxes", "none"])
        for side in (1, -1):
            y = side * (width / 2 - 0.05)
            if kind == "rails":
                for z in (0.55, 0.85):
                    build.add(block((reach, 0.04, 0.1)), "rim", (middle, y, z))
            elif kind == "skirt":
                build.add(block((reach, 0.04, 0.7)), "trim", (middle, y, 0.75))
            elif kind == "boxes":
                build.add(block((reach * 0.6, 0.5, 0.55)), "dark", (middle, y - side * 0.22, 0.7))
