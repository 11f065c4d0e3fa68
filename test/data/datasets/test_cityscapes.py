# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_trees import write_image, write_png, write_text

from mila_ros.data.datasets.base import DatasetError
from mila_ros.data.datasets.cityscapes import (
    Cityscapes,
    disparity_px,
    metres,
    metres_to_mtan_unit,
    mtan_unit,
)
from mila_ros.data.datasets.labels import CITYSCAPES7, CITYSCAPES19

NAME = "aachen_000003_000119"
BASELINE, FX = 0.209313, 2262.52
# The official label ids beside their class and category (cityscapesScripts, labels.py).
OFFICIAL = {
    3: (None, None),  # out of roi
    6: (None, None),  # ground
    7: ("road", "flat"),
    8: ("sidewalk", "flat"),
    9: (None, None),  # parking, not evaluated
    11: ("building", "construction"),
    13: ("fence", "construction"),
    17: ("pole", "object"),
    18: (None, None),  # pole group
    20: ("traffic sign", "object"),
    22: ("terrain", "nature"),
    23: ("sky", "sky"),
    25: ("rider", "human"),
    26: ("car", "vehicle"),
    29: (None, None),  # caravan
    31: ("train", "vehicle"),
    33: ("bicycle", "vehicle"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    def path(folder: str, kind: str, name: str = NAME) -> Path:
        return tmp_path / folder / "val" / "aachen" / f"{name}_{kind}"

    write_image(path("leftImg8bit", "leftImg8bit.png"), value=19)
    for index in range(30):
        name = f"aachen_000003_{100 + index:06d}"
        write_image(path("leftImg8bit_sequence", "leftImg8bit.png", name), value=index)
    ids = np.zeros((8, 16), np.uint8)
    ids[0, : len(OFFICIAL) - 1] = list(OFFICIAL)[:-1]
    ids[1, 0] = 33
    write_png(path("gtFine", "gtFine_labelIds.png"), ids)
    disparity = np.zeros((8, 16), np.uint16)
    disparity[2, 3], disparity[2, 4] = 1 + 256 * 40, 1
    write_png(path("disparity", "disparity.png"), disparity)
    camera = {
        "extrinsic": {"baseline": BASELINE, "pitch": 0.03},
        "intrinsic": {"fx": FX, "fy": 2265.3, "u0": 1096.98, "v0": 513.137},
    }
    write_text(path("camera", "camera.json"), json.dumps(camera))
    return tmp_path


def test_a_known_disparity_is_this_depth(root: Path) -> None:
    depth = Cityscapes(root, "val").frame(0).depth
    assert depth is not None and depth.dtype == np.float32
    assert depth[2, 3] == pytest.approx(BASELINE * FX / 40)  # 11.84 m
    assert np.isnan(depth[2, 4])  # p = 1 is a disparity of 0: infinitely far
    assert np.isnan(depth[0, 0])
    in_px = Cityscapes(root, "val", depth="disparity").frame(0).depth
    assert in_px is not None and in_px[2, 3] == 40 and in_px[2, 4] == 0
    in_mtan = Cityscapes(root, "val", depth="mtan").frame(0).depth
    assert in_mtan is not None and in_mtan[2, 3] == pytest.approx(10241 / 65535)


def test_units_turn_into_each_other() -> None:
    raw = np.array([[0, 257, 32257, 65535]], np.uint16)
    unit = mtan_unit(raw)
    # The range that users of MTAN's arrays report: 0 to 0.4922.
    assert unit[0, 2] == pytest.approx(0.49221, abs=1e-5)
    back = metres_to_mtan_unit(metres(disparity_px(raw), BASELINE, FX), BASELINE, FX)
    np.testing.assert_allclose(back, unit, rtol=1e-6)


@pytest.mark.parametrize("taxonomy", [CITYSCAPES19, CITYSCAPES7], ids=lambda t: t.name)
def test_label_ids_become_the_evaluated_classes(root: Path, taxonomy) -> None:
    dataset = Cityscapes(root, "val", classes=taxonomy.name)
    label = dataset.frame(0).label
    assert label is not None
    for column, (number, names) in enumerate(OFFICIAL.items()):
        name = names[taxonomy == CITYSCAPES7]
        got = label[1, 0] if number == 33 else label[0, column]
        assert got == (255 if name is None else taxonomy.id(name)), (number, name)


def test_the_annotated_frame_has_index_19_of_its_sequence(root: Path) -> None:
    dataset = Cityscapes(root, "val")
    clip = dataset.clip(0, before=100)
    assert len(clip) == 20 and clip.annotated == (19,)
    assert [clip.frame(index).image[0, 0, 0] for index in range(20)] == list(range(20))
    assert clip.frame(18).label is None and clip.frame(19).label is not None
    short = dataset.clip(0, before=4)
    assert short.annotated == (4,) and short.frame(0).image[0, 0, 0] == 15
    assert short.fps == 17
    assert short.intrinsics is not None
    np.testing.assert_allclose(
        short.intrinsics, [[FX, 0, 1096.98], [0, 2265.3, 513.137], [0, 0, 1]]
    )


def test_without_the_sequences_it_is_a_single_image(root: Path) -> None:
    shutil.rmtree(root / "leftImg8bit_sequence")
    dataset = Cityscapes(root, "val")
    assert len(dataset.clip(0)) == 1 and dataset.clip(0).annotated == (0,)
    (sentence,) = map(str, dataset.absent())
    assert "leftImg8bit_sequence/val is missing" in sentence and "324 GB" in sentence


def test_parts_that_are_missing_are_named(root: Path) -> None:
    shutil.rmtree(root / "camera")
    frame = Cityscapes(root, "val").frame(0)
    assert frame.depth is None and frame.label is not None
    (root / "gtFine/val/aachen" / f"{NAME}_gtFine_labelIds.png").unlink()
    with pytest.raises(DatasetError, match="labelIds.png cannot be read: No such file"):
        Cityscapes(root, "val").frame(0)
    (root / "leftImg8bit_sequence/val/aachen/aachen_000003_000118_leftImg8bit.png").unlink()
    with pytest.raises(DatasetError, match=r"000118_leftImg8bit.png is missing \(a frame of the"):
        Cityscapes(root, "val").clip(0).frame(8)


def test_a_wrong_split_or_folder_is_one_sentence(root: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'test'; its splits are train, val"):
        Cityscapes(root, "test")
    with pytest.raises(DatasetError) as caught:
        Cityscapes(root, "train")
    sentence = str(caught.value)
    assert sentence.startswith(f"{root}/leftImg8bit/train is missing (image); download")
    assert "leftImg8bit_trainvaltest.zip (11 GB)" in sentence
    assert "https://www.cityscapes-dataset.com/downloads/" in sentence
    assert "gtFine/SPLIT/CITY/CITY_SSSSSS_FFFFFF_gtFine_labelIds.png" in sentence
    assert "\n" not in sentence
    with pytest.raises(DatasetError, match="classes 'nyu13'; it has cityscapes19, cityscapes7"):
        Cityscapes(root, "val", classes="nyu13")
