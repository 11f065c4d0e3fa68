# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_trees import write_png, write_rgb

from mila_ros.data.datasets import nyuv2
from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.datasets.labels import NYU13
from mila_ros.data.datasets.nyu_labels import NYU40, nyu_table
from mila_ros.data.datasets.nyuv2 import INTRINSICS, NYUv2

# The table of SceneNet's class13Mapping.mat: the 13-class id, from 1, of each of the 40.
SCENENET = "12 5 6 1 4 9 10 12 13 6 8 6 13 10 6 13 6 7 7 5 7 3 2 6 11 7 7 7 7 7 7 6 7 7 7 7 7 7 6 7"
HEIGHT, WIDTH = 12, 16
VIDEO = "kitchen_0004"


def test_forty_classes_become_thirteen() -> None:
    table = nyu_table(np.arange(1, 41), NYU13)
    assert table.tolist() == [255, *(int(number) - 1 for number in SCENENET.split())]
    assert NYU40.classes[0] == "wall" and NYU40.classes[39] == "other prop"
    # Label 3 of the data set is class 7 of the 40, a table.
    assert nyu_table(np.array([40, 1, 7]), NYU40).tolist() == [255, 39, 0, 6]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    h5py = pytest.importorskip("h5py", reason="h5py reads MATLAB 7.3; pip install h5py")
    scipy_io = pytest.importorskip("scipy.io", reason="scipy reads MATLAB 5; pip install scipy")
    rng = np.random.default_rng(3)
    count = 4
    # As MATLAB writes them: the axes turned round, text as uint16 behind references.
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as content:
        images = rng.integers(0, 256, (count, 3, WIDTH, HEIGHT), np.uint8)
        labels = np.zeros((count, WIDTH, HEIGHT), np.uint16)
        labels[:, 5, 2] = 3  # column 5, row 2
        instances = np.zeros((count, WIDTH, HEIGHT), np.uint8)
        instances[:, :, 8:] = 1
        depths = np.full((count, WIDTH, HEIGHT), 2.5, np.float32)
        raw = depths.copy()
        depths[:, 5, 2] = 7.25
        raw[:, 0, 1] = 0
        arrays = {"images": images, "labels": labels, "instances": instances}
        for name, array in {**arrays, "depths": depths, "rawDepths": raw}.items():
            content[name] = array
        references = content.create_dataset("rawRgbFilenames", (1, count), h5py.ref_dtype)
        for index in range(count):
            text = f"{VIDEO}/r-129488636{index}.665555-295609433{index}.ppm"
            characters = np.array([[ord(c)] for c in text], np.uint16)
            references[0, index] = content.create_dataset(f"#refs#/{index}", data=characters).ref
    splits = {"trainNdxs": np.array([[1], [3]]), "testNdxs": np.array([[2], [4]])}
    scipy_io.savemat(tmp_path / "splits.mat", splits)
    scipy_io.savemat(tmp_path / "classMapping40.mat", {"mapClass": np.array([[40, 1, 7]])})
    return tmp_path


def write_raw(root: Path) -> None:
    folder = root / "raw" / VIDEO
    folder.mkdir(parents=True)
    for time in ("1294886360.5", "1294886361.1", "1294886359.9", "1294886362.9"):
        image = np.full((480, 640, 3), 40, np.uint8)
        cv2.imwrite(str(folder / f"r-{time}-7.ppm"), image)
    for index in range(4):
        name = f"r-129488636{index}.665555-295609433{index}.ppm"
        cv2.imwrite(str(folder / name), np.full((480, 640, 3), 50 + index, np.uint8))


def test_axes_are_turned_back(root: Path) -> None:
    import h5py

    dataset = NYUv2(root, "train")
    assert len(dataset) == 2
    frame = dataset.frame(1)  # number 3 of the file, from 1
    with h5py.File(root / "nyu_depth_v2_labeled.mat") as content:
        np.testing.assert_array_equal(frame.image, content["images"][2].transpose(2, 1, 0))
    assert frame.image.shape == (HEIGHT, WIDTH, 3)
    assert frame.label is not None and frame.depth is not None and frame.edges is not None
    assert frame.label[2, 5] == NYU13.id("table") and (frame.label == 255).sum() == 191
    assert frame.depth[2, 5] == 7.25 and frame.depth.dtype == np.float32
    # Around the other label, and between the two instances.
    assert frame.edges[7].all() and frame.edges[2, 4] == frame.edges[1, 5] == 1
    assert frame.edges[2, 5] == 1 and frame.edges[5].sum() == 0
    forty = NYUv2(root, "train", classes="nyu40").frame(0).label
    assert forty is not None and forty[2, 5] == NYU40.id("table")


