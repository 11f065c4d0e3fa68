# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A clip as a bag holds the clip, its points are its depth, and it comes back."""

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace as Record

import cv2
import numpy as np
import pytest

from mila_ros.cli import main
from mila_ros.data.bag_messages import (
    DEPTH,
    IMAGE,
    INFO,
    LABEL_INFO,
    MASK,
    MOTION,
    POINTS,
    TF_STATIC,
)
from mila_ros.data.bags import open_bag
from mila_ros.data.clip_folder import ClipFolder
from mila_ros.data.maps import depth_map, mask_map
from mila_ros.data.point_clouds import points_xyz, project
from mila_ros.data.transforms import StaticTransforms
from mila_ros.evaluation.bag_sources import open_bag_source
from mila_ros.evaluation.bag_to_clip import write_bag_clip

SIZE = (24, 40)
K = np.array([[30.0, 0, 20.25], [0, 31.0, 11.75], [0, 0, 1]])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    for name in ("image", "depth", "label", "motion"):
        (folder / name).mkdir()
    camera = {
        "width": SIZE[1], "height": SIZE[0], "fps": 5, "K": K.tolist(), "frame_id": "eye",
        "depth": "uint16, metres * 256, 0 = unknown",
    }  # fmt: skip
    (folder / "camera.json").write_text(json.dumps(camera))
    (folder / "labels.json").write_text(json.dumps({"classes": ["road", "sky"], "void": 255}))
    random = np.random.default_rng(0)
    for index in range(3):
        name = f"{index:06d}.png"
        depth = random.integers(256, 20000, SIZE).astype(np.uint16)
        depth[random.random(SIZE) < 0.8] = 0
        cv2.imwrite(f"{folder}/image/{name}", random.integers(0, 256, (*SIZE, 3), np.uint8))
        cv2.imwrite(f"{folder}/depth/{name}", depth)
        cv2.imwrite(f"{folder}/label/{name}", random.choice([0, 1, 255], SIZE).astype(np.uint8))
        cv2.imwrite(f"{folder}/motion/{name}", random.choice([0, 127, 255], SIZE).astype(np.uint8))
    return ClipFolder.open(folder)


def messages(bag):
    found = {}
    with open_bag(Path(bag)) as reader:
        for connection, at_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((at_ns, message))
    return found


def test_everything_is_there_with_one_stamp_a_frame(clip, tmp_path, capsys):
    bag = tmp_path / "bags" / "bag"
    assert main(["convert", str(clip.path), str(bag), "--points"]) == 0
    assert "3 frames of 40x24" in capsys.readouterr().out
    found = messages(bag)
    assert set(found) == {IMAGE, INFO, MASK, DEPTH, MOTION, POINTS, TF_STATIC, LABEL_INFO}
    for topic in (IMAGE, INFO, MASK, DEPTH, MOTION, POINTS):
        times = [at for at, _ in found[topic]]
        assert times == [1_000_000_000, 1_200_000_000, 1_400_000_000]
        stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for _, m in found[topic]]
        assert stamps == times
    ((_, names),) = found[LABEL_INFO]
    assert [(c.class_id, c.class_name) for c in names.class_map] == [(0, "road"), (1, "sky")]
    transforms = StaticTransforms()
    transforms.add(found[TF_STATIC][0][1].transforms)
    to_camera = transforms.lookup("eye", "lidar")
    for index in range(3):
        one = {topic: group[index][1] for topic, group in found.items() if len(group) == 3}
        assert one[IMAGE].encoding == "rgb8" and one[IMAGE].header.frame_id == "eye"
        np.testing.assert_array_equal(one[IMAGE].data.reshape(*SIZE, 3), clip.image(index))
        np.testing.assert_array_equal(one[INFO].k.reshape(3, 3), K)
        np.testing.assert_array_equal(mask_map(one[MASK]), clip.label(index))
        np.testing.assert_array_equal(mask_map(one[MOTION]), clip.motion(index))
        np.testing.assert_array_equal(depth_map(one[DEPTH]), clip.depth(index))
        points = points_xyz(one[POINTS])
        assert one[POINTS].header.frame_id == "lidar" and (points[:, 0] > 0).all()
        in_camera = points @ to_camera[:3, :3].T + to_camera[:3, 3]
        np.testing.assert_array_equal(project(in_camera, K, 40, 24), clip.depth(index))


def test_compressed_images_are_the_files_themselves(clip, tmp_path):
    assert main(["convert", str(clip.path), str(tmp_path / "bag"), "--compressed"]) == 0
    found = messages(tmp_path / "bag")
    assert IMAGE not in found and POINTS not in found
    images = [message for _, message in found[f"{IMAGE}/compressed"]]
    assert [image.format for image in images] == ["png"] * 3
    assert [image.data.tobytes() for image in images] == [clip.encoded(i) for i in range(3)]


