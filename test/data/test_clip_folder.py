# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A clip folder gives back what was written, and says in one sentence what is wrong with it."""

import json

import cv2
import numpy as np
import pytest

from mila_ros.data.clip_folder import ClipError, ClipFolder, is_clip_folder, parse_depth_unit
from mila_ros.data.clip_writer import ClipWriter
from mila_ros.errors import MilaError

K = np.array([[250.0, 0, 16], [0, 251.0, 12], [0, 0, 1]])
SIZE = (24, 32)


def rgb(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def write_clip(path, frames=3, **changes):
    """A clip of random images without maps; ``changes`` replace or remove keys of camera.json."""
    with ClipWriter(path, fps=10.0, intrinsics=K, jpeg_quality=None) as writer:
        for index in range(frames):
            writer.add(rgb(index))
    if changes:
        camera = json.loads((path / "camera.json").read_text()) | changes
        (path / "camera.json").write_text(json.dumps(camera))
    return path


def test_what_was_written_is_read_back(tmp_path):
    rng = np.random.default_rng(1)
    depth = rng.uniform(0.5, 200, SIZE).astype(np.float32)
    depth[0, :4] = [np.nan, np.inf, -np.inf, 300.0]
    label = rng.integers(0, 2, SIZE, dtype=np.uint8)
    label[0, 0] = 255
    motion = rng.choice(np.array([0, 127, 255], np.uint8), SIZE)
    poses = np.stack([np.eye(4), np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3)])
    writer = ClipWriter(
        tmp_path / "clip", fps=7.5, intrinsics=K, frame_id="cam", classes=("road", "car"),
        jpeg_quality=None,
    )  # fmt: skip
    with writer:
        writer.add(rgb(0), depth=depth, label=label, motion=motion, pose=poses[0])
        writer.add(rgb(1), pose=poses[1])

    clip = ClipFolder.open(tmp_path / "clip")
    assert (len(clip), clip.width, clip.height, clip.fps, clip.frame_id) == (2, 32, 24, 7.5, "cam")
    assert clip.classes == ("road", "car")
    np.testing.assert_array_equal(clip.intrinsics, K)
    np.testing.assert_array_equal(clip.poses, poses)
    np.testing.assert_array_equal(clip.image(0), rgb(0))
    np.testing.assert_array_equal(clip.image(1), rgb(1))
    np.testing.assert_array_equal(clip.label(0), label)
    np.testing.assert_array_equal(clip.motion(0), motion)
    read = clip.depth(0)
    assert np.isnan(read[0, :4]).all()
    np.testing.assert_allclose(read[1:], depth[1:], atol=0.5 / 256)
    assert clip.depth(1) is clip.label(1) is clip.motion(1) is None


def test_jpeg_images_are_passed_on_as_they_are(tmp_path):
    with ClipWriter(tmp_path / "clip", fps=None, jpeg_quality=90) as writer:
        writer.add(np.full((*SIZE, 3), (200, 50, 10), np.uint8))
    clip = ClipFolder.open(tmp_path / "clip")
    assert clip.fps is None and clip.intrinsics is None
    assert clip.encoded(0) == (tmp_path / "clip/image/000000.jpg").read_bytes()
    assert np.abs(clip.image(0).astype(int) - (200, 50, 10)).max() <= 3


def test_a_clip_without_camera_json_takes_size_and_fps_from_labels_json(tmp_path):
    clip = write_clip(tmp_path / "clip")
    (clip / "camera.json").unlink()
    (clip / "labels.json").write_text(
        json.dumps({"classes": ["road", "car"], "void": 11, "width": 32, "height": 24, "fps": 1})
    )
    (clip / "label").mkdir()
    cv2.imwrite(str(clip / "label/000000.png"), np.full(SIZE, 11, np.uint8))
    opened = ClipFolder.open(clip)
    assert (opened.width, opened.height, opened.fps) == (32, 24, 1.0)
    assert opened.frame_id == "camera_optical"
    assert (opened.label(0) == 255).all(), "the void id is read as unlabelled"


def test_a_folder_of_nothing_but_images_is_a_clip_of_their_size(tmp_path):
    clip = write_clip(tmp_path / "clip")
    (clip / "camera.json").unlink()
    opened = ClipFolder.open(clip)
    assert (opened.width, opened.height, opened.fps) == (32, 24, None)


def test_images_are_in_natural_order(tmp_path):
    (tmp_path / "image").mkdir()
    for name in ("f10", "f2", "f1"):
        cv2.imwrite(str(tmp_path / f"image/{name}.png"), rgb())
    assert [path.stem for path in ClipFolder.open(tmp_path).images] == ["f1", "f2", "f10"]


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("uint16, metres * 256, 0 = no LiDAR return", 1 / 256),
        ("uint16, millimetres, 0 = none", 1 / 1000),
        ("metres*128", 1 / 128),
        ("Millimeters", 1 / 1000),
    ],
)
def test_depth_units(tmp_path, text, metres):
    assert parse_depth_unit(text, tmp_path) == metres