def test_raw_depth_is_unknown_where_the_kinect_saw_none(root: Path) -> None:
    depth = NYUv2(root, "test", depth="raw").frame(0).depth
    assert depth is not None
    assert np.isnan(depth[1, 0]) and np.isfinite(depth).sum() == HEIGHT * WIDTH - 1
    with pytest.raises(DatasetError, match="filled or raw"):
        NYUv2(root, "test", depth="dense")


def test_normals_are_decoded_within_their_mask(root: Path) -> None:
    rgb = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    rgb[0, 0] = 255, 128, 128  # towards +x
    rgb[0, 1] = 128, 128, 0  # towards -z
    rgb[0, 2] = 255, 128, 128
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[0, 2] = 0
    write_rgb(root / "normals_gt/normals/0001.png", rgb)
    write_png(root / "normals_gt/masks/0001.png", mask)
    normals = NYUv2(root, "test").frame(0).normals
    assert normals is not None and normals.dtype == np.float32
    np.testing.assert_allclose(normals[0, 0], [1, 0, 0], atol=6e-3)
    np.testing.assert_allclose(normals[0, 1], [0, 0, -1], atol=6e-3)
    np.testing.assert_allclose(np.linalg.norm(normals[0, :2], axis=-1), 1, atol=1e-6)
    assert np.isnan(normals[0, 2]).all() and np.isnan(normals[3, 3]).all()


def test_clips_come_from_the_video_in_the_order_of_time(root: Path) -> None:
    write_raw(root)
    dataset = NYUv2(root, "train")
    clip = dataset.clip(1, before=3)  # annotated: 1294886362.665555
    assert clip.annotated == (3,)
    values = [int(clip.frame(n).image[240, 320, 0]) for n in range(3)]
    assert values == [50, 40, 51]  # ...360.67, ...361.1, ...361.67
    assert clip.frame(3).label is not None
    np.testing.assert_array_equal(clip.intrinsics, INTRINSICS)
    assert len(dataset.clip(0, before=9)) == 3  # what the video has before it


def test_frames_of_the_video_are_undistorted(root: Path) -> None:
    write_raw(root)
    image = np.zeros((480, 640, 3), np.uint8)
    distorted = cv2.projectPoints(
        np.array([[0.4, -0.3, 1.0]]), np.zeros(3), np.zeros(3), INTRINSICS, nyuv2.DISTORTION
    )[0].ravel()
    cv2.circle(image, (round(distorted[0]), round(distorted[1])), 4, (255, 255, 255), -1)
    cv2.imwrite(str(root / "raw" / VIDEO / "r-1294886360.665555-2956094330.ppm"), image)
    seen = NYUv2(root, "train").clip(1, before=3).frame(0).image[..., 0]
    straight = INTRINSICS @ [0.4, -0.3, 1.0]
    rows, columns = np.nonzero(seen > 128)
    assert abs(columns.mean() - straight[0]) < 1 and abs(rows.mean() - straight[1]) < 1


def test_what_is_missing_is_said(root: Path) -> None:
    sentences = [str(error) for error in NYUv2(root, "train").absent()]
    assert [sentence.split(" is missing")[0] for sentence in sentences] == [
        f"{root}/normals_gt",
        f"{root}/raw",
    ]
    (root / "classMapping40.mat").unlink()
    assert NYUv2(root, "train").frame(0).label is None
    (root / "splits.mat").unlink()
    with pytest.raises(DatasetError, match="splits.mat is missing"):
        NYUv2(root, "train")


def test_without_h5py_a_sentence_says_how_to_get_it(root: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DatasetError, match="needs h5py to be read; run: pip install h5py"):
        NYUv2(root, "train")
