# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What lorries carry. Each load lies about its builder's place, its floor some metre up."""

from __future__ import annotations

import cv2
import numpy as np

from mila_ros.simulation import street_textures, textures
from mila_ros.simulation.geometry import Mesh, rotation
from mila_ros.simulation.scene import Image
from mila_ros.simulation.shapes import block, box, cylinder, ellipsoid, gable, tube
from mila_ros.simulation.textures import Random
from mila_ros.simulation.vehicle_body import VehicleBuilder

_FLOOR_M = 0.95


def add_box(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """A closed box, in one colour, lettered, or a whole advertisement."""
    rng = build.rng
    tall = rng.uniform(0.7, 1.0) * height
    flat = box((load, width * 1.03, tall), tile=(load, tall))
    image = (
        textures.picture(rng)
        if rng.random() < 0.3
        else street_textures.livery(rng, textures.random_color(rng))
    )
    build.add(flat, build.scene.material(image, "satin"), (0, 0, _FLOOR_M))


def add_goods(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """An open platform with boxes on it."""
    rng = build.rng
    build.add(block((load, width, 0.15)), "trim", (0, 0, 0.98))
    for side in (1, -1):
        build.add(block((load, 0.06, 0.5)), "body", (0, side * width / 2, 1.25))
    for x in np.arange(-load / 2 + 0.8, load / 2 - 0.6, 1.3):
        if rng.random() < 0.75:
            build.add(block(rng.uniform(0.6, 1.3, 3)), "cargo", (x, rng.uniform(-0.4, 0.4), 1.5))


def add_barrel(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """A plain round tank."""
    radius = width * 0.46
    lying = (
        cylinder(radius, load, 16)
        .moved((0, 0, -load / 2))
        .moved((0, 0, 0), rotation(pitch=np.pi / 2))
    )
    build.add(lying.with_uv((0, 0)), "cargo", (0, 0, 1.05 + radius))
    build.add(tube((-load / 2, 0, 0), (load / 2, 0, 0), 0.12), "rim", (0, 0, 1.1 + 2 * radius))


def add_tank(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """A tank with round ends, lettered, with ribs, hatches, a ladder and pipes."""
    rng = build.rng
    across, up = width * rng.uniform(0.44, 0.5), width * rng.uniform(0.34, 0.48)
    z = _FLOOR_M + rng.uniform(0.1, 0.35) + up
    bulge = rng.uniform(0.15, 0.6)
    straight = load - 2 * bulge
    lying = cylinder(1.0, straight, 24).moved((0, 0, -straight / 2))
    lying = lying.moved((0, 0, 0), rotation(pitch=np.pi / 2)).scaled((1, across, up))
    ends = [
        ellipsoid((bulge, across, up), (side * straight / 2, 0, 0), level=2) for side in (1, -1)
    ]
    tank = Mesh.join([lying, *ends])
    x, height_share = tank.vertices[:, 0] / load + 0.5, tank.vertices[:, 2] / (2 * up) + 0.5
    color = textures.random_color(rng) if rng.random() < 0.5 else np.full(3, rng.uniform(0.6, 0.95))
    finish = "glossy" if rng.random() < 0.6 else "satin"
    skin = build.scene.material(street_textures.livery(rng, color), finish)
    build.add(tank.with_uv(np.c_[x, height_share]), skin, (0, 0, z))
    for at in np.arange(-straight / 2, straight / 2 + 0.01, straight / int(rng.integers(2, 6))):
        if rng.random() < 0.7:
            rib = cylinder(1.0, 0.08, 24).moved((0, 0, -0.04))
            rib = rib.moved((0, 0, 0), rotation(pitch=np.pi / 2))
            rib = rib.scaled((1, across * 1.03, up * 1.03)).with_uv((0, 0))
            build.add(rib, "rim", (float(at), 0, z))
        if rng.random() < 0.5:
            build.add(cylinder(0.28, 0.22, 10), "rim", (float(at) * 0.8, 0, z + up * 0.96))
    for side in (1, -1) if rng.random() < 0.7 else ():
        rail = tube((-straight / 2, 0, 0), (straight / 2, 0, 0), 0.04)
        build.add(rail, "rim", (0, side * 0.4, z + up + 0.25))
        if rng.random() < 0.6:
            pipe = tube((-load * 0.3, 0, 0), (load * 0.3, 0, 0), 0.1)
            build.add(pipe, "dark", (0, side * across * 0.93, _FLOOR_M))
    if rng.random() < 0.7:
        at = -load / 2 + rng.uniform(0.1, 0.3 * load)
        side = int(rng.choice([1, -1]))
        for k in (-0.2, 0.2):
            stile = tube((at + k, side * across * 1.02, z - up), (at + k, side * 0.3, z + up), 0.03)
            build.add(stile, "rim")
        for share in np.linspace(0.1, 0.95, 8):
            y, rung = side * (across * 1.02 * (1 - share) + 0.3 * share), z - up + 2 * up * share
            build.add(tube((at - 0.2, y, rung), (at + 0.2, y, rung), 0.02), "rim")


def add_canvas(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """A tarpaulin over hoops, on drop sides or down to the floor."""
    rng = build.rng
    tall = rng.uniform(0.55, 0.95) * height
    image = tarpaulin(rng)
    canvas = build.scene.material(image, "satin" if rng.random() < 0.5 else "matte")
    build.add(box((load, width * 1.02, tall), tile=(load, tall)), canvas, (0, 0, _FLOOR_M))
    if rng.random() < 0.6:
        rise = rng.uniform(0.1, 0.5)
        roof = gable(load, width * 1.02, rise, overhang=0.0, tile=load)
        build.add(roof, canvas, (0, 0, _FLOOR_M + tall))
    if rng.random() < 0.6:
        board = rng.uniform(0.3, 0.6)
        paint = "body" if rng.random() < 0.5 else "rim"
        build.add(block((load + 0.06, width * 1.05, board)), paint, (0, 0, _FLOOR_M + board / 2))
    if rng.random() < 0.6:
        tail = _board(width * 0.95, 0.3)
        stripes = build.scene.material(hazard_stripes(rng), "satin")
        build.add(tail, stripes, (-load / 2 - 0.06, 0, 0.62))


def add_container(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """A container of corrugated steel."""
    rng = build.rng
    ribs = int(load * rng.uniform(3, 6))
    u = np.arange(256) / 256 * ribs % 1
    shade = 0.85 + 0.2 * (np.abs(u - 0.5) < rng.uniform(0.15, 0.35))
    image = np.empty((64, 256, 3), np.float32)
    image[:] = textures.random_color(rng) * shade[:, None]
    image *= (0.9 + 0.15 * textures.value_noise(rng, 64, 256, 4))[..., None]
    flat = textures.to_uint8(image)
    if rng.random() < 0.6:
        textures.text(rng, flat, int(rng.integers(4, 9)), rng.uniform(0.8, 1.4))
    paint = build.scene.material(flat, "satin")
    build.add(box((load, 2.44, 2.6), tile=(load, 2.6)), paint, (0, 0, 1.15))
    build.add(block((load, width * 0.9, 0.3)), "dark", (0, 0, 1.0))


def add_trough(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """A tipper's open trough, at times heaped."""
    rng = build.rng
    tall = rng.uniform(0.8, 1.5)
    floor = block((load, width, 0.2))
    sides = [block((load, 0.08, tall)).moved((0, s * width / 2, tall / 2)) for s in (1, -1)]
    ends = [block((0.08, width, tall)).moved((s * load / 2, 0, tall / 2)) for s in (1, -1)]
    build.add(Mesh.join([floor, *sides, *ends]), "body", (0, 0, _FLOOR_M + 0.15))
    for x in np.arange(-load / 2, load / 2 + 0.01, load / int(rng.integers(3, 7))):
        for side in (1, -1):
            rib = block((0.12, 0.08, tall))
            build.add(
                rib, "trim", (float(x), side * (width / 2 + 0.06), _FLOOR_M + 0.15 + tall / 2)
            )
    if rng.random() < 0.6:
        heap = ellipsoid((load * 0.46, width * 0.45, rng.uniform(0.2, 0.6)), level=2)
        ground = build.scene.material(textures.ground(rng, str(rng.choice(["dirt", "asphalt"]))))
        build.add(heap.with_uv(heap.vertices[:, :2]), ground, (0, 0, _FLOOR_M + tall))


def add_drum(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """A concrete mixer's drum, tilted, with bands."""
    rng, wide = build.rng, width * 0.48
    tilt = rotation(pitch=np.pi / 2 + rng.uniform(0.15, 0.25))
    parts = ((0.5 * wide, wide, 0.3), (wide, wide, 0.25), (wide, 0.45 * wide, 0.45))
    at = -load * 0.5
    paints = ["cargo", "body" if rng.random() < 0.5 else "cargo", "cargo"]
    for (low, high, share), paint in zip(parts, paints, strict=True):
        part = cylinder(low, share * load, 18, high).moved((0, 0, at)).moved((0, 0, 0), tilt)
        build.add(part.with_uv((0, 0)), paint, (0, 0, 1.35 + wide))
        at += share * load
    for x in (-load * 0.42, load * 0.4):
        build.add(block((0.3, width * 0.7, 1.1)), "trim", (x, 0, 1.4))


def add_nothing(build: VehicleBuilder, load: float, width: float, height: float) -> None:
    """The bare chassis of a tractor, with what it couples to trailers by."""
    build.add(cylinder(0.45, 0.12, 12), "dark", (-load * 0.1, 0, 1.0))
    build.add(block((0.1, width * 0.7, 1.2)), "dark", (load / 2 - 0.1, 0, 1.6))
    for side in (1, -1):
        build.add(block((1.1, 0.45, 0.05)), "dark", (-load * 0.28, side * width * 0.4, 1.05))


def _board(width: float, height: float) -> Mesh:
    """An upright board across the lorry; its texture once over all of it."""
    return box((0.02, width, height), tile=(width, height))


def tarpaulin(rng: Random, height: int = 64, width: int = 256) -> Image:
    """A tarpaulin: folds between its hoops, seams, eyelets, at times lettered."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = textures.random_color(rng)
    hoops = int(rng.integers(3, 10))
    u = np.arange(width) / width * hoops
    image *= (1 + rng.uniform(0.02, 0.12) * np.cos(2 * np.pi * u))[:, None]
    folds = textures.value_noise(rng, height, width, int(rng.integers(3, 9)))
    image *= (1 + rng.uniform(0.1, 0.6) * (folds - 0.5))[..., None]
    for k in range(hoops):
        image[:, int(k * width / hoops)] *= 0.75
    if rng.random() < 0.5:
        image[-5:-3, ::6] = rng.uniform(0.1, 0.9)
    flat = textures.to_uint8(image)
    if rng.random() < 0.45:
        textures.text(rng, flat, int(rng.integers(3, 10)), rng.uniform(0.7, 1.5))
    return flat


def hazard_stripes(rng: Random) -> Image:
    """Slanting stripes, red and white or yellow and black; 16 × 128 pixels."""
    pairs = (((0.8, 0.1, 0.08), (0.92, 0.92, 0.9)), ((0.95, 0.75, 0.05), (0.06, 0.06, 0.06)))
    one, other = pairs[int(rng.integers(2))]
    image = np.empty((16, 128, 3), np.float32)
    image[:] = one
    for x in range(-16, 128, 24):
        corners = np.array([[x, 16], [x + 12, 16], [x + 28, 0], [x + 16, 0]], np.int32)
        cv2.fillPoly(image, [corners], other)
    return textures.to_uint8(image)
