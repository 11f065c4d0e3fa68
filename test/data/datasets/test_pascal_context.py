# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_trees import write_palette_png, write_png, write_rgb, write_text

from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.datasets.labels import voc_colors
from mila_ros.data.datasets.pascal_context import PascalContext
from mila_ros.data.datasets.pascal_labels import HUMAN_PARTS7, PART_IDS, VOC21

HEIGHT, WIDTH = 8, 16


def mask(row: int) -> np.ndarray:
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[row] = 1
    return pixels


def person(parts: dict[str, int]) -> dict[str, object]:
    items = [{"part_name": name, "mask": mask(row)} for name, row in parts.items()]
    return {"class": "person", "class_ind": 15, "mask": mask(0), "parts": items}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    scipy_io = pytest.importorskip("scipy.io", reason="scipy reads MATLAB 5; pip install scipy")
    names = ["2008_000002", "2008_000003"]
    write_text(tmp_path / "ImageSets/Context/train.txt", "\n".join(names) + "\n")
    for name in names:
        (tmp_path / "JPEGImages").mkdir(exist_ok=True)
        image = np.full((HEIGHT, WIDTH, 3), 80, np.uint8)
        cv2.imwrite(str(tmp_path / f"JPEGImages/{name}.jpg"), image)
        context = np.full((HEIGHT, WIDTH), 258, np.uint16)
        context[:3] = 360
        (tmp_path / "pascal-context/trainval").mkdir(parents=True, exist_ok=True)
        scipy_io.savemat(tmp_path / f"pascal-context/trainval/{name}.mat", {"LabelMap": context})
        grey = np.zeros((HEIGHT, WIDTH), np.uint8)
        grey[4, :3] = 127, 128, 255
        write_png(tmp_path / f"sal_distill/{name}.png", grey)
        normals = np.full((HEIGHT, WIDTH, 3), (128, 0, 128), np.uint8)
        write_rgb(tmp_path / f"normals_distill/{name}.png", normals)
    write_text(tmp_path / "pascal-context/labels.txt", "258: mountain\n360: sky\n")
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[0, :3] = 15, 20, 255
    write_palette_png(tmp_path / f"semseg/VOC12/{names[0]}.png", ids, voc_colors(256))
    write_png(tmp_path / f"semseg/pascal-context/{names[1]}.png", ids)
    (tmp_path / "human_parts").mkdir()
    people = [person({"hair": 1, "luarm": 2, "rhand": 3}), person({"torso": 4, "lfoot": 5})]
    dog = {
        "class": "dog",
        "class_ind": 12,
        "mask": mask(6),
        "parts": [{"part_name": "head", "mask": mask(6)}],
    }
    scipy_io.savemat(
        tmp_path / f"human_parts/{names[0]}.mat", {"anno": {"objects": [*people, dog]}}
    )
    scipy_io.savemat(tmp_path / f"human_parts/{names[1]}.mat", {"anno": {"objects": [dog]}})
    return tmp_path


def test_five_tasks(root: Path) -> None:
    dataset = PascalContext(root, "train")
    frame = dataset.frame(0)
    assert set(frame.maps()) == {"label", "normals", "edges", "saliency", "human_parts"}
    assert frame.label is not None and frame.normals is not None and frame.edges is not None
    assert frame.saliency is not None and frame.human_parts is not None
    assert [VOC21.classes[i] for i in frame.label[0, :2]] == ["person", "tv monitor"]
    assert frame.label[0, 2] == 255 and frame.label[0, 3] == 0
    assert frame.saliency[4, :3].tolist() == [0, 1, 1] and frame.saliency.sum() == 2
    # Between the sky above and the mountain below.
    assert np.nonzero(frame.edges.all(1))[0].tolist() == [2] and frame.edges.sum() == WIDTH
    assert np.isnan(frame.normals[:3]).all()
    np.testing.assert_allclose(frame.normals[3, 0], [0, -1, 0], atol=6e-3)
    named = [HUMAN_PARTS7.classes[i] for i in frame.human_parts[:, 0]]
    assert named[1:6] == ["head", "upper arm", "lower arm", "torso", "lower leg"]
    assert named[0] == named[6] == "background"  # a dog's head is no part of a person


def test_labels_of_the_second_folder_and_images_without_people(root: Path) -> None:
    frame = PascalContext(root, "train").frame(1)
    assert frame.label is not None and frame.label[0, :3].tolist() == [15, 20, 255]
    assert frame.human_parts is None


def test_every_part_of_a_person_is_merged() -> None:
    assert len(PART_IDS) == 24 and set(PART_IDS.values()) == {1, 2, 3, 4, 5, 6}


def test_parts_that_are_missing_are_said(root: Path) -> None:
    (root / "pascal-context/labels.txt").unlink()
    dataset = PascalContext(root, "train")
    normals = dataset.frame(0).normals
    assert normals is not None and np.isfinite(normals).all()
    assert "labels.txt is missing (which normals are of the sky)" in str(dataset.absent()[0])
    (root / "semseg/VOC12/2008_000002.png").unlink()
    with pytest.raises(DatasetError, match="semseg/VOC12/2008_000002.png is missing"):
        dataset.frame(0)
    with pytest.raises(DatasetError, match=r"ImageSets/Context/val.txt is missing \(split\)"):
        PascalContext(root, "val")
