# Copyright 2026 the mila_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SYNTHIA (Ros et al., CVPR 2016): rendered streets, 1280x760.

Its label PNGs have 16 bits: the first channel is the class, the second an object's number. Depth is
in centimetres, the largest value is the sky. The two parts number their classes differently.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mila_ros.data.datasets.base import About, Clip, Dataset, DatasetError, Frame, Part
from mila_ros.data.datasets.files import read_channels, read_rgb
from mila_ros.data.datasets.labels import CITYSCAPES19, Taxonomy, id_table
from mila_ros.data.datasets.video import VideoDataset

SEQUENCE_IDS = {
    1: ("sky", (128, 128, 128)),
    2: ("building", (128, 0, 0)),
    3: ("road", (128, 64, 128)),
    4: ("sidewalk", (0, 0, 192)),
    5: ("fence", (64, 64, 128)),
    6: ("vegetation", (128, 128, 0)),
    7: ("pole", (192, 192, 128)),
    8: ("car", (64, 0, 128)),
    9: ("traffic sign", (192, 128, 128)),
    10: ("pedestrian", (64, 64, 0)),
    11: ("bicycle", (0, 128, 192)),
    12: ("lane marking", (0, 172, 0)),
    15: ("traffic light", (0, 128, 128)),
}
"""Name and colour of each class id of the video sequences; other ids are void."""

SYNTHIA13 = Taxonomy(
    "synthia13",
    tuple(name for name, _ in SEQUENCE_IDS.values()),
    tuple(color for _, color in SEQUENCE_IDS.values()),
)

RANDOM_IDS = {
    1: "sky",
    2: "building",
    3: "road",
    4: "sidewalk",
    5: "fence",
    6: "vegetation",
    7: "pole",
    8: "car",
    9: "traffic sign",
    10: "person",
    11: "bicycle",
    12: "motorcycle",
    15: "traffic light",
    16: "terrain",
    17: "rider",
    18: "truck",
    19: "bus",
    20: "train",
    21: "wall",
}
"""The Cityscapes class of each id of RAND-CITYSCAPES; parking, road work, lane marking are void."""

INTRINSICS = np.array([[532.740352, 0, 640], [0, 532.740352, 380], [0, 0, 1.0]])
"""K of the sequences' cameras."""

_LICENSE = "CC BY-NC-SA 3.0"
_WHERE = "https://synthia-dataset.net/downloads/"
_LABEL = "rendered with the image, so exact at every pixel"
_DEPTH = "metres from centimetres, rendered; unknown in the sky (65535)"


