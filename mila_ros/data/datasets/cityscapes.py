# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes (Cordts et al., CVPR 2016): streets in 50 cities, 2048x1024, 17 frames a second.

One frame of each 30-frame sequence is annotated, the one with index 19. What the data set calls
disparity is a 16-bit PNG p: 0 is unknown, else (p - 1) / 256 pixels at full size.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import About, Clip, Dataset, DatasetError, Frame, Part
from mila_ros.data.datasets.files import read_map, read_rgb
from mila_ros.data.datasets.labels import (
    CITYSCAPES7,
    CITYSCAPES19,
    CITYSCAPES_LABEL_IDS,
    id_table,
    lookup_table,
)

ANNOTATED_INDEX = 19
"""Which of a sequence's 30 frames is annotated."""

DEPTHS = {
    "metres": "metres, baseline * fx / disparity with the sequence's own camera file",
    "disparity": "disparity in pixels at 2048x1024, (p - 1) / 256",
    "mtan": "p / 65535, the unit of MTAN's and MILA's tables: disparity, not depth",
}
"""What a depth map can count."""


def disparity_px(raw: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Disparity in pixels at full size from a disparity PNG, float32, NaN unknown."""
    return np.where(raw > 0, (raw.astype(np.float32) - 1) / 256, np.float32(np.nan))


def mtan_unit(raw: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The unit of MTAN's and MILA's tables from a disparity PNG: p / 65535, NaN unknown."""
    return np.where(raw > 0, raw.astype(np.float32) / 65535, np.float32(np.nan))


def metres(disparity: NDArray[np.float32], baseline_m: float, fx_px: float) -> NDArray[np.float32]:
    """Depth in metres from disparity in pixels; NaN where that is 0 or unknown."""
    with np.errstate(divide="ignore"):
        depth = np.float32(baseline_m * fx_px) / disparity
    return np.where(disparity > 0, depth, np.float32(np.nan))


def mtan_unit_to_metres(
    unit: NDArray[np.float32], baseline_m: float, fx_px: float
) -> NDArray[np.float32]:
    """Metres from the unit of MTAN's and MILA's tables; NaN where that is unknown, or none away.

    See `metres_to_mtan_unit`.
    """
    return metres((unit * np.float32(65535) - 1) / 256, baseline_m, fx_px)


def metres_to_mtan_unit(
    depth: NDArray[np.float32], baseline_m: float, fx_px: float
) -> NDArray[np.float32]:
    """What predicted metres are in the unit of MTAN's and MILA's tables.

    Args:
        depth: Metres, NaN unknown.
        baseline_m: The stereo camera's baseline in metres.
        fx_px: Its focal length in pixels at 2048x1024, whatever the size of ``depth``.
    """
    return ((np.float32(256 * baseline_m * fx_px) / depth + 1) / 65535).astype(np.float32)


class Cityscapes(Dataset):
    """Cityscapes with its fine annotations.

    Args:
        root: Folder of the unpacked archives.
        split: ``train`` (2975 annotated frames) or ``val`` (500).
        classes: ``cityscapes19`` or ``cityscapes7``.
        depth: What depth maps count, a key of `DEPTHS`.

    Raises:
        DatasetError: A folder is missing.
    """

    about = About(
        name="cityscapes",
        title="Cityscapes (Cordts et al., 2016)",
        splits=("train", "val"),
        taxonomies=(CITYSCAPES19, CITYSCAPES7),
        license="Cityscapes terms: free for research and teaching, not for commercial use; "
        "registration needed",
        units={
            "label": "classes of gtFine labelIds, drawn by people",
            "depth": DEPTHS["metres"] + "; semi-global matching, unknown where that found nothing",
        },
        where="https://www.cityscapes-dataset.com/downloads/",
        layout=(
            "leftImg8bit/SPLIT/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png",
            "gtFine/SPLIT/CITY/CITY_SSSSSS_FFFFFF_gtFine_labelIds.png",
            "disparity/SPLIT/CITY/CITY_SSSSSS_FFFFFF_disparity.png",
            "camera/SPLIT/CITY/CITY_SSSSSS_FFFFFF_camera.json",
            "leftImg8bit_sequence/SPLIT/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png (30 a sequence)",
        ),
        parts=(
            Part("leftImg8bit/{split}", "image", "leftImg8bit_trainvaltest.zip (11 GB)", True),
            Part("gtFine/{split}", "label", "gtFine_trainvaltest.zip (241 MB)"),
            Part("disparity/{split}", "depth", "disparity_trainvaltest.zip (3.5 GB)"),
            Part("camera/{split}", "K", "camera_trainvaltest.zip (2 MB)"),
            Part(
                "leftImg8bit_sequence/{split}",
                "frames before",
                "leftImg8bit_sequence_trainvaltest.zip (324 GB)",
            ),
        ),
        limits=("One frame in 30 is annotated.", "The labels of the test split are not public."),
    )
    fps = 17.0

    def __init__(
        self,
        root: str | Path,
        split: str,
        classes: str | None = None,
        depth: str = "metres",
    ) -> None:
        super().__init__(root, split, classes)
        if depth not in DEPTHS:
            raise DatasetError(
                f"cityscapes has no depth in {depth!r}; it can be {', '.join(DEPTHS)}"
            )
        self.depth = depth
        folder = self.root / "leftImg8bit" / split
        suffix = "_leftImg8bit.png"
        self.names = sorted(file.name.removesuffix(suffix) for file in folder.glob(f"*/*{suffix}"))
        if not self.names:
            raise self.missing(folder / f"CITY/*{suffix}", "images", self.archive("image"))
        assert self.taxonomy is not None
        to_19 = id_table(CITYSCAPES_LABEL_IDS, CITYSCAPES19)
        self._table = lookup_table(CITYSCAPES19, self.taxonomy)[to_19]

    def __len__(self) -> int:
        return len(self.names)

    def frame(self, index: int) -> Frame:
        name = self.names[index]
        label = depth = None
        if self.has("label"):
            label = self._table[read_map(self._file("gtFine", name, "gtFine_labelIds"), np.uint8)]
        if self.has("depth") and (self.depth != "metres" or self.has("K")):
            raw = read_map(self._file("disparity", name, "disparity"), np.uint16)
            depth = self._depth(raw, name)
        return Frame(self._image(name), label=label, depth=depth)

    def camera(self, index: int) -> tuple[float, NDArray[np.float64]]:
        """Baseline in metres and the matrix K of an annotated frame's sequence.

        Raises:
            DatasetError: The camera file is missing or damaged.
        """
        return self._camera(self.names[index])

    def clip(self, index: int, before: int = 9) -> Clip:
        """As `Dataset.clip`; at most 19 frames before, none without the sequences' archive."""
        name = self.names[index]
        readers = []
        if self.has("frames before"):
            city, sequence, number = name.rsplit("_", 2)
            for back in range(min(before, ANNOTATED_INDEX), 0, -1):
                earlier = f"{city}_{sequence}_{int(number) - back:06d}"
                readers.append(partial(self._unlabelled, earlier))
        readers.append(partial(self.frame, index))
        intrinsics = self._camera(name)[1] if self.has("K") else None
        return Clip(name, tuple(readers), (len(readers) - 1,), self.fps, intrinsics)

    def _unlabelled(self, name: str) -> Frame:
        path = self._file("leftImg8bit_sequence", name, "leftImg8bit")
        if not path.is_file():
            raise self.missing(path, "a frame of the sequence", self.archive("frames before"))
        return Frame(read_rgb(path))

    def _image(self, name: str) -> NDArray[np.uint8]:
        return read_rgb(self._file("leftImg8bit", name, "leftImg8bit"))

    def _depth(self, raw: NDArray[np.uint16], name: str) -> NDArray[np.float32]:
        if self.depth == "mtan":
            return mtan_unit(raw)
        if self.depth == "disparity":
            return disparity_px(raw)
        baseline, intrinsics = self._camera(name)
        return metres(disparity_px(raw), baseline, float(intrinsics[0, 0]))

    def _camera(self, name: str) -> tuple[float, NDArray[np.float64]]:
        path = self._file("camera", name, "camera").with_suffix(".json")
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            inner = content["intrinsic"]
            fx, fy, u0, v0 = (float(inner[key]) for key in ("fx", "fy", "u0", "v0"))
            baseline = float(content["extrinsic"]["baseline"])
        except OSError as error:
            raise self.missing(path, "a camera file", self.archive("K")) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{path} is no camera file of Cityscapes: it must give intrinsic fx, fy, u0, v0 "
                "and extrinsic baseline"
            ) from error
        return baseline, np.array([[fx, 0, u0], [0, fy, v0], [0, 0, 1]])

    def _file(self, folder: str, name: str, kind: str) -> Path:
        city = name.split("_")[0]
        return self.root / folder / self.split / city / f"{name}_{kind}.png"
