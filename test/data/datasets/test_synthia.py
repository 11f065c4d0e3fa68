# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_trees import write_image, write_png, write_rgb

from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.datasets.labels import CITYSCAPES19
from mila_ros.data.datasets.synthia import SYNTHIA13, SynthiaRandom, SynthiaSequences


def label_png(path: Path, ids: list[int]) -> None:
    rgb = np.zeros((8, 16, 3), np.uint16)
    rgb[0, : len(ids), 0] = ids
    rgb[..., 1] = 700  # an object's number, over what 8 bits hold
    write_rgb(path, rgb)


def depth_png(path: Path, centimetres: list[int]) -> None:
    depth = np.full((8, 16), 65535, np.uint16)
    depth[0, : len(centimetres)] = centimetres
    write_png(path, depth)


def test_sequences(tmp_path: Path) -> None:
    for sequence, frames in (("02-SPRING", 3), ("02-FALL", 2), ("05-SPRING", 1)):
        root = tmp_path / f"SYNTHIA-SEQS-{sequence}"
        for number in range(frames):
            name = f"Stereo_Left/Omni_F/{number:06d}.png"
            write_image(root / "RGB" / name, value=number)
            label_png(root / "GT/LABELS" / name, [0, 1, 3, 12, 13, 15])
            depth_png(root / "Depth" / name, [0, 1234])
    dataset = SynthiaSequences(tmp_path, "train")
    assert len(dataset) == 5 and len(SynthiaSequences(tmp_path, "val")) == 1
    frame = dataset.frame(3)  # the second of SPRING, after the two of FALL
    assert frame.image[0, 0, 0] == 1
    assert frame.label is not None and frame.depth is not None
    expected = [255, *(SYNTHIA13.id(n) for n in ("sky", "road", "lane marking")), 255]
    assert frame.label[0, :6].tolist() == [*expected, SYNTHIA13.id("traffic light")]
    assert frame.depth[0, 1] == pytest.approx(12.34)
    assert np.isnan(frame.depth[0, 0]) and np.isnan(frame.depth[7, 7])
    assert [(clip.name, len(clip)) for clip in dataset.clips()] == [
        ("SYNTHIA-SEQS-02-FALL", 2),
        ("SYNTHIA-SEQS-02-SPRING", 3),
    ]
    clip = dataset.clip(4, before=9)
    assert len(clip) == 3 and clip.frame(0).image[0, 0, 0] == 0
    with pytest.raises(IndexError, match="frames 0 to 4, not 5"):
        dataset.frame(5)


def test_single_images_number_their_classes_differently(tmp_path: Path) -> None:
    write_image(tmp_path / "RGB/0000000.png")
    label_png(tmp_path / "GT/LABELS/0000000.png", [0, 10, 12, 14, 17, 21, 22])
    depth_png(tmp_path / "Depth/Depth/0000000.png", [100])
    frame = SynthiaRandom(tmp_path, "train").frame(0)
    assert frame.label is not None and frame.depth is not None
    person, motorcycle, rider, wall = map(
        CITYSCAPES19.id, ("person", "motorcycle", "rider", "wall")
    )
    assert frame.label[0, :7].tolist() == [255, person, motorcycle, 255, rider, wall, 255]
    assert frame.depth[0, 0] == 1.0


def test_depth_of_eight_bits_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "RGB/0000000.png")
    write_png(tmp_path / "Depth/Depth/0000000.png", np.zeros((8, 16), np.uint8))
    with pytest.raises(DatasetError, match="must be a PNG of 16 bits"):
        SynthiaRandom(tmp_path, "train").frame(0)


def test_no_sequence_of_the_split(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"SYNTHIA-SEQS-05-\*/RGB/Stereo_Left/Omni_F is missing"):
        SynthiaSequences(tmp_path, "val")
