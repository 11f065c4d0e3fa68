# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import write_image, write_png, write_text

from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.datasets.kitti_2015 import Kitti2015
from mila_ros.data.datasets.kitti_calibration import world_from_imu
from mila_ros.data.datasets.kitti_raw import EIGEN_TEST_DRIVES, KittiRaw
from mila_ros.data.datasets.kitti_tracklets import Tracklet, speed

DAY = "2011_09_26"
HEIGHT, WIDTH = 40, 120
FX, CX, CY = 60.0, 60.0, 20.0
FRAMES = 12
EGO_M_PER_FRAME = 1.0  # the vehicle drives east at 10 m/s


def numbers(values: object) -> str:
    return " ".join(f"{value:.12e}" for value in np.ravel(np.asarray(values, float)))


def write_calibration(day: Path) -> None:
    # x forward, y left, z up (scanner) to x right, y down, z forward (camera), 0.27 m behind it.
    axes = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]])
    projection = [[FX, 0, CX, FX * 0.06], [0, FX, CY, 0], [0, 0, 1, 0]]
    write_text(
        day / "calib_cam_to_cam.txt",
        "calib_time: 09-Jan-2012 13:57:47\ncorner_dist: 9.95e-02\n"
        f"R_rect_00: {numbers(np.eye(3))}\nP_rect_02: {numbers(projection)}\n",
    )
    write_text(
        day / "calib_velo_to_cam.txt",
        f"calib_time: 15-Mar-2012 11:37:16\nR: {numbers(axes)}\nT: {numbers([0, 0, -0.27])}\n",
    )
    write_text(
        day / "calib_imu_to_velo.txt", f"R: {numbers(np.eye(3))}\nT: {numbers([-0.8, 0.3, -0.8])}\n"
    )


