# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole worlds: motion is true, flow explains the next picture, a seed is a world."""

from collections import defaultdict

import cv2
import numpy as np
import pytest

from mila_ros.errors import MilaError
from mila_ros.simulation.rooms_world import build_rooms
from mila_ros.simulation.simulator import Simulator
from mila_ros.simulation.street_world import build_congestion, build_street
from mila_ros.simulation.world import MOVING_M_S

SIZE = {"width": 160, "height": 80, "fps": 10.0}


@pytest.fixture(scope="module")
def street():
    with Simulator("street", 4, **SIZE) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def rooms():
    with Simulator("rooms", 8, **SIZE) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def streets():
    """Some streets that are looked at, not rendered."""
    return [build_street(seed, 64, 32, shadows=False) for seed in range(29, 34)]


def body_speeds(world, t):
    """Speed of each object's body from where it is just before and after."""
    places = []
    for time in (t - 1e-3, t + 1e-3):
        world.pose(time)
        places.append(world.data.mocap_pos.copy())
    speeds = np.linalg.norm(places[1] - places[0], axis=1) / 2e-3
    world.pose(t)
    return {
        mover.obj: speeds[world.model.body(mover.body).mocapid[0]] for mover in world.movers
    }  # fmt: skip


@pytest.mark.parametrize("t", [0.7, 2.5])
def test_speed_is_that_at_which_things_move(street, rooms, streets, t):
    jam = build_congestion(4, 64, 32, shadows=False)
    for world in (street.world, rooms.world, jam, *streets[:3]):
        for obj, measured in body_speeds(world, t).items():
            # Along a curve the arc is longer than the chord, and a kerb is stepped off.
            assert world.object_speed[obj] == pytest.approx(measured, rel=0.12, abs=0.02)


def test_motion_is_speed_over_a_fifth_of_a_metre_a_second(street, rooms):
    for simulator in (street, rooms):
        labels = simulator.frame(5).labels
        assert MOVING_M_S == 0.2
        np.testing.assert_array_equal(
            labels.motion, simulator.world.object_speed[labels.obj] > 0.2
        )  # fmt: skip
        assert not labels.motion[labels.obj == 0].any()


def test_motion_cannot_be_read_off_the_class(streets):
    seen = defaultdict(set)
    for world in streets:
        world.pose(1.0)
        for index in range(world.model.ngeom):
            if obj := world.geom_object[index]:
                name = world.taxonomy.classes[world.geom_class[index]]
                seen[name].add(bool(world.object_speed[obj] > MOVING_M_S))
    for name in ("car", "person", "rider", "bicycle"):
        assert seen[name] == {True, False}, name


def test_things_start_and_stop_while_one_looks(streets):
    changed = 0
    for world in streets:
        world.pose(0.0)
        before = world.object_speed > MOVING_M_S
        world.pose(4.0)
        changed += int(((world.object_speed > MOVING_M_S) != before).sum())
    assert changed >= 3


def test_a_street_has_its_classes(streets):
    present = {int(c) for world in streets for c in np.unique(world.geom_class)}
    names = set(streets[0].taxonomy.classes)
    missing = names - {streets[0].taxonomy.classes[c] for c in present if c != 255}
    assert missing <= {"train", "bus", "truck"}


def test_rooms_have_their_classes():
    worlds = [build_rooms(seed, 64, 32, shadows=False) for seed in range(6)]
    present = {int(c) for world in worlds for c in np.unique(world.geom_class)} - {255}
    assert present == set(range(13))


def warp(image, flow):
    """The later image as the earlier one saw it."""
    v, u = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    at = np.nan_to_num(flow, nan=-1e4)
    return cv2.remap(image, u + at[..., 0], v + at[..., 1], cv2.INTER_LINEAR)


@pytest.mark.parametrize("world", ["street", "rooms"])
def test_flow_brings_the_next_frame_onto_this_one(request, world):
    simulator = request.getfixturevalue(world)
    world, camera = simulator.world, simulator.camera
    pictures = []
    for index in (6, 7):
        world.pose(index / simulator.fps)
        # Leaves are finer than these pixels; a lens would have blurred them.
        pictures.append(cv2.GaussianBlur(camera.rgb(), (0, 0), 1.2))
    frame, after = simulator.frame(6), simulator.frame(7).labels
    flow = frame.flow(simulator.pose(7))
    v, u = np.mgrid[: flow.shape[0], : flow.shape[1]]
    lands = np.nan_to_num(np.rint([v + flow[..., 1], u + flow[..., 0]]), nan=-1).astype(int)
    inside = ((lands > 0) & (lands < np.reshape(v.shape, (2, 1, 1)) - 1)).all(0)
    # What something else has come to hide cannot be compared.
    inside[inside] = after.geom[tuple(lands[:, inside])] == frame.labels.geom[inside]
    assert inside.mean() > 0.6
    here, there = (picture.astype(float) for picture in pictures)
    without = np.abs(there - here).mean(-1)[inside].mean()
    explained = np.abs(warp(pictures[1], flow) - here).mean(-1)[inside]
    assert np.median(np.linalg.norm(flow[inside], axis=-1)) > 0.3
    assert explained.mean() < 0.6 * without
    assert np.median(explained) < 3


def test_flow_of_what_stands_still_is_the_cameras_alone(street):
    frame = street.frame(6)
    then = street.pose(7)
    still = type(then)(then.camera, frame.pose.positions, frame.pose.rotations)
    difference = np.abs(frame.flow(then) - frame.flow(still)).max(-1)
    standing = street.world.object_speed[frame.labels.obj] == 0
    assert difference[standing & np.isfinite(difference)].max() < 1e-3
    moving = frame.labels.motion & np.isfinite(difference)
    assert difference[moving].max() > 0.1


def test_the_same_seed_is_the_same_clip_whatever_came_before(street):
    wanted = [street.frame(index) for index in (0, 3)]
    with Simulator("street", 4, **SIZE) as other:
        for frame in wanted:
            again = other.frame(frame.index)
            np.testing.assert_array_equal(frame.image, again.image)
            np.testing.assert_array_equal(frame.labels.label, again.labels.label)
            np.testing.assert_array_equal(frame.labels.depth, again.labels.depth)
            np.testing.assert_array_equal(frame.labels.motion, again.labels.motion)
            np.testing.assert_array_equal(frame.pose.camera, again.pose.camera)


def test_another_seed_is_another_world(rooms):
    with Simulator("rooms", 9, **SIZE) as other:
        a, b = rooms.frame(0), other.frame(0)
    assert (a.labels.label != b.labels.label).mean() > 0.1
    assert np.abs(a.image.astype(int) - b.image).mean() > 5


def test_no_world_has_a_seed_out_of_range():
    with pytest.raises(MilaError, match="seeds are from 0 to 999999"):
        Simulator("street", 1_000_000, **SIZE)


def test_motion_blur_keeps_the_mean_and_smears_edges(street):
    street.blur = 4
    smeared = street._picture(0.6)
    street.blur = 1
    sharp = street._picture(0.6)
    assert abs(smeared.mean() - sharp.mean()) < 3
    edges = [np.abs(np.diff(picture.astype(int), axis=1)).mean() for picture in (smeared, sharp)]
    assert edges[0] < 0.99 * edges[1]
