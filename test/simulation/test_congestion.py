# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A jammed street: who is near, what is overhead, and that nobody drives into anybody."""

import numpy as np
import pytest

from mila_ros.data.datasets.labels import CITYSCAPES19
from mila_ros.simulation import street_bridges
from mila_ros.simulation.engine import mujoco
from mila_ros.simulation.geometry import rotation
from mila_ros.simulation.lorries import LORRIES
from mila_ros.simulation.paths import Along
from mila_ros.simulation.roadside import Roadside
from mila_ros.simulation.scene import Scene
from mila_ros.simulation.street_axis import Axis, CrossSection
from mila_ros.simulation.street_world import build_congestion
from mila_ros.simulation.vehicles import add_vehicle

SEEDS = range(20, 26)
VEHICLES = [CITYSCAPES19.id(name) for name in ("car", "truck", "bus", "train")]


@pytest.fixture(scope="module")
def jams():
    return [build_congestion(seed, 64, 32, shadows=False) for seed in SEEDS]


def vertices(model, data, geom):
    """A geom's vertices in the world [N, 3]; the world must be posed."""
    mesh = model.geom_dataid[geom]
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    turned = model.mesh_vert[first : first + count] @ data.geom_xmat[geom].reshape(3, 3).T
    return turned + data.geom_xpos[geom]


def section(rng):
    """A street of two lanes or more."""
    while len((drawn := CrossSection.draw(rng)).lanes) < 2:
        pass
    return drawn


def extents(world, movers):
    """By mover, where along its own axis the vehicle begins and ends at the time posed."""
    found = {}
    for mover in movers:
        geoms = [g for g in range(world.model.ngeom) if world.geom_object[g] == mover.obj]
        body = world.model.body(mover.body).id
        ahead = world.data.xmat[body].reshape(3, 3)[:, 0]
        along = np.concatenate(
            [(vertices(world.model, world.data, g) - world.data.xpos[body]) @ ahead for g in geoms]
        )
        found[mover.body] = along.min(), along.max()
    return found


def vehicles_of(world):
    return [m for m in world.movers if m.body.startswith("vehicle") and isinstance(m.path, Along)]


def test_vehicles_are_close_ahead_and_beside(jams):
    for world in jams:
        ego = world.ego
        lanes = {round(m.path.d) for m in vehicles_of(world)}
        near = [m.path for m in vehicles_of(world) if abs(m.path.s) < 22]
        assert len(lanes) >= 2 and len(near) >= 2
        same = [p.s for p in near if abs(p.d - ego.d) < 1.3 and p.direction > 0 and p.s > 0]
        assert same, "someone is right ahead"
    speeds = [m.path.ramp.v0 for world in jams for m in vehicles_of(world)]
    assert max(speeds) <= 4 and np.mean(np.array(speeds) == 0) > 0.4


def test_a_large_part_are_lorries_and_buses(jams):
    classes = []
    for world in jams:
        world.pose(0.0)
        for mover in vehicles_of(world):
            geom = int(np.flatnonzero(world.geom_object[:-1] == mover.obj)[0])
            classes.append(world.geom_class[geom])
    large = np.isin(classes, VEHICLES[1:]).mean()
    assert 0.25 < large < 0.6, large


@pytest.mark.parametrize("t", [0.0, 1.5, 4.0])
def test_nobody_drives_into_anybody(jams, t):
    for world in jams:
        world.pose(0.0)
        size = extents(world, vehicles_of(world))
        world.pose(t)
        lanes = {}
        for mover in vehicles_of(world):
            s = mover.path.s + mover.path.direction * mover.path.ramp.distance(t)
            back, front = size[mover.body]
            ends = sorted((s + mover.path.direction * back, s + mover.path.direction * front))
            lanes.setdefault(round(mover.path.d / 1.4), []).append(ends)
        for row in lanes.values():
            row.sort()
            gaps = [after[0] - before[1] for before, after in zip(row, row[1:], strict=False)]
            assert min(gaps, default=1.0) > 0.1
        # Nor does the ego, whose camera is behind its own bonnet.
        s = world.ego.ramp.distance(t)
        ahead = [
            ends[0]
            for d, row in lanes.items()
            for ends in row
            if abs(d * 1.4 - world.ego.d) < 1.4 and ends[1] > 0 and ends[0] > -1
        ]
        assert min(ahead, default=np.inf) - s > 1.5


def test_what_is_overhead_leaves_room_below():
    spans = boards = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        kit = Roadside(Scene(CITYSCAPES19, 64, 32, 0.2, 400.0), rng, Axis(rng), section(rng))
        put = []
        kit.put = lambda mesh, name, paint, s, d, z=0.0, turn=0.0, put=put: put.append(
            (name, mesh.moved((0, d, z), rotation(turn)).vertices)
        )
        street_bridges.bridges(kit)
        street_bridges.gantries(kit)
        for name, vertices in put:
            limit = kit.section.back if name == "wall" else kit.section.edge
            over_road = vertices[np.abs(vertices[:, 1]) < limit]
            if len(over_road):
                assert over_road[:, 2].min() > 4.0, name
            spans += name == "void" and np.ptp(vertices[:, 1]) > 100
            boards += name == "traffic sign"
    assert spans >= 12 and boards >= 3


@pytest.mark.parametrize("kind", LORRIES)
def test_a_lorry_is_as_long_as_it_says(kind):
    for seed in range(3):
        scene = Scene(CITYSCAPES19, 64, 32, 0.2, 400.0)
        rng = np.random.default_rng(seed)
        obj, length = add_vehicle(scene, rng, kind, "lorry")
        built = scene.build()
        mujoco.mj_kinematics(built.model, built.data)
        geoms = range(built.model.ngeom)
        place = np.concatenate([vertices(built.model, built.data, geom) for geom in geoms])
        along, across = place[:, 0], place[:, 1]
        # A wheel arch may stand out behind.
        assert -length / 2 - 0.45 < along.min() < -length / 2 + 0.1
        assert length / 2 - 0.1 < along.max() < length / 2 + 0.3
        assert 2.2 < np.ptp(across) < 3.2
        truck = CITYSCAPES19.id("truck")
        assert set(built.geom_class[:-1]) == {truck} and set(built.geom_object[:-1]) == {obj}