def synthia_label(path: Path, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Class ids uint8 [H, W] from a label PNG of 16 bits, through a table of its ids."""
    return table[np.minimum(read_channels(path, np.uint16)[..., 0], 255)]


def synthia_depth(path: Path) -> NDArray[np.float32]:
    """Metres, float32 [H, W], NaN unknown, from a depth PNG of 16 bits, of one channel or more.

    Raises:
        DatasetError: It is missing or damaged, or has no 16 bits.
    """
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if raw is None or raw.dtype != np.uint16:
        raise DatasetError(f"{path} must be a PNG of 16 bits; it is missing, damaged or another")
    first = raw if raw.ndim == 2 else raw[..., 2]
    known = (first > 0) & (first < 65535)
    return np.where(known, first.astype(np.float32) / 100, np.float32(np.nan))


class SynthiaSequences(VideoDataset):
    """The video sequences, left front camera, 5 frames a second.

    Args:
        root: Folder of the unpacked SYNTHIA-SEQS-NN-CONDITION.
        split: ``train`` (sequence 02) and ``val`` (sequence 05) as MultiNet++ has it, or ``all``.
        classes: ``synthia13``.

    Raises:
        DatasetError: No sequence of the split is there.
    """

    about = About(
        name="synthia_seqs",
        title="SYNTHIA video sequences (Ros et al., 2016)",
        splits=("train", "val", "all"),
        taxonomies=(SYNTHIA13,),
        license=_LICENSE,
        units={"label": _LABEL, "depth": _DEPTH},
        where=_WHERE,
        layout=(
            "SYNTHIA-SEQS-NN-CONDITION/RGB/Stereo_Left/Omni_F/NNNNNN.png",
            "SYNTHIA-SEQS-NN-CONDITION/GT/LABELS/Stereo_Left/Omni_F/NNNNNN.png",
            "SYNTHIA-SEQS-NN-CONDITION/Depth/Stereo_Left/Omni_F/NNNNNN.png",
        ),
        parts=(),
        limits=(
            "Objects have numbers, but nothing says which of them move.",
            "MultiNet++ does not say which of the sequences' conditions it takes: all are.",
        ),
    )
    fps = 5.0
    per_sequence = (
        Part("GT/LABELS/Stereo_Left/Omni_F", "label", "the sequence's .rar"),
        Part("Depth/Stereo_Left/Omni_F", "depth", "the sequence's .rar"),
    )
    _CAMERA = Path("Stereo_Left", "Omni_F")
    _NUMBERS = {"train": "02", "val": "05", "all": "*"}

    def __init__(self, root: str | Path, split: str, classes: str | None = None) -> None:
        super().__init__(root, split, classes)
        pattern = f"SYNTHIA-SEQS-{self._NUMBERS[split]}-*"
        found = [
            (folder.name, sorted((folder / "RGB" / self._CAMERA).glob("*.png")))
            for folder in sorted(self.root.glob(pattern))
        ]
        self.sequences = [(name, files) for name, files in found if files]
        if not self.sequences:
            path = self.root / pattern / "RGB" / self._CAMERA
            raise self.missing(path, "images", f"{pattern}.rar (each some GB)")
        names = {index: name for index, (name, _) in SEQUENCE_IDS.items()}
        self._table = id_table(names, SYNTHIA13)

    def folder(self, sequence: int) -> Path:
        return self.sequences[sequence][1][0].parents[3]

    def intrinsics(self, sequence: int) -> NDArray[np.float64]:
        return INTRINSICS

    def read(self, sequence: int, position: int) -> Frame:
        file = self.sequences[sequence][1][position]
        folder = self.folder(sequence)
        label = folder / "GT" / "LABELS" / self._CAMERA
        depth = folder / "Depth" / self._CAMERA
        return Frame(
            read_rgb(file),
            label=synthia_label(label / file.name, self._table) if label.is_dir() else None,
            depth=synthia_depth(depth / file.name) if depth.is_dir() else None,
        )


class SynthiaRandom(Dataset):
    """SYNTHIA-RAND-CITYSCAPES: 9400 single images with Cityscapes' classes.

    Args:
        root: Folder of the unpacked archive.
        split: ``train``: there is one split.
        classes: ``cityscapes19``.

    Raises:
        DatasetError: A folder is missing.
    """

    about = About(
        name="synthia_rand",
        title="SYNTHIA-RAND-CITYSCAPES (Ros et al., 2016)",
        splits=("train",),
        taxonomies=(CITYSCAPES19,),
        license=_LICENSE,
        units={"label": _LABEL, "depth": _DEPTH},
        where=_WHERE,
        layout=("RGB/NNNNNNN.png", "GT/LABELS/NNNNNNN.png", "Depth/Depth/NNNNNNN.png"),
        parts=(
            Part("RGB", "image", "SYNTHIA_RAND_CITYSCAPES.rar (21 GB)", True),
            Part("GT/LABELS", "label", "SYNTHIA_RAND_CITYSCAPES.rar (21 GB)"),
            Part("Depth/Depth", "depth", "SYNTHIA_RAND_CITYSCAPES.rar (21 GB)"),
        ),
        limits=("Single images of changing cameras, whose K is not given.",),
    )

    def __init__(self, root: str | Path, split: str, classes: str | None = None) -> None:
        super().__init__(root, split, classes)
        self.files = sorted((self.root / "RGB").glob("*.png"))
        if not self.files:
            raise self.missing(self.root / "RGB" / "*.png", "images", self.archive("image"))
        self._table = id_table(RANDOM_IDS, CITYSCAPES19)

    def __len__(self) -> int:
        return len(self.files)

    def frame(self, index: int) -> Frame:
        file = self.files[index]
        label, depth = self.root / "GT/LABELS" / file.name, self.root / "Depth/Depth" / file.name
        return Frame(
            read_rgb(file),
            label=synthia_label(label, self._table) if self.has("label") else None,
            depth=synthia_depth(depth) if self.has("depth") else None,
        )

    def clip(self, index: int, before: int = 9) -> Clip:
        """The single image: there are no frames before."""
        return Clip(self.files[index].stem, (partial(self.frame, index),), (0,))
