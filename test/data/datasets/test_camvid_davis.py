# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_trees import write_image, write_palette_png, write_rgb, write_text

from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.datasets.camvid import CLASSES32, CamVid, split_of
from mila_ros.data.datasets.davis import Davis
from mila_ros.data.datasets.labels import CAMVID11, voc_colors


def test_split_is_that_of_segnet() -> None:
    # 62 + 101 + 204 stills for training, 101 for validation, 62 + 171 for tests.
    names = [f"0001TP_{n:06d}" for n in range(6690, 10381, 30)]
    names += [f"0006R0_f{n:05d}" for n in range(930, 3931, 30)]
    names += [f"0016E5_{n:05d}" for n in range(390, 6481 + 30, 30)][:204]
    names += [f"0016E5_{n:05d}" for n in range(7959, 8160, 2)]
    names += [f"Seq05VD_f{n:05d}" for n in range(0, 5101, 30)]
    splits = [split_of(name) for name in names]
    assert [splits.count(split) for split in ("train", "val", "test")] == [367, 101, 233]
    assert split_of("0016E5_07980") == "train"  # one a second there too


def test_colours_of_32_classes_become_11(tmp_path: Path) -> None:
    write_image(tmp_path / "701_StillsRaw_full/0006R0_f00930.png", 8, 40)
    rgb = np.zeros((8, 40, 3), np.uint8)
    rgb[0, :32] = [color for color, _ in CLASSES32.values()]
    rgb[0, 32] = 1, 2, 3
    write_rgb(tmp_path / "LabeledApproved_full/0006R0_f00930_L.png", rgb)
    label = CamVid(tmp_path, "train").frame(0).label
    assert label is not None
    got = dict(zip(CLASSES32, label[0, :32].tolist(), strict=True))
    assert len(CLASSES32) == 32 and len({color for color, _ in CLASSES32.values()}) == 32
    for name, merged in {
        "Sky": "sky", "Bridge": "building", "TrafficCone": "pole", "LaneMkgsDriv": "road",
        "RoadShoulder": "pavement", "VegetationMisc": "tree", "TrafficLight": "sign",
        "Fence": "fence", "Truck_Bus": "car", "Child": "pedestrian",
        "MotorcycleScooter": "bicyclist",
    }.items():  # fmt: skip
        assert got[name] == CAMVID11.id(merged)
    assert got["Void"] == 255 and label[0, 32] == 255


def test_frames_of_the_video_before_a_still(tmp_path: Path) -> None:
    for name in ("Seq05VD_f00030", "Seq05VD_f00060"):
        write_image(tmp_path / f"701_StillsRaw_full/{name}.png", value=60)
        write_rgb(tmp_path / f"LabeledApproved_full/{name}_L.png", np.zeros((8, 16, 3), np.uint8))
    for number in (55, 57, 58, 59):
        write_image(tmp_path / f"frames/Seq05VD_f{number:05d}.png", value=number)
    dataset = CamVid(tmp_path, "test")
    clip = dataset.clip(1)
    assert [clip.frame(n).image[0, 0, 0] for n in range(len(clip))] == [57, 58, 59, 60]
    assert clip.annotated == (3,) and clip.frame(3).label is not None
    assert len(dataset.clip(0)) == 1
    with pytest.raises(DatasetError, match="stills of the split val"):
        CamVid(tmp_path, "val")


def test_davis_objects_stand_for_motion(tmp_path: Path) -> None:
    colors = voc_colors(4)
    assert colors.tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    for name, frames in (("bear", 2), ("dog", 1)):
        for number in range(frames):
            image = tmp_path / f"JPEGImages/480p/{name}/{number:05d}.jpg"
            image.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(image), np.full((8, 16, 3), 90, np.uint8))
            ids = np.zeros((8, 16), np.uint8)
            ids[2, 3], ids[2, 4] = 1, 3
            write_palette_png(tmp_path / f"Annotations/480p/{name}/{number:05d}.png", ids, colors)
    write_text(tmp_path / "ImageSets/2017/train.txt", "bear\ndog\n")
    write_text(tmp_path / "ImageSets/2017/val.txt", "camel\n")
    dataset = Davis(tmp_path, "train")
    assert len(dataset) == 3 and [len(clip) for clip in dataset.clips()] == [2, 1]
    motion = dataset.frame(2).motion
    assert motion is not None
    assert np.argwhere(motion == 255).tolist() == [[2, 3], [2, 4]] and (motion == 0).sum() == 126
    with pytest.raises(DatasetError, match=r"480p/camel is missing \(a sequence of the split\)"):
        Davis(tmp_path, "val")
