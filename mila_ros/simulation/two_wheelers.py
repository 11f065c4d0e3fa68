# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bicycles and motorcycles, with and without someone on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mila_ros.simulation.geometry import Mesh
from mila_ros.simulation.people import SEATED, Body, add_person
from mila_ros.simulation.scene import Paint, Scene
from mila_ros.simulation.shapes import block, ellipsoid, ring, tube, wheel
from mila_ros.simulation.textures import Random, random_color


def add_bicycle(
    scene: Scene, rng: Random, name: str, body: Any = None, obj: int | None = None
) -> int:
    """Build a bicycle on a moving body; returns its object."""
    body = scene.moving_body(name) if body is None else body
    obj = scene.new_object() if obj is None else obj
    frame = scene.color(random_color(rng), "satin")
    dark, steel = scene.color((0.05, 0.05, 0.05), "satin"), scene.color((0.6, 0.6, 0.62), "satin")

    def add(mesh: Mesh, paint: Paint) -> None:
        scene.add(mesh, "bicycle", paint, body=body, obj=obj)

    for x in (0.52, -0.52):
        add(ring(0.33, 0.055).moved((x, 0, 0.35)), dark)
        add(wheel(0.03, 0.1, 6).moved((x, 0, 0.35)), steel)
        for angle in np.arange(3) * np.pi / 3:
            spoke = np.array([np.cos(angle), 0, np.sin(angle)]) * 0.32
            add(tube(spoke + [x, 0, 0.35], -spoke + [x, 0, 0.35], 0.006, 3), steel)
    joints = {
        "rear": (-0.52, 0.35), "crank": (-0.05, 0.32), "seat": (-0.2, 0.88), "head": (0.36, 0.86),
        "front": (0.52, 0.35), "bar": (0.32, 1.02),
    }  # fmt: skip
    tubes = "rear crank, crank seat, seat head, crank head, rear seat, front head, head bar"
    for a, b in (pair.split() for pair in tubes.split(", ")):
        (ax, az), (bx, bz) = joints[a], joints[b]
        add(tube((ax, 0, az), (bx, 0, bz), 0.02, 5), frame)
    add(tube((0.32, 0.26, 1.04), (0.32, -0.26, 1.04), 0.018, 5), dark)
    add(block((0.26, 0.15, 0.07)).moved((-0.22, 0, 0.93)), dark)
    if rng.random() < 0.35:
        add(block((0.3, 0.3, 0.22)).moved((0.5, 0, 0.9)), scene.color(random_color(rng)))
    return obj


def add_motorcycle(
    scene: Scene, rng: Random, name: str, body: Any = None, obj: int | None = None
) -> int:
    """Build a motorcycle or scooter on a moving body; returns its object."""
    body = scene.moving_body(name) if body is None else body
    obj = scene.new_object() if obj is None else obj
    paint = scene.color(random_color(rng), "glossy")
    dark, steel = (
        scene.color((0.05, 0.05, 0.05), "glossy"),
        scene.color((0.55, 0.55, 0.57), "glossy"),
    )
    scooter = rng.random() < 0.5
    radius, reach = (0.24, 0.6) if scooter else (0.32, 0.72)

    def add(mesh: Mesh, paint: Paint) -> None:
        scene.add(mesh, "motorcycle", paint, body=body, obj=obj)

    for x in (reach, -reach):
        add(wheel(radius, 0.14).moved((x, 0, radius)), dark)
        add(wheel(radius * 0.55, 0.15, 8).moved((x, 0, radius)), steel)
    for side in (0.09, -0.09):
        add(tube((reach, side, radius), (reach - 0.2, side, 0.98), 0.03), steel)
    add(tube((reach - 0.22, 0.36, 1.02), (reach - 0.22, -0.36, 1.02), 0.02), dark)
    add(
        block((0.12, 0.2, 0.2)).moved((reach - 0.1, 0, 0.88)),
        scene.color((1, 0.97, 0.85), "glowing"),
    )
    if scooter:
        add(block((0.08, 0.4, 0.6)).moved((reach - 0.22, 0, 0.6)), paint)
        add(block((0.7, 0.3, 0.1)).moved((0.1, 0, 0.28)), paint)
        add(ellipsoid((0.48, 0.2, 0.27), (-0.4, 0, 0.55), 2), paint)
    else:
        add(ellipsoid((0.34, 0.17, 0.16), (0.15, 0, 0.8), 2), paint)
        add(block((0.5, 0.26, 0.36)).moved((0.05, 0, 0.45)), steel)
        add(ellipsoid((0.3, 0.15, 0.14), (-0.6, 0, 0.72), 2), paint)
        add(tube((0.1, -0.16, 0.32), (-0.75, -0.18, 0.42), 0.05), steel)
    add(block((0.62, 0.26, 0.1)).moved((-0.3, 0, 0.8)), dark)
    add(block((0.05, 0.16, 0.1)).moved((-0.88, 0, 0.7)), scene.color((0.7, 0.05, 0.05)))
    if rng.random() < 0.3:
        add(block((0.36, 0.4, 0.34)).moved((-0.62, 0, 1.02)), paint)
    return obj


def add_rider(scene: Scene, rng: Random, name: str, *, motorcycle: bool) -> Body:
    """Build someone on a bicycle, legs turning, or on a motorcycle."""
    body, obj = scene.moving_body(name), scene.new_object()
    scale = rng.uniform(0.95, 1.05)
    if motorcycle:
        add_motorcycle(scene, rng, name, body, obj)
        return add_person(
            scene, rng, name, class_name="rider", fixed=SEATED, lift=-0.02, lean=0.15,
            body=body, obj=obj, scale=scale,
        )  # fmt: skip
    add_bicycle(scene, rng, name, body, obj)
    return add_person(
        scene, rng, name, class_name="rider", lift=0.1, lean=0.28, body=body, obj=obj, scale=scale
    )
