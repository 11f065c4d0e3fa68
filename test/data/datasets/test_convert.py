# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from dataset_trees import write_image, write_png, write_text

from mila_ros.cli import main
from mila_ros.data.clip_folder import ClipFolder
from mila_ros.data.datasets.base import Clip, DatasetError, Frame
from mila_ros.data.datasets.convert import convert, resized, resized_intrinsics, write_clip
from mila_ros.data.datasets.davis import Davis
from mila_ros.data.datasets.labels import CITYSCAPES7
from mila_ros.data.datasets.normals import decode_normals, encode_normals
from mila_ros.data.datasets.registry import DATASETS, open_dataset


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Two annotated frames of 32x64, the later of each third of a sequence."""
    root = tmp_path / "cityscapes"
    for city in ("bonn", "ulm"):
        for number in range(30):
            name = f"{city}_000000_{number:06d}_leftImg8bit.png"
            image = root / "leftImg8bit_sequence/val" / city / name
            write_image(image, 32, 64, value=8 * number)
            if number == 19:
                write_image(root / "leftImg8bit/val" / city / name, 32, 64, value=8 * number)
        stem = f"val/{city}/{city}_000000_000019"
        ids = np.full((32, 64), 7, np.uint8)
        ids[:16] = 23
        ids[0] = 0
        write_png(root / f"gtFine/{stem}_gtFine_labelIds.png", ids)
        disparity = np.full((32, 64), 1 + 256 * 40, np.uint16)
        disparity[:16] = 0
        write_png(root / f"disparity/{stem}_disparity.png", disparity)
        inner = {"fx": 2262.52, "fy": 2262.52, "u0": 31.5, "v0": 15.5}
        camera = {"extrinsic": {"baseline": 0.209313}, "intrinsic": inner}
        write_text(root / f"camera/{stem}_camera.json", json.dumps(camera))
    return root


def run(*arguments: object) -> int:
    return main(["datasets", *map(str, arguments)])


def test_converted_clips_are_read_as_clip_folders(cityscapes: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "clips"
    arguments = ("convert", "cityscapes", cityscapes, "--split", "val", "--out", out)
    options = ("--classes", "cityscapes7", "--size", "32x16", "--before", 4, "--jobs", 2)
    assert run(*arguments, *options) == 0
    said = capsys.readouterr()
    assert f"{out}: 2 clips of cityscapes val" in said.out and "licence: Cityscapes" in said.out
    assert sorted(path.name for path in out.iterdir()) == [
        "bonn_000000_000019",
        "ulm_000000_000019",
    ]
    clip = ClipFolder.open(out / "ulm_000000_000019")
    assert (len(clip), clip.width, clip.height, clip.fps) == (5, 32, 16, 17)
    assert clip.classes == CITYSCAPES7.classes
    assert [clip.label(n) is None for n in range(5)] == [True] * 4 + [False]
    label, depth = clip.label(4), clip.depth(4)
    assert label is not None and depth is not None
    assert (label[8:] == CITYSCAPES7.id("flat")).all()
    assert (label[1:8] == CITYSCAPES7.id("sky")).all()
    np.testing.assert_allclose(depth[8:], 0.209313 * 2262.52 / 40, atol=1 / 256)
    assert np.isnan(depth[:8]).all()
    for index in range(5):  # JPEG is near the red of the frame's own number
        assert clip.image(index)[..., 0].mean() == pytest.approx(8 * (15 + index), abs=3)
    assert clip.intrinsics is not None
    # Half the size: the middle of the picture stays in the middle.
    np.testing.assert_allclose(clip.intrinsics[0], [1131.26, 0, 15.5])
    origin = json.loads((out / "ulm_000000_000019" / "dataset.json").read_text())
    assert origin["annotated"] == [4] and origin["split"] == "val"
    assert "not for commercial use" in origin["license"] and "metres" in origin["units"]["depth"]
    before = (out / "ulm_000000_000019" / "camera.json").stat().st_mtime_ns
    assert run(*arguments, *options) == 0  # again: nothing is made anew
    assert (out / "ulm_000000_000019" / "camera.json").stat().st_mtime_ns == before
    capsys.readouterr()
    others = {
        ("--size", "32x16", "--before", 4): "classes",
        ("--classes", "cityscapes7", "--before", 4): "size",
        ("--classes", "cityscapes7", "--size", "32x16"): "annotated and frames",
    }
    for other, differs in others.items():
        assert run(*arguments, *other, "--jobs", 2) == 1
        error = capsys.readouterr().err
        assert f"has been converted with other {differs}; give another --out" in error
    assert (out / "ulm_000000_000019" / "camera.json").stat().st_mtime_ns == before


def test_a_damaged_file_stops_the_work_and_leaves_no_half_clip(
    cityscapes: Path, tmp_path: Path, capsys
) -> None:
    (cityscapes / "disparity/val/bonn/bonn_000000_000019_disparity.png").write_bytes(b"no")
    out = tmp_path / "clips"
    assert run("convert", "cityscapes", cityscapes, "--split", "val", "--out", out) == 1
    error = capsys.readouterr().err
    assert "disparity.png is damaged or not an image" in error and error.count("\n") == 1
    assert not (out / "bonn_000000_000019").exists()


def test_depth_that_is_disparity_is_not_converted(cityscapes: Path, tmp_path: Path) -> None:
    dataset = open_dataset("cityscapes", cityscapes, "val", depth="mtan")
    with pytest.raises(DatasetError, match="depth=metres"):
        next(convert(dataset, tmp_path / "clips"))


def test_every_map_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    image = np.full((16, 24, 3), 128, np.uint8)
    normals = rng.normal(size=(16, 24, 3))
    normals = (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32)
    normals[3, 4] = np.nan
    binary = (rng.random((16, 24)) < 0.3).astype(np.uint8)
    parts = rng.integers(0, 7, (16, 24)).astype(np.uint8)
    pose = np.eye(4)
    pose[0, 3] = 2.5
    frame = Frame(
        image, motion=binary * np.uint8(255), normals=normals, edges=binary,
        saliency=1 - binary, human_parts=parts, pose=pose,
    )  # fmt: skip
    folder = write_clip(_dataset(tmp_path), Clip("a/b", (lambda: frame,), (0,)), tmp_path / "out")
    assert folder.name == "a_b"
    clip = ClipFolder.open(folder)
    assert clip.fps == 1  # one frame: evaluation takes it for a still
    np.testing.assert_array_equal(clip.motion(0), frame.motion)
    assert clip.poses is not None and clip.poses[0, 0, 3] == 2.5
    written = cv2.imread(str(folder / "normals/000000.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(written, encode_normals(normals))
    np.testing.assert_allclose(decode_normals(written), normals, atol=2e-5)
    for kind, expected in {"edges": binary, "saliency": 1 - binary, "human_parts": parts}.items():
        got = cv2.imread(str(folder / kind / "000000.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(got, expected)


def test_no_map_gets_a_value_that_it_did_not_have() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    sparse = np.full((40, 60), np.nan, np.float32)
    sparse[10, 20], sparse[11, 21] = 30.0, 12.0  # both fall on pixel (5, 10) of half the size
    sparse[39, 59] = 7.0
    edges = np.zeros((40, 60), np.uint8)
    edges[:, 31] = 1  # one pixel wide
    label = np.where(np.arange(60) < 30, 3, 255).astype(np.uint8)[None].repeat(40, 0)
    frame = resized(Frame(image, label=label, depth=sparse, edges=edges), (30, 20))
    assert frame.depth is not None and frame.edges is not None and frame.label is not None
    assert frame.depth[5, 10] == 12.0 and frame.depth[19, 29] == 7.0
    assert np.isfinite(frame.depth).sum() == 2
    assert frame.edges[:, 15].all() and frame.edges.sum() == 20
    assert set(np.unique(frame.label)) == {3, 255}
    columns = np.arange(60, dtype=np.uint8)[None].repeat(40, 0)
    quarter = resized(Frame(image, label=columns), (15, 10))
    assert quarter.label is not None  # of four, one of the middle, where the picture's mean lies
    np.testing.assert_allclose(quarter.label[0], np.arange(15) * 4 + 1.5, atol=0.5)
    intrinsics = np.array([[100.0, 0, 29.5], [0, 100, 19.5], [0, 0, 1]])
    half = resized_intrinsics(intrinsics, (60, 40), (30, 20))
    np.testing.assert_allclose(half, [[50, 0, 14.5], [0, 50, 9.5], [0, 0, 1]])


def test_maps_of_another_size_than_the_image_are_refused() -> None:
    with pytest.raises(DatasetError, match="a label map is 6x4, but its image is 5x4"):
        Frame(np.zeros((4, 5, 3), np.uint8), label=np.zeros((4, 6), np.uint8))


def test_check_says_what_is_there_and_what_is_not(cityscapes: Path, tmp_path: Path, capsys) -> None:
    report = tmp_path / "report.json"
    assert run("check", "cityscapes", cityscapes, "--json", report) == 1  # train is not there
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"cityscapes train: {cityscapes}/leftImg8bit/train is missing")
    assert said[1] == (
        "cityscapes val: 2 annotated frames of 64x32 with label, depth; 9 frames before the last "
        "of them; K is known"
    )
    findings = json.loads(report.read_text())
    assert findings["val"]["maps"] == ["label", "depth"] and findings["val"]["missing"] == []


def test_a_name_or_folder_that_is_none(tmp_path: Path, capsys) -> None:
    assert run("check", "cityscape", tmp_path) == 1
    assert (
        "there is no data set 'cityscape'; there are cityscapes, nyuv2," in capsys.readouterr().err
    )
    assert run("convert", "davis", tmp_path / "x", "--split", "val", "--out", tmp_path / "o") == 1
    assert f"{tmp_path}/x is missing (the data set's folder)" in capsys.readouterr().err


def test_list_names_unit_licence_and_page_of_each(capsys) -> None:
    assert run("list", "--json", "-") == 0
    listed: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in listed] == list(DATASETS)
    for entry in listed:
        assert entry["license"] and entry["where"].startswith("http") and entry["layout"]
        assert entry["units"] and set(entry["units"]) <= set(Frame.MAPS)
        assert bool(entry["classes"]) == ("label" in entry["units"])
    assert run("list") == 0
    assert "kitti_raw: KITTI raw data (Geiger et al., 2013)" in capsys.readouterr().out


def _dataset(tmp_path: Path) -> Davis:
    root = tmp_path / "DAVIS"
    write_text(root / "ImageSets/2017/val.txt", "a\n")
    write_image(root / "Annotations/480p/a/00000.png")
    write_image(root / "JPEGImages/480p/a/00000.jpg")
    return Davis(root, "val")