@pytest.mark.parametrize(
    "text",
    ["", "metres", "uint16", "feet * 2", "millimetres * 2", "metres * 0", "float32, metres * 1", 5],
)
def test_unknown_depth_units_are_refused(tmp_path, text):
    with pytest.raises(ClipError, match="gives the depth as .*; it must be"):
        ClipFolder.open(write_clip(tmp_path / "clip", depth=text))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": "32"}, "must give width and height as whole numbers"),
        ({"height": 0}, "must give width and height as whole numbers"),
        ({"fps": "ten"}, "gives the fps as 'ten'"),
        ({"fps": -1}, "gives the fps as -1"),
        ({"K": [[1, 2], [3, 4]]}, "must give K as 3 x 3 finite numbers"),
        ({"K": [[1, 2, 3], [4, 5, 6], [7, 8, float("nan")]]}, "must give K as 3 x 3 finite"),
        ({"poses": [np.eye(4).tolist()]}, "must give poses as 3 x 4 x 4 finite numbers"),
    ],
)
def test_wrong_camera_json_is_refused_naming_the_file(tmp_path, changes, sentence):
    with pytest.raises(ClipError, match=f"camera.json {sentence}"):
        ClipFolder.open(write_clip(tmp_path / "clip", **changes))


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_json_that_is_none_is_refused_naming_the_file(tmp_path, text):
    clip = write_clip(tmp_path / "clip")
    (clip / "camera.json").write_text(text)
    with pytest.raises(ClipError, match="camera.json (is not JSON|must hold a JSON object)"):
        ClipFolder.open(clip)


@pytest.mark.parametrize(
    "labels", [{"classes": "road"}, {"classes": ["road"], "void": 0}, {"classes": [], "void": 256}]
)
def test_wrong_labels_json_is_refused(tmp_path, labels):
    clip = write_clip(tmp_path / "clip")
    (clip / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ClipError, match="labels.json must give"):
        ClipFolder.open(clip)


@pytest.mark.parametrize("make", [None, "folder", "image"])
def test_what_is_no_clip_is_refused(tmp_path, make):
    path = tmp_path / "clip"
    if make:
        (path / ("image" if make == "image" else "")).mkdir(parents=True)
    assert not is_clip_folder(path)
    with pytest.raises(MilaError, match="is not a clip folder: it has no .jpg or .png in image/"):
        ClipFolder.open(path)


def test_damaged_and_mismatched_images_are_named(tmp_path):
    clip = write_clip(tmp_path / "clip")
    (clip / "image/000001.png").write_bytes(b"nonsense")
    cv2.imwrite(str(clip / "image/000002.png"), np.zeros((5, 7, 3), np.uint8))
    opened = ClipFolder.open(clip)
    with pytest.raises(ClipError, match="000001.png cannot be read"):
        opened.image(1)
    with pytest.raises(ClipError, match="000002.png is 7x5, but the clip is 32x24"):
        opened.image(2)


@pytest.mark.parametrize(
    ("kind", "pixels", "sentence"),
    [
        ("depth", np.zeros(SIZE, np.uint8), "must be a uint16 picture of one channel, not uint8"),
        ("depth", np.zeros((5, 7), np.uint16), "is 7x5, but the clip is 32x24"),
        ("label", np.zeros((*SIZE, 3), np.uint8), "must be a uint8 picture .* not uint8 of 3"),
        ("label", np.full(SIZE, 9, np.uint8), "holds class id 9, but labels.json names 0"),
        ("motion", np.full(SIZE, 1, np.uint8), "holds values other than 0, 127 and 255"),
    ],
)
def test_wrong_maps_are_refused_naming_the_file(tmp_path, kind, pixels, sentence):
    clip = write_clip(tmp_path / "clip", depth="millimetres")
    (clip / kind).mkdir()
    cv2.imwrite(str(clip / kind / "000000.png"), pixels)
    with pytest.raises(ClipError, match=f"{kind}/000000.png {sentence}"):
        getattr(ClipFolder.open(clip), kind)(0)


def test_depth_without_a_unit_is_refused_with_the_mend(tmp_path):
    clip = write_clip(tmp_path / "clip")
    (clip / "depth").mkdir()
    cv2.imwrite(str(clip / "depth/000000.png"), np.zeros(SIZE, np.uint16))
    with pytest.raises(ClipError, match='does not say their unit; add "depth"'):
        ClipFolder.open(clip).depth(0)


def test_the_writer_overwrites_nothing_and_wants_one_size(tmp_path):
    clip = write_clip(tmp_path / "clip")
    with pytest.raises(ClipError, match="exists already"):
        ClipWriter(clip, fps=10.0)
    writer = ClipWriter(tmp_path / "other", fps=10.0)
    writer.add(rgb())
    with pytest.raises(ClipError, match="would be 7x5, but the clip is 32x24"):
        writer.add(np.zeros((5, 7, 3), np.uint8))


def test_the_writer_wants_frames_and_a_pose_for_each(tmp_path):
    with pytest.raises(ClipError, match="a clip without a frame"):
        ClipWriter(tmp_path / "empty", fps=10.0).close()
    writer = ClipWriter(tmp_path / "clip", fps=10.0)
    writer.add(rgb(), pose=np.eye(4))
    writer.add(rgb())
    with pytest.raises(ClipError, match="1 poses were given for 2 frames"):
        writer.close()
