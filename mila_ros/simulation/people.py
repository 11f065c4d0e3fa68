# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""People who walk, stand, sit or pedal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mila_ros.simulation import textures
from mila_ros.simulation.geometry import Floats, Mesh, rotation
from mila_ros.simulation.scene import Scene
from mila_ros.simulation.shapes import block, capsule, cylinder, ellipsoid, tube
from mila_ros.simulation.textures import Random, hsv, random_color

Angles = tuple[float, ...]
"""Angles of left thigh, shin, upper arm, forearm, then of the right ones; positive is backwards."""

_LIMBS = tuple(f"{side} {part}" for side in ("left", "right") for part in ("leg", "arm"))


@dataclass(frozen=True)
class Body:
    """Someone in the scene: the body's name, the object, the names of the limbs that move."""

    name: str
    obj: int
    limbs: tuple[str, ...]
    scale: float


def walking(phase: float, speed: float) -> Angles:
    """The limbs of someone who walks; at speed 0 they hang."""
    swing = np.sin(phase) * min(speed * 0.45, 0.6)
    return (
        -swing, max(swing, 0.0) * 0.9, swing * 0.7, -0.3 * min(speed, 1),
        swing, max(-swing, 0.0) * 0.9, -swing * 0.7, -0.3 * min(speed, 1),
    )  # fmt: skip


def pedalling(phase: float) -> Angles:
    """The limbs of someone on a bicycle."""
    turn = 0.35 * np.sin(phase)
    return (-0.75 + turn, 0.9 - turn, -0.95, -0.2, -0.75 - turn, 0.9 + turn, -0.95, -0.2)


SEATED: Angles = (-1.1, 1.35, -0.95, -0.25, -1.1, 1.35, -0.95, -0.25)
"""The limbs of someone on a motorcycle."""


def standing(rng: Random) -> Angles:
    """The limbs of someone who stands about: arms at the sides, folded, or at a telephone."""
    arms = [(0.05, -0.1), (-0.3, -1.7), (-0.5, -2.0), (-0.1, -0.6)]
    left, right = (arms[int(rng.integers(len(arms)))] for _ in range(2))
    stride = rng.normal(0, 0.1)
    return (stride, 0.05, *left, -stride, 0.05, *right)