def test_static_topics_are_recorded_as_latched(clip, tmp_path):
    main(["convert", str(clip.path), str(tmp_path / "bag"), "--points"])
    with open_bag(tmp_path / "bag") as reader:
        durability = {
            connection.topic: [q.durability.name for q in connection.ext.offered_qos_profiles]
            for connection in reader.connections
        }
    assert durability[TF_STATIC] == durability[LABEL_INFO] == ["TRANSIENT_LOCAL"]
    assert durability[IMAGE] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no_such_clip", "bag"], "is not a clip folder"),
        (["{clip}", "{there}"], "exists already"),
        (["{bare}", "bag", "--points"], "has no K or no depth"),
    ],
)
def test_mistakes_are_one_sentence(clip, tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "bare" / "image").mkdir(parents=True)
    cv2.imwrite("bare/image/0.png", np.zeros((*SIZE, 3), np.uint8))
    names = {"clip": clip.path, "there": "there", "bare": "bare"}
    assert main(["convert", *(word.format(**names) for word in arguments)]) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "bag").exists()


def test_depth_in_millimetres_is_read_with_its_padding_and_byte_order():
    raw = np.array([[0, 1500], [65535, 2]], ">u2")
    message = Record(
        encoding="16UC1", is_bigendian=1, height=2, width=2, step=6,
        data=np.pad(raw.view(np.uint8).reshape(2, 4), ((0, 0), (0, 2))).ravel(),
    )  # fmt: skip
    expected = np.array([[np.nan, 1.5], [65.535, 0.002]], np.float32)
    np.testing.assert_allclose(depth_map(message), expected, rtol=1e-6)


def test_a_clip_that_cannot_be_read_to_its_end_leaves_no_bag(clip, tmp_path, capsys):
    damaged = tmp_path / "damaged"
    shutil.copytree(clip.path, damaged)
    sorted((damaged / "image").iterdir())[-1].write_bytes(b"no picture")
    assert main(["convert", str(damaged), str(tmp_path / "new/bag")]) == 1
    assert "damaged" in capsys.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    assert main(["convert", str(clip.path), str(tmp_path / "file/bag")]) == 1
    assert "file/bag cannot be written: Not a directory" in capsys.readouterr().err


def test_there_and_back_again(clip, tmp_path, capsys):
    bag, back = tmp_path / "bag", tmp_path / "new" / "back"
    assert main(["convert", str(clip.path), str(bag)]) == 0
    assert main(["convert", str(bag), str(back)]) == 0
    assert f"{back}: 3 frames of 40x24" in capsys.readouterr().out
    found = ClipFolder.open(back)
    assert (found.fps, found.frame_id, found.classes) == (5.0, "eye", ("road", "sky"))
    np.testing.assert_allclose(found.intrinsics, K)
    for index in range(3):
        np.testing.assert_array_equal(found.label(index), clip.label(index))
        np.testing.assert_array_equal(found.motion(index), clip.motion(index))
        np.testing.assert_array_equal(found.depth(index), clip.depth(index))
        # Of noise, whose colours JPEG gives up, but not its light.
        light = [cv2.cvtColor(c.image(index), cv2.COLOR_RGB2GRAY) for c in (found, clip)]
        assert cv2.absdiff(*light).mean() < 8
    assert sorted(path.name for path in back.parent.iterdir()) == ["back"]


def test_points_become_depth(clip, tmp_path):
    bag = tmp_path / "bag"
    assert main(["convert", str(clip.path), str(bag), "--points"]) == 0
    with_points = open_bag_source(bag, ())
    only_points = dataclasses.replace(with_points, truth_topics=(POINTS,))
    list(write_bag_clip(only_points, tmp_path / "back"))
    found, true = ClipFolder.open(tmp_path / "back").depth(1), clip.depth(1)
    known = np.isfinite(true)
    assert known.any() and np.array_equal(np.isfinite(found), known)
    np.testing.assert_allclose(found[known], true[known], atol=1 / 256)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{bag}", "clip", "--points"], "is a bag, of which --points says nothing"),
        (["{clip}", "new", "--topic", "/x"], "is no bag, of which --topic says nothing"),
        (["{bag}", "clip", "--classes", "none"], "--classes none is none of cityscapes19"),
        (["{bag}", "clip", "--topic", "/x"], "has no image topic /x"),
        (["{bag}", "clip", "--classes", "nyu13", "--tolerance", "0.1"], ""),
    ],
)
def test_mistakes_on_the_way_back_are_one_sentence(clip, tmp_path, capsys, arguments, sentence):
    bag = tmp_path / "bag"
    assert main(["convert", str(clip.path), str(bag)]) == 0
    capsys.readouterr()
    words = [word.format(bag=bag, clip=clip.path) for word in arguments]
    words[1] = str(tmp_path / words[1])
    assert main(["convert", *words]) == (1 if sentence else 0)
    error = capsys.readouterr().err
    assert sentence in error
    if sentence:
        assert error.count("\n") == 1 and not (tmp_path / "clip").exists()
