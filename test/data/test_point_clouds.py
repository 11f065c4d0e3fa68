# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points and depth images are the same thing, to the pixel, and transforms are those of tf2."""

from types import SimpleNamespace as Record

import numpy as np
import pytest

from mila_ros.data.bag_messages import MessageFactory
from mila_ros.data.point_clouds import PointCloudError, back_project, points_xyz, project
from mila_ros.data.transforms import StaticTransforms, matrix

K = np.array([[50.0, 0, 31.5], [0, 60.0, 15.5], [0, 0, 1]])


def sparse_depth(seed=0, height=32, width=64):
    random = np.random.default_rng(seed)
    depth = random.uniform(1, 80, (height, width)).astype(np.float32)
    depth[random.random((height, width)) < 0.9] = np.nan
    return depth


def test_depth_to_points_and_back_is_the_same_to_the_pixel():
    depth = sparse_depth()
    depth[0, 0], depth[1, 1], depth[2, 2] = np.inf, 0.0, -np.inf
    points = back_project(depth, K)
    expected = depth.copy()
    expected[[0, 1, 2], [0, 1, 2]] = np.nan
    assert points.shape == (np.isfinite(expected).sum(), 3)
    np.testing.assert_array_equal(project(points, K, 64, 32), expected)


def test_a_point_falls_where_the_pinhole_says():
    # u = 50 * 1 / 10 + 31.5 = 36.5, which rounds to even; v = 60 * -0.5 / 10 + 15.5 = 12.5.
    depth = project(np.array([[1.0, -0.5, 10.0]]), K, 64, 32)
    assert np.argwhere(np.isfinite(depth)).tolist() == [[12, 36]] and depth[12, 36] == 10


def test_the_nearest_point_hides_the_others_and_what_is_behind_is_not_seen():
    points = np.array([[0, 0, 20.0], [0, 0, 5.0], [0, 0, -3.0], [0, 0, 0.0], [np.nan, 0, 1.0]])
    depth = project(points, K, 64, 32)
    assert depth[np.isfinite(depth)].tolist() == [5.0]


def cloud(points, **changes):
    return Record(**{**vars(MessageFactory().point_cloud(None, points)), **changes})


def test_a_cloud_is_read_with_its_padding_and_byte_order():
    points = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
    np.testing.assert_array_equal(points_xyz(cloud(points)), points)
    # Two rows of three points, each with an intensity between y and z, in padded rows.
    layout = np.dtype(
        {"names": list("xyz"), "formats": [">f4"] * 3, "offsets": [0, 4, 12], "itemsize": 16}
    )
    rows = np.zeros((2, 3), layout)
    for index, name in enumerate("xyz"):
        rows[name] = points[:, index].reshape(2, 3)
    data = np.zeros((2, 60), np.uint8)
    data[:, :48] = np.ascontiguousarray(rows).view(np.uint8).reshape(2, 48)
    fields = [
        Record(name=name, offset=offset, datatype=7)
        for name, offset in zip("xyz", (0, 4, 12), strict=True)
    ]
    padded = cloud(
        points, height=2, width=3, point_step=16, row_step=60, data=data.ravel(), fields=fields,
        is_bigendian=True,
    )  # fmt: skip
    np.testing.assert_array_equal(points_xyz(padded), points)


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": []},
        {"width": 7},
        {"point_step": 8, "row_step": 48},
        {"row_step": 4},
        {"data": np.zeros(5, np.uint8)},
    ],
)
def test_a_cloud_that_is_none_is_refused(changes):
    with pytest.raises(PointCloudError):
        points_xyz(cloud(np.zeros((6, 3), np.float32), **changes))


def stamped(parent, child, quaternion, translation):
    (made,) = (
        MessageFactory()
        .static_transform(MessageFactory().header(1, parent), child, quaternion, translation)
        .transforms
    )
    return made


def test_transforms_chain_through_a_common_parent():
    turn = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))  # 90 degrees about z
    transforms = StaticTransforms()
    transforms.add([stamped("base", "/lidar", turn, (1.0, 2.0, 3.0))])
    transforms.add([stamped("base", "camera", (0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0))])
    to_camera = transforms.lookup("camera", "lidar")
    # (1, 0, 0) of the lidar is (0, 1, 0) turned, (1, 3, 3) in base, (1, 3, 2) in the camera.
    np.testing.assert_allclose(to_camera @ [1, 0, 0, 1], [1, 3, 2, 1], atol=1e-12)
    np.testing.assert_allclose(transforms.lookup("lidar", "camera"), np.linalg.inv(to_camera))
    np.testing.assert_array_equal(transforms.lookup("lidar", "lidar"), np.eye(4))
    assert transforms.lookup("camera", "nowhere") is None


def test_a_quaternion_is_the_rotation_of_its_axis_and_angle():
    axis, angle = np.array([1.0, 2.0, -2.0]) / 3, 0.7
    x, y, z = axis * np.sin(angle / 2) * 5  # of length 5, not 1
    rotation = Record(x=x, y=y, z=z, w=5 * np.cos(angle / 2))
    cross = np.array([[0, 2, 2], [-2, 0, -1], [-2, 1, 0]]) / 3
    rodrigues = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    found = matrix(Record(rotation=rotation, translation=Record(x=4, y=5, z=6)))
    np.testing.assert_allclose(found[:3, :3], rodrigues, atol=1e-12)
    assert found[:3, 3].tolist() == [4, 5, 6]