def add_person(
    scene: Scene, rng: Random, name: str, *, class_name: str = "person",
    fixed: Angles | None = None, lift: float = 0.0, lean: float = 0.0,
    body: Any = None, obj: int | None = None, scale: float | None = None,
) -> Body:  # fmt: skip
    """Build someone on a moving body, feet on z = 0, facing along x.

    Args:
        scene: Where to build.
        rng: The source of all chance.
        name: Of the body.
        class_name: ``person``, ``rider``, or ``objects`` indoors.
        fixed: Angles of limbs that never move; None makes them movable.
        lift: Metres by which the hips are raised, for a rider.
        lean: How far the trunk leans forward.
        body: An existing moving body.
        obj: Its object.
        scale: Height as a share of 1.75 m; None draws one, children too.
    """
    if scale is None:
        scale = rng.uniform(0.6, 0.85) if rng.random() < 0.15 else rng.uniform(0.9, 1.08)
    body = scene.moving_body(name) if body is None else body
    obj = scene.new_object() if obj is None else obj
    wide = rng.uniform(0.85, 1.25) * scale
    skin_color = [(0.86, 0.67, 0.54), (0.62, 0.43, 0.31), (0.36, 0.23, 0.16)][int(rng.integers(3))]
    bare_arms = rng.random() < 0.3
    paints = scene.skin(
        "matte",
        {
            "top": textures.cloth(rng, 32),
            "legs": hsv(rng.random(), rng.uniform(0, 0.6), rng.uniform(0.06, 0.65)),
            "skin": skin_color,
            "hair": hsv(rng.uniform(0.02, 0.12), rng.uniform(0.1, 0.7), rng.uniform(0.05, 0.65)),
            "shoes": random_color(rng) * 0.6,
            "bag": random_color(rng),
        },
    )
    hips = np.array([0, 0, 0.88 * scale + lift])
    shoulders = hips + [lean * scale, 0, 0.53 * scale]

    def add(mesh: Mesh, paint: str, on: Any = body) -> None:
        scene.add(mesh, class_name, paints[paint], body=on, obj=obj)

    trunk = capsule(hips - [0, 0, 0.03], shoulders - [0, 0, 0.1 * scale], 0.13, 0.15, sides=10)
    trunk = trunk.with_uv(np.c_[trunk.vertices[:, 1] + 0.5, (trunk.vertices[:, 2] - hips[2]) / 0.6])
    add(_widened(trunk, (wide, wide * 1.2)), "top")
    add(
        capsule(
            shoulders - [0, 0.15 * wide, 0.05], shoulders + [0, 0.15 * wide, -0.05], 0.07 * wide
        ),
        "top",
    )
    add(tube(shoulders, shoulders + [0.01, 0, 0.13 * scale], 0.055 * scale), "skin")
    head = shoulders + [0.03, 0, 0.22 * scale]
    add(ellipsoid((0.098 * scale, 0.08 * scale, 0.125 * scale), head, 2), "skin")
    add(
        ellipsoid((0.104 * scale, 0.09 * scale, 0.1 * scale), head + [-0.022, 0, 0.05 * scale]),
        "hair",
    )
    _add_extras(add, rng, scale, hips, shoulders, head)
    limbs: list[str] = []
    angles = fixed or (0.0,) * 8
    for index, limb in enumerate(_LIMBS):
        side = 1 if limb.startswith("left") else -1
        is_leg = limb.endswith("leg")
        at = (
            hips + [0, side * 0.09 * wide, 0]
            if is_leg
            else shoulders + [0, side * 0.2 * wide, -0.04]
        )
        length, radius = (0.42, 0.078) if is_leg else (0.29, 0.05)
        length, radius = length * scale, radius * wide
        upper = capsule((0, 0, 0), (0, 0, -length), radius, radius * 0.75)
        lower = capsule((0, 0, 0), (0, 0, -length * 0.92), radius * 0.75, radius * 0.5)
        end = (
            ellipsoid((0.13 * scale, 0.05 * scale, 0.045 * scale), (0.05, 0, -length * 0.98))
            if is_leg
            else ellipsoid((0.045 * scale, 0.03 * scale, 0.07 * scale), (0, 0, -length * 1.05))
        )
        cloth = "legs" if is_leg else "top"
        under = "skin" if not is_leg and bare_arms else cloth
        ending = "shoes" if is_leg else "skin"
        knee = (0, 0, -length)
        if fixed is None:
            joints = f"{name} {limb}", f"{name} lower {limb}"
            first = scene.limb(body, joints[0], at)
            second = scene.limb(first, joints[1], knee)
            add(upper, cloth, first)
            add(lower, under, second)
            add(end, ending, second)
            limbs += joints
        else:
            turn = rotation(pitch=angles[2 * index])
            bend = turn @ rotation(pitch=angles[2 * index + 1])
            knee_at = at + turn @ np.array(knee)
            add(upper.moved(at, turn), cloth)
            add(lower.moved(knee_at, bend), under)
            add(end.moved(knee_at, bend), ending)
    return Body(name, obj, tuple(limbs), scale)


def _widened(mesh: Mesh, factors: tuple[float, float]) -> Mesh:
    """A mesh wider in x and y about its middle."""
    middle = mesh.vertices.mean(0) * [1, 1, 0]
    return mesh.moved(-middle).scaled((*factors, 1)).moved(middle)


def _add_extras(
    add: Any, rng: Random, scale: float, hips: Floats, shoulders: Floats, head: Floats
) -> None:
    """What some carry or wear: backpacks, bags, skirts, coats, hats."""
    if rng.random() < 0.22:
        add(
            block((0.18 * scale, 0.3 * scale, 0.42 * scale)).moved(
                shoulders - [0.2 * scale, 0, 0.22 * scale]
            ),
            "bag",
        )
    elif rng.random() < 0.2:
        add(
            block((0.32 * scale, 0.12 * scale, 0.26 * scale)).moved(
                hips + [0, 0.3 * scale, -0.25 * scale]
            ),
            "bag",
        )
    if rng.random() < 0.2:
        long = rng.uniform(0.3, 0.6) * scale
        add(
            cylinder(0.25 * scale, long, 10, 0.16 * scale)
            .moved(hips - [0, 0, long - 0.05])
            .with_uv((0.5, 0.3)),
            "top",
        )
    if rng.random() < 0.18:
        add(
            cylinder(0.12 * scale, 0.1 * scale, 10, 0.09 * scale).moved(
                head + [-0.01, 0, 0.06 * scale]
            ),
            "bag",
        )
