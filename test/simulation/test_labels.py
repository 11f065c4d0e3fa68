# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labels against ray casting and against planes whose depth, normal and flow are known."""

import numpy as np
import pytest

from mila_ros.simulation.camera import Camera
from mila_ros.simulation.engine import mujoco
from mila_ros.simulation.flow import Pose, optical_flow
from mila_ros.simulation.geometry import quaternion, rotation
from mila_ros.simulation.normals import surface_normals
from mila_ros.simulation.rooms_world import build_rooms
from mila_ros.simulation.scene import Scene
from mila_ros.simulation.shapes import box, quad
from mila_ros.simulation.street_world import build_congestion, build_street
from mila_ros.simulation.taxonomy import CITYSCAPES19
from mila_ros.simulation.world import State, World

WIDTH, HEIGHT = 128, 64
K = np.array([[110.0, 0, 61.3], [0, 110.0, 33.9], [0, 0, 1]])


def rays(world):
    """Directions through the pixels' centres: in the camera, z = 1, and in the world, length 1."""
    k = world.intrinsics
    u, v = np.meshgrid(np.arange(world.width) + 0.5, np.arange(world.height) + 0.5)
    local = np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u)], -1)
    turned = local @ world.camera_pose()[:3, :3].T
    return local, turned / np.linalg.norm(turned, axis=-1, keepdims=True)


def cast(world):
    """Geom and depth at each pixel by MuJoCo's ray casting, which shares nothing with OpenGL."""
    local, turned = rays(world)
    count = turned[..., 0].size
    geom, distance = np.zeros(count, np.int32), np.zeros(count)
    mujoco.mj_multiRay(
        world.model, world.data, world.camera_pose()[:3, 3].copy(), turned.ravel(), None, 1, -1,
        geom, distance, None, count, 1e9,
    )  # fmt: skip
    shape = turned.shape[:2]
    depth = distance.reshape(shape) / np.linalg.norm(local, axis=-1)
    return geom.reshape(shape), depth


def is_inside(geom):
    """Pixels whose eight neighbours are of the same geom."""
    padded = np.pad(geom, 1, mode="edge")
    h, w = geom.shape
    return np.all(
        [padded[y : y + h, x : x + w] == geom for y in range(3) for x in range(3)], axis=0
    )


@pytest.mark.parametrize(
    ("build", "seed"),
    [(build_street, 4), (build_street, 11), (build_congestion, 8), (build_rooms, 3)],
)
def test_labels_are_what_rays_meet(build, seed):
    world = build(seed, WIDTH, HEIGHT, shadows=False)
    world.pose(1.3)
    with Camera(world) as camera:
        labels = camera.labels()
    geom, depth = cast(world)
    inside = is_inside(geom)
    assert (labels.geom == geom)[inside].all()
    assert (labels.geom == geom).mean() > 0.999
    assert (labels.label == world.geom_class[geom]).mean() > 0.999
    np.testing.assert_array_equal(labels.obj, world.geom_object[labels.geom])
    assert np.isinf(labels.depth[labels.geom < 0]).all()
    same = (labels.geom == geom) & (geom >= 0)
    error = np.abs(labels.depth - depth)[same]
    near = error[depth[same] < 20]
    assert np.quantile(near, 0.99) < 1e-3 and np.median(error) < 1e-4


class Staged:
    """A path that is wherever it is put."""

    def __init__(self, position=(0, 0, 0), yaw=0.0, pitch=0.0, roll=0.0):
        self.put(position, yaw, pitch, roll)

    def put(self, position, yaw=0.0, pitch=0.0, roll=0.0):
        self.now = State(np.array(position, float), quaternion(yaw, pitch, roll), 0.0)

    def state(self, t):
        return self.now


@pytest.fixture(scope="module")
def stage():
    """A wall 10 m ahead over a floor, seen from 1.5 m above it; the ego, the world, the camera."""
    scene = Scene(CITYSCAPES19, WIDTH, HEIGHT, 0.2, 400.0)
    grey = scene.color((0.5, 0.5, 0.5))
    floor = quad([[-5, -60, 0], [60, -60, 0], [60, 60, 0], [-5, 60, 0]])
    scene.add(floor, "road", grey)
    scene.add(box((1, 200, 30)), "wall", grey, at=(10.5, 0, 0.001))
    ego = Staged((0, 0, 1.5))
    world = World(scene, [], ego, K, fog=False, shadows=False, shadow_reach_m=0)
    world.pose(0)
    with Camera(world) as camera:
        yield ego, world, camera


@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (0.3, 0.1, 0.05)])
def test_depth_of_planes_is_exact_to_a_millimetre(stage, tilt):
    ego, world, camera = stage
    ego.put((0, 0, 1.5), *tilt)
    world.pose(0)
    labels = camera.labels()
    local, _ = rays(world)
    direction = local @ world.camera_pose()[:3, :3].T
    wall = labels.label == CITYSCAPES19.id("wall")
    floor = labels.label == CITYSCAPES19.id("road")
    assert wall.sum() > 500 and floor.sum() > 500
    assert np.abs(labels.depth - 10 / direction[..., 0])[wall].max() < 1e-3
    assert np.abs(labels.depth - 1.5 / -direction[..., 2])[floor].max() < 1e-3


def test_normals_of_known_faces(stage):
    ego, world, camera = stage
    ego.put((0, 0, 1.5), 0.3, 0.1, 0.05)
    world.pose(0)
    labels = camera.labels()
    normals = surface_normals(labels.depth, K, labels.geom)
    into_camera = world.camera_pose()[:3, :3].T
    for name, facing in (("wall", [-1, 0, 0]), ("road", [0, 0, 1])):
        there = labels.label == CITYSCAPES19.id(name)
        cosine = normals[there] @ (into_camera @ facing)
        assert np.degrees(np.arccos(np.clip(cosine.min(), -1, 1))) < 0.5
    assert np.isnan(normals[labels.geom < 0]).all()


def test_flow_of_a_plane_is_that_of_its_homography(stage):
    ego, world, camera = stage
    ego.put((0, 0, 1.5))
    world.pose(0)
    labels, now = camera.labels(), Pose.of(world)
    turn = (0.04, 0.02, -0.03)
    ego.put((0.4, -0.2, 1.6), *turn)
    world.pose(0)
    flow = optical_flow(labels, K, now, Pose.of(world))
    # The wall x = 10: H = K (R' + t n / d) K^-1, all in the axes of the camera.
    axes = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]])
    back = axes @ rotation(*turn).T @ axes.T
    shift = -back @ axes @ np.array([0.4, -0.2, 0.1])
    homography = K @ (back + np.outer(shift, [0, 0, 1 / 10])) @ np.linalg.inv(K)
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    moved = np.stack([u, v, np.ones_like(u)], -1) @ homography.T
    expected = moved[..., :2] / moved[..., 2:] - np.stack([u, v], -1)
    wall = labels.label == CITYSCAPES19.id("wall")
    assert np.abs(flow - expected)[wall].max() < 0.01


def test_flow_of_the_sky_is_that_of_a_turn_alone(stage):
    ego, world, camera = stage
    ego.put((0, 0, 1.5), pitch=-1.2)
    world.pose(0)
    labels, now = camera.labels(), Pose.of(world)
    sky = labels.geom < 0
    ego.put((3.0, 0, 1.5), pitch=-1.2)
    world.pose(0)
    assert sky.sum() > 500
    assert np.abs(optical_flow(labels, K, now, Pose.of(world))[sky]).max() < 1e-3
