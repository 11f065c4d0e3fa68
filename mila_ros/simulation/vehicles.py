# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cars, vans, lorries, buses and trams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mila_ros.simulation import street_textures, textures
from mila_ros.simulation.lorries import LORRIES, add_lorry
from mila_ros.simulation.scene import Scene
from mila_ros.simulation.textures import Random
from mila_ros.simulation.vehicle_body import VehicleBuilder
from mila_ros.simulation.vehicle_shapes import SHAPES


def add_vehicle(scene: Scene, rng: Random, kind: str, name: str) -> tuple[int, float]:
    """Build a vehicle on a new moving body, its middle over the origin, heading along x.

    Args:
        scene: Where to build it.
        rng: The source of all chance.
        kind: One of `SHAPES` or `LORRIES`.
        name: Of the body.

    Returns:
        The number of its object, and its length in metres.
    """
    body, obj = scene.moving_body(name), scene.new_object()
    shape = SHAPES[LORRIES[kind].cab if kind in LORRIES else kind]
    stretch = rng.normal(1, [0.05, 0.025, 0.035]).clip(0.88, 1.12)
    shape = replace(shape, size=tuple(np.array(shape.size) * stretch))
    color = textures.random_color(rng)
    is_large = shape.class_name != "car" or kind == "van"
    painted = (street_textures.livery if is_large else street_textures.car_body)(
        rng, color, *([] if is_large else [shape.doors])
    )
    glass = street_textures.glass(rng)
    skin = scene.skin(
        "glossy",
        {
            "body": painted,
            "glass": glass,
            "tyre": (0.06, 0.06, 0.065),
            "rim": rng.uniform(0.25, 0.8) * np.ones(3),
            "dark": (0.03, 0.03, 0.035),
            "trim": color * 0.4 if rng.random() < 0.5 else (0.1, 0.1, 0.11),
            "red": (0.62, 0.04, 0.05),
            "orange": (0.85, 0.4, 0.05),
            "lamp": (0.88, 0.88, 0.84),
            "plate": (0.9, 0.85, 0.3) if rng.random() < 0.3 else (0.9, 0.9, 0.9),
            "cargo": textures.random_color(rng),
        },
    )
    build = VehicleBuilder(scene, body, obj, shape, skin, rng)
    length = shape.size[0]
    if kind in LORRIES:
        length = add_lorry(build, kind)
    else:
        build.loft()
        build.details()
    return obj, length
