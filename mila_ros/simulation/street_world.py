# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The street: its light, its sides, its traffic, and the car that carries the camera."""

from __future__ import annotations

import numpy as np

from mila_ros.simulation import (
    street_bridges,
    street_ground,
    street_houses,
    street_poles,
    street_textures,
)
from mila_ros.simulation.engine import mujoco
from mila_ros.simulation.paths import Drive, Ramp
from mila_ros.simulation.roadside import Roadside
from mila_ros.simulation.scene import Scene
from mila_ros.simulation.street_axis import Axis, CrossSection
from mila_ros.simulation.street_jam import Jam
from mila_ros.simulation.street_traffic import Traffic
from mila_ros.simulation.taxonomy import CITYSCAPES19
from mila_ros.simulation.textures import Random
from mila_ros.simulation.world import World, pinhole

NEAR_M, FAR_M = 0.2, 400.0


def build_street(seed: int, width: int, height: int, shadows: bool = True) -> World:
    """Build the street of a seed, seen by a camera of ``width`` × ``height`` pixels."""
    return _build(seed, 1, width, height, shadows, jammed=False)


def build_congestion(seed: int, width: int, height: int, shadows: bool = True) -> World:
    """Build a jammed street, under bridges at times, with lorries and buses close on all sides."""
    return _build(seed, 3, width, height, shadows, jammed=True)


def _build(seed: int, world: int, width: int, height: int, shadows: bool, *, jammed: bool) -> World:
    # Each part has its own stream of chance, so that changing one leaves the others alone.
    streams = [np.random.default_rng([seed, world, part]) for part in range(5)]
    layout, side, traffic, light, camera = streams
    scene = Scene(CITYSCAPES19, width, height, NEAR_M, FAR_M)
    axis, section = Axis(layout), CrossSection.draw(layout)
    while jammed and len(section.lanes) < 2:
        section = CrossSection.draw(layout)
    fog, sunny = _light(scene, light)
    roadside = _build_sides(Roadside(scene, side, axis, section))
    if jammed:
        street_bridges.bridges(roadside)
        street_bridges.gantries(roadside)
    moving = (Jam if jammed else Traffic)(
        scene, traffic, axis, section, roadside.crossings, roadside.built_up
    )
    moving.build()
    ego = Drive(
        camera, axis, section.ego.middle, _ego_speed(camera, moving), camera.uniform(1.1, 2.1)
    )
    return World(
        scene, moving.movers, ego, pinhole(camera, width, height, (48, 100)),
        fog=fog, shadows=shadows and sunny, shadow_reach_m=25.0,
    )  # fmt: skip


def _build_sides(kit: Roadside) -> Roadside:
    """Everything beside and on the road that never moves."""
    street_ground.ground(kit)
    street_poles.crosswalks(kit)
    for side in (1, -1):
        street_houses.plots(kit, side)
        street_ground.trees(kit, side)
        street_poles.poles(kit, side)
        street_poles.railings(kit, side)
    street_ground.horizon(kit)
    return kit


def _ego_speed(rng: Random, traffic: Traffic) -> Ramp:
    """As the vehicle ahead does, slower, never into it."""
    gap, lead = traffic.ahead
    if rng.random() < 0.12:
        return Ramp.steady(0.0)
    if max(lead.v0, lead.v1) == 0:
        speed = min(rng.uniform(0.5, 8), np.sqrt(2 * 2.5 * max(gap - 6, 0.1)))
        return Ramp(speed, 0.0, 0.0, 2.5)
    share = rng.uniform(0.75, 1.0)
    return Ramp(lead.v0 * share, lead.v1 * share, lead.start_s + 0.2, lead.rate)


def _light(scene: Scene, rng: Random) -> tuple[bool, bool]:
    """Sky, sun and fog; returns whether there is fog, and whether the sun casts shadows."""
    kind = str(rng.choice(street_textures.SKIES, p=[0.28, 0.38, 0.24, 0.1]))
    faces, horizon = street_textures.sky(rng, kind)
    scene.sky(faces)
    elevation = np.radians(rng.uniform(8, 20) if kind == "dusk" else rng.uniform(20, 75))
    azimuth = rng.uniform(0, 2 * np.pi)
    towards = np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    strength = {"clear": 1.0, "clouds": 0.9, "overcast": 0.3, "dusk": 0.6}[kind] * rng.uniform(
        0.55, 1.0
    )
    ambient = {"clear": 0.42, "clouds": 0.5, "overcast": 0.75, "dusk": 0.35}[kind] * rng.uniform(
        0.8, 1.2
    )
    warm = np.array([1, 1 - rng.uniform(0, 0.12), 1 - rng.uniform(0, 0.25)])
    sunny = kind != "overcast"
    scene.spec.worldbody.add_light(
        name="sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, dir=-towards, pos=towards * 60,
        castshadow=sunny, diffuse=warm * strength, specular=[0.3] * 3, ambient=[0] * 3,
    )  # fmt: skip
    visual = scene.spec.visual
    visual.headlight.ambient = ambient * np.array([0.95, 1, 1.05])
    visual.headlight.diffuse, visual.headlight.specular = [0.12] * 3, [0] * 3
    visual.quality.shadowsize, visual.map.shadowclip = 1024, 32.0
    visual.map.fogstart, visual.map.fogend = rng.uniform(10, 60), rng.uniform(120, 380)
    visual.rgba.fog = [*horizon, 1]
    return bool(rng.random() < 0.4), sunny