def tracklet_xml(kind: str, first: int, places: list[tuple[float, float, float]]) -> str:
    poses = "".join(
        f"<item><tx>{x}</tx><ty>{y}</ty><tz>{z}</tz><rx>0</rx><ry>0</ry><rz>0</rz>"
        "<state>2</state><occlusion>0</occlusion></item>"
        for x, y, z in places
    )
    return (
        f"<item><objectType>{kind}</objectType><h>1.5</h><w>2</w><l>4</l>"
        f"<first_frame>{first}</first_frame><poses><count>{len(places)}</count>"
        f"<item_version>1</item_version>{poses}</poses><finished>1</finished></item>"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    day = tmp_path / DAY
    write_calibration(day)
    drive = day / f"{DAY}_drive_0001_sync"
    for frame in range(FRAMES):
        write_image(drive / f"image_02/data/{frame:010d}.png", HEIGHT, WIDTH)
        east = frame * EGO_M_PER_FRAME
        longitude = 8.4 + math.degrees(east / (6378137.0 * math.cos(math.radians(49.0))))
        line = f"49.0 {longitude:.13f} 116.4 0 0 0 " + " ".join(["0"] * 24)
        write_text(drive / f"oxts/data/{frame:010d}.txt", line)
    scan = drive / f"velodyne_points/data/{0:010d}.bin"
    scan.parent.mkdir(parents=True)
    # x forward, y left, z up, reflectance; the second lies behind the first.
    points = [[10.27, 1.96, 1, 0.5], [20.27, 3.86, 2, 0.5], [-5, 0, 0, 0.1], [5.27, 40, 0, 0.1]]
    np.array(points, np.float32).tofile(scan)
    ego = [frame * EGO_M_PER_FRAME for frame in range(FRAMES)]
    parked = [(20.0 - moved, 5.0, -1.5) for moved in ego]
    driving = [(15.0, -5.0, -1.5) for _ in ego]  # keeps its distance, so it moves in the world
    items = [tracklet_xml("Car", 0, parked), tracklet_xml("Van", 0, driving)]
    items.append(tracklet_xml("Cyclist", 4, [(30.0, 0.0, -1.5)]))
    write_text(
        drive / "tracklet_labels.xml",
        '<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>\n<boost_serialization><tracklets>'
        f"<count>{len(items)}</count><item_version>1</item_version>{''.join(items)}"
        "</tracklets></boost_serialization>",
    )
    return tmp_path


def test_a_laser_point_lands_on_its_pixel(root: Path) -> None:
    depth = KittiRaw(root, "train").frame(0).depth
    assert depth is not None
    # Camera coordinates (-1.96 + 0.06, -1, 10): u = 60 - 60 * 1.9 / 10 = 48.6, v = 20 - 60 / 10.
    assert depth[14, 49] == pytest.approx(10.0)
    assert np.isfinite(depth).sum() == 1  # the far one is hidden, the others out of view


def test_a_car_that_drives_moves_and_a_parked_one_does_not(root: Path) -> None:
    dataset = KittiRaw(root, "all")
    motion = dataset.frame(4).motion
    assert motion is not None and motion.shape == (HEIGHT, WIDTH)
    calibration = dataset._calibration(0)

    def at(x: float, y: float, z: float) -> int:
        (pixel,), _ = calibration.project(np.array([[x, y, z]]))
        return int(motion[round(pixel[1]), round(pixel[0])])

    assert at(16.0, 5.0, -0.7) == 0  # parked: 20 m ahead at first, now 16
    assert at(15.0, -5.0, -0.7) == 255
    assert at(30.0, 0.0, -0.7) == 127  # in one frame only
    assert motion[0, 0] == 0
    without = dataset.frame(5).motion
    assert without is not None and not (without == 127).any()


def test_speed_is_that_in_the_world() -> None:
    places = np.array([[10.0, 0, 0], [10.5, 0, 0], [11.0, 0, 0]])
    tracklet = Tracklet("Car", (1.5, 2, 4), 1, places, np.zeros(3))
    worlds = []
    for frame in range(4):
        world = np.eye(4)
        world[0, 3] = 2.0 * frame
        worlds.append(world)
    assert speed(tracklet, 2, worlds) == pytest.approx(25.0)  # 20 m/s of one's own, 5 more


def test_poses_of_the_imu_are_mercator_metres() -> None:
    # A degree of latitude is 111.32 km on this sphere, at the equator in both directions.
    first, north, east = world_from_imu(
        [
            np.array(line)
            for line in ([0, 0, 5, 0, 0, 0], [1e-3, 0, 7, 0, 0, 0.5], [0, 1e-3, 5, 0.1, 0, 0])
        ]
    )
    np.testing.assert_allclose(first[:3, 3], 0, atol=1e-9)
    np.testing.assert_allclose(north[:3, 3], [0, 111.3195, 2], atol=1e-3)
    np.testing.assert_allclose(east[:3, 3], [111.3195, 0, 0], atol=1e-3)
    # A yaw turns the vehicle's x axis towards north, a roll its y axis upwards.
    np.testing.assert_allclose(north[:3, 0], [math.cos(0.5), math.sin(0.5), 0])
    np.testing.assert_allclose(east[:3, 1], [0, math.cos(0.1), math.sin(0.1)])
    for pose in (north, east):
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)


def test_a_box_stands_on_its_place_and_turns_about_it() -> None:
    tracklet = Tracklet("Car", (1.5, 2, 4), 0, np.array([[10.0, 3, -1.5]]), np.array([math.pi / 2]))
    corners = tracklet.corners(0)
    # Turned by a right angle, its length lies along y and its width along x.
    np.testing.assert_allclose(corners.min(0), [9, 1, -1.5])
    np.testing.assert_allclose(corners.max(0), [11, 5, 0])


def test_poses_of_the_camera_carry_a_parked_point_onto_itself(root: Path) -> None:
    dataset = KittiRaw(root, "train")
    calibration = dataset._calibration(0)
    worlds = []
    for frame in (0, 7):
        pose = dataset.frame(frame).pose
        assert pose is not None
        point = np.array([20.0 - frame * EGO_M_PER_FRAME, 5.0, -1.5])
        (pixel,), (depth,) = calibration.project(point[None])
        ray = np.linalg.solve(calibration.intrinsics, [*pixel, 1]) * depth
        worlds.append(pose @ [*ray, 1])
    np.testing.assert_allclose(worlds[0], worlds[1], atol=1e-5)


