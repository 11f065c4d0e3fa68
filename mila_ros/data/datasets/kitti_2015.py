# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI 2015: 200 annotated frames of traffic (Menze and Geiger, CVPR 2015; Alhaija et al., 2018).

The semantics benchmark labels the frames of the scene flow benchmark, which gives their disparity
and which objects move, and ten frames before and after each.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import About, Clip, Dataset, DatasetError, Frame, Part
from mila_ros.data.datasets.files import read_map, read_rgb
from mila_ros.data.datasets.kitti_calibration import read_calibration
from mila_ros.data.datasets.kitti_tracklets import FRAMES_A_SECOND
from mila_ros.data.datasets.labels import (
    CITYSCAPES7,
    CITYSCAPES19,
    CITYSCAPES_LABEL_IDS,
    id_table,
    lookup_table,
)

_ANNOTATED = 10  # of the frames _00 to _20 of each scene


class Kitti2015(Dataset):
    """The 200 training frames of KITTI's semantics and scene flow benchmarks of 2015.

    Args:
        root: Folder with ``training``.
        split: ``train``; the labels of the 200 test frames are not public.
        classes: ``cityscapes19`` or ``cityscapes7``.

    Raises:
        DatasetError: A folder is missing.
    """

    about = About(
        name="kitti_2015",
        title="KITTI 2015 semantics and scene flow",
        splits=("train",),
        taxonomies=(CITYSCAPES19, CITYSCAPES7),
        license="CC BY-NC-SA 3.0",
        units={
            "label": "Cityscapes' label ids, drawn by people",
            "depth": "metres, baseline * fx / disparity; disparity p / 256 px by a laser scanner "
            "over several frames, on cars by fitted models; unknown where 0",
            "motion": "vehicles that move by themselves, by fitted models (obj_map)",
        },
        where="https://www.cvlibs.net/datasets/kitti/eval_semantics.php?benchmark=semantics2015",
        layout=(
            "training/image_2/NNNNNN_10.png (with the multi-view extension NNNNNN_00 to _20)",
            "training/semantic/NNNNNN_10.png",
            "training/disp_occ_0/NNNNNN_10.png",
            "training/obj_map/NNNNNN_10.png",
            "training/calib_cam_to_cam/NNNNNN.txt",
        ),
        parts=(
            Part("training/image_2", "image", "data_semantics.zip (314 MB)", True),
            Part("training/semantic", "label", "data_semantics.zip (314 MB)"),
            Part("training/disp_occ_0", "depth", "data_scene_flow.zip (2 GB)"),
            Part("training/obj_map", "motion", "data_scene_flow.zip (2 GB)"),
            Part("training/calib_cam_to_cam", "K", "data_scene_flow_calib.zip (1 MB)"),
            Part(
                "training/image_2/000000_09.png",
                "frames before",
                "data_scene_flow_multiview.zip (14 GB)",
            ),
        ),
        limits=("People who move are not in obj_map: only vehicles are.",),
    )
    fps = FRAMES_A_SECOND

    def __init__(self, root: str | Path, split: str, classes: str | None = None) -> None:
        super().__init__(root, split, classes)
        self.names = sorted(file.stem[:-3] for file in self._folder("image_2").glob("*_10.png"))
        if not self.names:
            raise self.missing(
                self._folder("image_2") / "NNNNNN_10.png", "images", self.archive("image")
            )
        assert self.taxonomy is not None
        to_19 = id_table(CITYSCAPES_LABEL_IDS, CITYSCAPES19)
        self._table = lookup_table(CITYSCAPES19, self.taxonomy)[to_19]

    def __len__(self) -> int:
        return len(self.names)

    def frame(self, index: int) -> Frame:
        name = f"{self.names[index]}_{_ANNOTATED}.png"
        label = depth = motion = None
        if self.has("label"):
            label = self._table[read_map(self._folder("semantic") / name, np.uint8)]
        if self.has("depth") and self.has("K"):
            raw = read_map(self._folder("disp_occ_0") / name, np.uint16)
            baseline, intrinsics = self.camera(index)
            scale = np.float32(256 * baseline * intrinsics[0, 0])
            depth = np.where(raw > 0, scale / np.maximum(raw, 1), np.float32(np.nan))
        if self.has("motion"):
            moving = read_map(self._folder("obj_map") / name, np.uint8) > 0
            motion = moving.astype(np.uint8) * np.uint8(255)
        return Frame(
            read_rgb(self._folder("image_2") / name), label=label, depth=depth, motion=motion
        )

    def camera(self, index: int) -> tuple[float, NDArray[np.float64]]:
        """Baseline in metres of the colour cameras and the matrix K of the left one.

        Raises:
            DatasetError: The calibration is missing or damaged.
        """
        path = self._folder("calib_cam_to_cam") / f"{self.names[index]}.txt"
        lines = read_calibration(path)
        try:
            left, right = (lines[key].reshape(3, 4) for key in ("P_rect_02", "P_rect_03"))
        except (KeyError, ValueError) as error:
            raise DatasetError(f"{path} holds no P_rect_02 and P_rect_03 of 12 numbers") from error
        return float((left[0, 3] - right[0, 3]) / left[0, 0]), left[:, :3]

    def clip(self, index: int, before: int = 9) -> Clip:
        """As `Dataset.clip`; at most 10 frames before, none without the multi-view extension."""
        name = self.names[index]
        readers = [partial(self.frame, index)]
        if self.has("frames before"):
            numbers = range(max(_ANNOTATED - before, 0), _ANNOTATED)
            earlier = [self._folder("image_2") / f"{name}_{number:02d}.png" for number in numbers]
            readers = [partial(_unlabelled, path) for path in earlier] + readers
        intrinsics = self.camera(index)[1] if self.has("K") else None
        return Clip(name, tuple(readers), (len(readers) - 1,), self.fps, intrinsics)

    def _folder(self, name: str) -> Path:
        return self.root / "training" / name


def _unlabelled(path: Path) -> Frame:
    return Frame(read_rgb(path))