def test_drives_are_clips_and_splits_are_eigens(root: Path) -> None:
    dataset = KittiRaw(root, "train")
    assert len(dataset) == FRAMES
    (clip,) = dataset.clips()
    assert len(clip) == FRAMES and clip.annotated == tuple(range(FRAMES)) and clip.fps == 10
    assert dataset.clip(11, before=3).frame(3).image.shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(DatasetError, match="a drive of the split test"):
        KittiRaw(root, "test")
    assert len(EIGEN_TEST_DRIVES) == 28
    assert KittiRaw(root, "train").absent() == []
    (root / DAY / f"{DAY}_drive_0001_sync" / "tracklet_labels.xml").unlink()
    assert KittiRaw(root, "train").frame(0).motion is None
    (sentence,) = KittiRaw(root, "train").absent()
    assert "tracklet_labels.xml is missing (motion); download [tracklets]" in str(sentence)
    (root / DAY / "calib_imu_to_velo.txt").unlink()
    with pytest.raises(DatasetError, match="calib_imu_to_velo.txt is missing"):
        KittiRaw(root, "train").frame(0)


def test_tracklets_that_are_no_tracklets(root: Path) -> None:
    path = root / DAY / f"{DAY}_drive_0001_sync" / "tracklet_labels.xml"
    write_text(path, "<boost_serialization><tracklets>")
    with pytest.raises(DatasetError, match="cannot be read as KITTI's tracklets"):
        KittiRaw(root, "train").frame(0)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    training = tmp_path / "training"
    for number in range(21):
        write_image(training / f"image_2/000000_{number:02d}.png", HEIGHT, WIDTH, value=number)
    semantic = np.zeros((HEIGHT, WIDTH), np.uint8)
    semantic[0, :3] = 26, 23, 29
    write_png(training / "semantic/000000_10.png", semantic)
    disparity = np.zeros((HEIGHT, WIDTH), np.uint16)
    disparity[3, 4] = 256 * 20
    write_png(training / "disp_occ_0/000000_10.png", disparity)
    objects = np.zeros((HEIGHT, WIDTH), np.uint8)
    objects[5, 6] = 2
    write_png(training / "obj_map/000000_10.png", objects)
    left = [[721.5, 0, 609.5, 44.857], [0, 721.5, 172.8, 0.2], [0, 0, 1, 0.003]]
    right = [[721.5, 0, 609.5, -339.524], [0, 721.5, 172.8, 2.2], [0, 0, 1, 0.003]]
    write_text(
        training / "calib_cam_to_cam/000000.txt",
        f"P_rect_02: {numbers(left)}\nP_rect_03: {numbers(right)}\n",
    )
    return tmp_path


def test_the_benchmark_of_2015(scenes: Path) -> None:
    dataset = Kitti2015(scenes, "train")
    frame = dataset.frame(0)
    assert frame.label is not None and frame.depth is not None and frame.motion is not None
    assert frame.label[0, :3].tolist() == [13, 10, 255]
    # Baseline (44.857 + 339.524) / 721.5 = 0.5327 m, so 384.381 / 20 m.
    assert frame.depth[3, 4] == pytest.approx(384.381 / 20, rel=1e-6)
    assert np.isnan(frame.depth[0, 0])
    assert frame.motion[5, 6] == 255 and frame.motion.sum() == 255
    clip = dataset.clip(0, before=4)
    assert clip.annotated == (4,)
    assert [clip.frame(n).image[0, 0, 0] for n in range(5)] == [6, 7, 8, 9, 10]


def test_the_benchmark_without_its_extensions(scenes: Path) -> None:
    for number in range(21):
        if number != 10:
            (scenes / f"training/image_2/000000_{number:02d}.png").unlink()
    dataset = Kitti2015(scenes, "train")
    assert len(dataset.clip(0)) == 1
    assert "data_scene_flow_multiview.zip" in str(dataset.absent()[0])
